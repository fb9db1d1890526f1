"""Surrogate gradients: a smooth g(u) for everyone."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from snn_zo._torch import torch
from snn_zo.strategies.functions import FUNCTIONS, SurrogateFunction
from snn_zo.strategies.registry import lookup
from snn_zo.strategies.strategy import Lookup, Strategy, require_positive

if TYPE_CHECKING:
    from snn_zo.strategies.draw import Draw


class Deterministic(Strategy):
    """A strategy whose local derivative is a function of u alone: active wherever it is not 0."""

    def gradient(self, u: torch.Tensor, draw: Draw | None = None) -> torch.Tensor:
        return self.expected(u.detach())

    def activity(self, u: torch.Tensor) -> torch.Tensor:
        return (self.expected(u) != 0).to(u.dtype)

    @property
    def elementwise(self) -> bool:
        """Whether `gradient` is `expected`, element by element; not where a class has a `gradient` of its own."""
        return type(self).gradient is Deterministic.gradient

    @property
    def lookup(self) -> Lookup:
        return "window" if self.elementwise and self.reach < float("inf") else "everywhere"


class Dense(Deterministic):
    """A surrogate with its primitive; the base of those that `SparseSurrogate` can put in a window."""

    @abstractmethod
    def primitive(self, u: torch.Tensor) -> torch.Tensor:
        """The smooth step whose derivative is g, up to a constant, elementwise."""


@dataclass(frozen=True)
class Surrogate(Dense):
    """A surrogate gradient (Neftci et al. 2019), active everywhere in its support.

    `snn_zo.strategies.functions` has the formulas.

    Attributes:
        function: `sigmoid`, `fast_sigmoid`, `arctan`, `gaussian`, `triangular`, `rectangular` or `exponential`.
        slope: k, per unit of u; for the functions with a finite support, 1 / its half width.
    """

    function: str = "sigmoid"
    slope: float = 25.0

    def __post_init__(self) -> None:
        lookup(FUNCTIONS, "function", self.function)
        require_positive(slope=self.slope)

    @cached_property
    def g(self) -> SurrogateFunction:
        """The surrogate function at this slope."""
        return FUNCTIONS[self.function](self.slope)

    def expected(self, u: torch.Tensor) -> torch.Tensor:
        return self.g(u)

    def primitive(self, u: torch.Tensor) -> torch.Tensor:
        return self.g.primitive(u)

    @property
    def reach(self) -> float:
        return self.g.support / self.slope

    @property
    def b_th(self) -> float:
        return self.reach
