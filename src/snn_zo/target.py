"""What a network is to learn of each recording: its class, or continuous values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.generic]
    """Targets of S recordings, [S] or [S, K]."""

GROUPS = 10
"""Groups of equal size that continuous targets are stratified by."""


class Target(ABC):
    """Shape, type and range of the targets of S recordings.

    Attributes:
        dtype: of the numbers.
        kinds: of the numbers that can become that type, as NumPy abbreviates them.
    """

    dtype: ClassVar[Literal["int64", "float32"]]
    kinds: ClassVar[str]

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Values C that a network gives for it."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Of one recording's target."""

    @abstractmethod
    def strata(self, targets: Values, most: int = GROUPS) -> NDArray[np.int64]:
        """[S] groups of which every part of a stratified split gets its share.

        Args:
            targets: [S, *shape].
            most: number of groups, where that can be chosen.
        """

    @abstractmethod
    def valid(self, targets: Values) -> NDArray[np.bool_]:
        """[S] whether each of the targets [S, *shape] is in range."""

    @abstractmethod
    def fault(self, target: Values) -> str:
        """Words for a recording's target [*shape] that is not in range."""

    def typed(self, targets: Values) -> Values:
        """Targets [S, *shape] of any type as `dtype`.

        Raises:
            ValueError: they have another shape, or are not such numbers.
        """
        import numpy as np

        if targets.shape[1:] != self.shape or targets.ndim == 0 or targets.dtype.kind not in self.kinds:
            belongs = ", ".join(map(str, ("S", *self.shape)))
            raise ValueError(f"targets are {targets.dtype} {list(targets.shape)}, and must be {self.dtype} [{belongs}]")
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite
            return targets.astype(self.dtype, copy=False)


@dataclass(frozen=True)
class Classes(Target):
    """One of several classes, a whole number from 0 on.

    Attributes:
        count: number of classes C.
    """

    count: int
    dtype: ClassVar[Literal["int64", "float32"]] = "int64"
    kinds: ClassVar[str] = "iu"

    @property
    def outputs(self) -> int:
        """One value for each class."""
        return self.count

    @property
    def shape(self) -> tuple[int, ...]:
        """A single number."""
        return ()

    def strata(self, targets: Values, most: int = GROUPS) -> NDArray[np.int64]:
        """The classes themselves."""
        return targets.astype("int64", copy=False)

    def valid(self, targets: Values) -> NDArray[np.bool_]:
        """Whether there is such a class."""
        label = targets.astype("int64", copy=False)
        return (label >= 0) & (label < self.count)

    def fault(self, target: Values) -> str:
        """The number that is not one of a class."""
        return f"label {target}, which is not one of 0 to {self.count - 1}"


@dataclass(frozen=True)
class Continuous(Target):
    """Some real numbers.

    Attributes:
        size: how many, K.
    """

    size: int = 1
    dtype: ClassVar[Literal["int64", "float32"]] = "float32"
    kinds: ClassVar[str] = "iuf"

    @property
    def outputs(self) -> int:
        """One value for each of them."""
        return self.size

    @property
    def shape(self) -> tuple[int, ...]:
        """A vector."""
        return (self.size,)

    def strata(self, targets: Values, most: int = GROUPS) -> NDArray[np.int64]:
        """Groups of equal size by the first of the numbers, of at least two recordings each."""
        rank = targets[:, 0].argsort(kind="stable").argsort(kind="stable")
        groups = max(min(GROUPS, most, len(rank) // 2), 1)
        return rank * groups // max(len(rank), 1)

    def valid(self, targets: Values) -> NDArray[np.bool_]:
        """Whether all of them are finite."""
        import numpy as np

        return np.isfinite(targets.astype(self.dtype, copy=False)).all(1)

    def fault(self, target: Values) -> str:
        """The numbers, one of which is not finite."""
        return f"target {', '.join(map(str, target.tolist()))}, which is not finite"
