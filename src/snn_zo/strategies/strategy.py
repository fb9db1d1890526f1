"""What every spike-gradient strategy offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal, Self

if TYPE_CHECKING:
    from snn_zo._torch import torch
    from snn_zo.strategies.draw import Draw


Lookup = Literal["everywhere", "window", "drawn"]
"""Where the local derivative is looked up: at every element; where |u| is below the reach; where, besides, a random
number allows the element to be active."""


class Strategy(ABC):
    """The local derivative g(u) = ds/du that stands in for the derivative of the spike, u = v - v_th.

    Strategies are frozen dataclasses of plain values: they are equal when their settings are, and Hydra builds
    them from `conf/strategy`. An element is *active* when g != 0.
    """

    stochastic: ClassVar[bool] = False
    """Whether `gradient` depends on `draw`."""

    @property
    def reach(self) -> float:
        """|u| from which on no element is active; inf where nothing is known."""
        return float("inf")

    @abstractmethod
    def gradient(self, u: torch.Tensor, draw: Draw | None = None) -> torch.Tensor:
        """Local derivative.

        Args:
            u: [B, ...] distance to threshold.
            draw: randomness for the B samples; a stochastic strategy takes a fresh draw where there is none.

        Returns:
            g, of the shape and type of u.
        """

    @abstractmethod
    def expected(self, u: torch.Tensor) -> torch.Tensor:
        """E[g](u), elementwise."""

    @abstractmethod
    def activity(self, u: torch.Tensor) -> torch.Tensor:
        """P(active | u), elementwise."""

    @property
    @abstractmethod
    def b_th(self) -> float:
        """Half width of the hard window with the same expected activity, in units of v_th; inf where none exists."""

    @property
    def lookup(self) -> Lookup:
        """Where g is looked up, which compiled backends do and operation counts go by.

        A family that is looked up at fewer elements says so for its own `gradient` only: a class that overrides
        `gradient` has it called with every element.
        """
        return "everywhere"

    def scaled(self, factor: float) -> Self | None:
        """The strategy with its width times a positive factor: more elements are active, the wider it is; None where it
        has no width."""
        return None


def require_count(samples: int) -> None:
    """Raise ValueError unless the number of draws is a positive whole number."""
    if samples < 1 or samples != int(samples):
        raise ValueError(f"samples must be a positive whole number, got {samples:g}")


def require_pool(size: int) -> None:
    """Raise ValueError unless a pool of random numbers has a usable size."""
    if size != 0 and (size < 2 or size & (size - 1)):
        raise ValueError(f"pool must be a power of two, or 0 for none, got {size}")


def require_positive(**values: float) -> None:
    """Raise ValueError naming the first value that is not a finite positive number."""
    for name, value in values.items():
        if not 0 < value < float("inf"):
            raise ValueError(f"{name} must be a positive number, got {value:g}")
