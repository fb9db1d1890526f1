"""What a network is to learn of each recording: its class, or continuous values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GROUPS = 10
"""Groups of equal size that continuous targets are stratified by."""


class Target(ABC):
    """Shape, type and range of the targets of S recordings.

    Attributes:
        dtype: of the numbers.
    """

    dtype: ClassVar[Literal["int64", "float32"]]

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Values C that a network gives for it."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Of one recording's target."""

    @abstractmethod
    def strata(self, targets: NDArray[np.generic]) -> NDArray[np.int64]:
        """[S] groups of which every part of a stratified split gets its share, from targets [S, *shape]."""


@dataclass(frozen=True)
class Classes(Target):
    """One of several classes, a whole number from 0 on.

    Attributes:
        count: number of classes C.
    """

    count: int
    dtype: ClassVar[Literal["int64", "float32"]] = "int64"

    @property
    def outputs(self) -> int:
        """One value for each class."""
        return self.count

    @property
    def shape(self) -> tuple[int, ...]:
        """A single number."""
        return ()

    def strata(self, targets: NDArray[np.generic]) -> NDArray[np.int64]:
        """The classes themselves."""
        return targets.astype("int64", copy=False)


@dataclass(frozen=True)
class Continuous(Target):
    """Some real numbers.

    Attributes:
        size: how many, K.
    """

    size: int = 1
    dtype: ClassVar[Literal["int64", "float32"]] = "float32"

    @property
    def outputs(self) -> int:
        """One value for each of them."""
        return self.size

    @property
    def shape(self) -> tuple[int, ...]:
        """A vector."""
        return (self.size,)

    def strata(self, targets: NDArray[np.generic]) -> NDArray[np.int64]:
        """Groups of equal size by the first of the numbers."""
        rank = targets[:, 0].argsort(kind="stable").argsort(kind="stable")
        return rank * min(GROUPS, max(len(rank) // 2, 1)) // max(len(rank), 1)
