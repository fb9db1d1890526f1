"""Surrogate gradients: a smooth g(u) for everyone, or only inside a window."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from snn_zo._torch import torch
from snn_zo.strategies.functions import FUNCTIONS, SurrogateFunction
from snn_zo.strategies.registry import lookup
from snn_zo.strategies.strategy import Kernel, Strategy, require_positive

if TYPE_CHECKING:
    from snn_zo.strategies.draw import Draw
    from snn_zo.strategies.zeroth_order import LocalZO, ZerothOrder


class Deterministic(Strategy):
    """A strategy whose local derivative is a function of u alone: active wherever it is not 0."""

    def gradient(self, u: torch.Tensor, draw: Draw | None = None) -> torch.Tensor:
        return self.expected(u.detach())

    def activity(self, u: torch.Tensor) -> torch.Tensor:
        return (self.expected(u) != 0).to(u.dtype)


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

    @property
    def kernel(self) -> Kernel:
        return Kernel(self.function, (self.slope, self.g.amplitude))


@dataclass(frozen=True)
class Expectation(Dense):
    """The closed-form expectation of a local zeroth-order estimate, used as a surrogate (theorem 1 of the paper).

    Attributes:
        of: the `LocalZO` whose expectation it is; the number of draws does not matter.
    """

    of: LocalZO

    def expected(self, u: torch.Tensor) -> torch.Tensor:
        return self.of.expected(u)

    def primitive(self, u: torch.Tensor) -> torch.Tensor:
        return self.of.primitive(u)

    @property
    def reach(self) -> float:
        return math.sqrt(3) * self.of.delta if self.of.z == "uniform" else math.inf

    @property
    def b_th(self) -> float:
        return self.reach

    @property
    def kernel(self) -> Kernel:
        return Kernel(f"expectation_{self.of.z}", (self.of.delta,))


@dataclass(frozen=True)
class SparseSurrogate(Deterministic):
    """Sparse spiking gradient descent (Perez-Nieves and Goodman 2021): a surrogate where |u| < B_th, 0 elsewhere.

    Attributes:
        surrogate: the surrogate inside the window.
        b_th: half width of the window in units of u; filled in where `match` is given instead.
        match: a zeroth-order strategy; the window is then the one with equal expected activity,
            B_th = delta E max |z|.

    Raises:
        ValueError: both or neither of `b_th` and `match` are given, or E max |z| of the match is infinite.
    """

    surrogate: Dense
    b_th: float = None  # type: ignore[assignment]  # null until __post_init__ has filled it in
    match: ZerothOrder | None = None

    def __post_init__(self) -> None:
        if self.match is None and self.b_th is None:
            raise ValueError("no window: give b_th a number, or match a zeroth-order strategy")
        if self.match is not None:
            if self.b_th not in (None, self.match.b_th):
                raise ValueError("b_th and match are both given: set one of them to null")
            object.__setattr__(self, "b_th", self.match.b_th)
            if self.b_th == math.inf:
                raise ValueError("match: E max |z| is infinite, so no window has its expected activity; give b_th")
        require_positive(b_th=self.b_th)

    @property
    def reach(self) -> float:
        return self.b_th

    def expected(self, u: torch.Tensor) -> torch.Tensor:
        return torch.where(u.abs() < self.b_th, self.surrogate.expected(u), 0.0)

    @property
    def kernel(self) -> Kernel | None:
        inside = self.surrogate.kernel
        return inside and Kernel(inside.kind, (*inside.params, self.b_th))
