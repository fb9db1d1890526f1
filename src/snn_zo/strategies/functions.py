"""Surrogate functions: the smooth g(u) that surrogate-gradient methods put in place of the spike's derivative.

Each is written at unit slope, as a shape h(x) of x = k |u| >= 0, so that every slope k is honoured in one place:
g(u) = amplitude * h(k |u|). The expressions only ever see exp(-x) and 1 / (1 + x), never exp(x): they stay finite
and keep their relative accuracy in the tails for every finite u, down to where float32 underflows.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from snn_zo._torch import torch
from snn_zo.strategies.strategy import require_positive
from snn_zo.strategies.thresholds import Gate, PointMass, Power, Tabulated, Threshold

FUNCTIONS: dict[str, type[SurrogateFunction]] = {}
"""Surrogate functions by `name`; a subclass enters itself."""


@dataclass(frozen=True)
class SurrogateFunction(ABC):
    """An even function g(u), non-increasing on u > 0, with its primitive and its zeroth-order converse.

    Attributes:
        slope: k, per unit of v_th.
        name: how configs call it.
        order_at_zero: p in -h'(x) ~ x^p as x -> 0.
        tail_order: r in -h'(x) ~ x^-r as x -> infinity.
        support: h(x) = 0 from here on.
    """

    slope: float

    name: ClassVar[str]
    order_at_zero: ClassVar[float]
    tail_order: ClassVar[float] = math.inf
    support: ClassVar[float] = math.inf

    def __init_subclass__(cls) -> None:
        FUNCTIONS[cls.name] = cls

    def __post_init__(self) -> None:
        require_positive(slope=self.slope)

    def __call__(self, u: torch.Tensor) -> torch.Tensor:
        """g(u), elementwise."""
        return self.amplitude * self.shape(self.slope * u.abs())

    def primitive(self, u: torch.Tensor) -> torch.Tensor:
        """The smooth step whose derivative is g, elementwise; the constant of integration is arbitrary."""
        return self.amplitude / self.slope * self.step(self.slope * u)

    @property
    def amplitude(self) -> float:
        """Factor between g(u) and h(k |u|); k keeps the area under g independent of the slope."""
        return self.slope

    @abstractmethod
    def shape(self, x: torch.Tensor) -> torch.Tensor:
        """h(x), x >= 0."""

    @abstractmethod
    def fall(self, x: torch.Tensor) -> torch.Tensor:
        """-h'(x), x > 0."""

    @abstractmethod
    def step(self, x: torch.Tensor) -> torch.Tensor:
        """A primitive of h(|x|), for x of both signs."""

    def threshold(self, a: int) -> Threshold:
        """Distribution of x = k delta |z| under the converse theorem with weight |z|^a (density x^-a (-h'(x)))."""
        return Gate(self) if a == 0 else Tabulated(self, a)


class Sigmoid(SurrogateFunction):
    """g = k sigma(k u) (1 - sigma(k u))."""

    name = "sigmoid"
    order_at_zero = 1

    def shape(self, x: torch.Tensor) -> torch.Tensor:
        e = torch.exp(-x)
        return e / (1 + e).square()

    def fall(self, x: torch.Tensor) -> torch.Tensor:
        return self.shape(x) * torch.tanh(x / 2)

    def step(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(x)


class FastSigmoid(SurrogateFunction):
    """g = (1 + k |u|)^-2, with g(0) = 1 at every slope (Zenke and Ganguli 2018; the published SSG)."""

    name = "fast_sigmoid"
    order_at_zero = 0
    tail_order = 3

    @property
    def amplitude(self) -> float:
        return 1.0

    def shape(self, x: torch.Tensor) -> torch.Tensor:
        return (1 / (1 + x)).square()

    def fall(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * (1 / (1 + x)).pow(3)

    def step(self, x: torch.Tensor) -> torch.Tensor:
        return x / (1 + x.abs())


class Arctan(SurrogateFunction):
    """g = k / (pi (1 + k^2 u^2))."""

    name = "arctan"
    order_at_zero = 1
    tail_order = 3

    def shape(self, x: torch.Tensor) -> torch.Tensor:
        # hypot does not overflow where x^2 would
        return (1 / torch.hypot(torch.ones_like(x), x)).square() / math.pi

    def fall(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x / (math.pi * (1 + x.square()).square())

    def step(self, x: torch.Tensor) -> torch.Tensor:
        return torch.atan(x) / math.pi


class Gaussian(SurrogateFunction):
    """g = k exp(-k^2 u^2 / 2) / sqrt(2 pi)."""

    name = "gaussian"
    order_at_zero = 1

    def shape(self, x: torch.Tensor) -> torch.Tensor:
        return torch.exp(-x.square() / 2) / math.sqrt(2 * math.pi)

    def fall(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.shape(x)

    def step(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.ndtr(x)


class Triangular(SurrogateFunction):
    """g = (gamma - |u|)_+ / gamma^2, gamma = 1 / k."""

    name = "triangular"
    order_at_zero = 0
    support = 1.0

    def shape(self, x: torch.Tensor) -> torch.Tensor:
        return (1 - x).clamp(min=0)

    def fall(self, x: torch.Tensor) -> torch.Tensor:
        return (x < 1).to(x.dtype)

    def step(self, x: torch.Tensor) -> torch.Tensor:
        x = x.clamp(-1, 1)
        return x - x * x.abs() / 2

    def threshold(self, a: int) -> Threshold:
        return Power(1 - a)


class Rectangular(SurrogateFunction):
    """g = 1(|u| < gamma) / (2 gamma), gamma = 1 / k."""

    name = "rectangular"
    order_at_zero = math.inf  # h' vanishes but for the drop at x = 1
    support = 1.0

    def shape(self, x: torch.Tensor) -> torch.Tensor:
        return (x < 1).to(x.dtype) / 2

    def fall(self, x: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError("the rectangular function falls in one jump at x = 1: use threshold(a)")

    def step(self, x: torch.Tensor) -> torch.Tensor:
        return x.clamp(-1, 1) / 2

    def threshold(self, a: int) -> Threshold:
        return PointMass(0.5)


class Exponential(SurrogateFunction):
    """g = k exp(-k |u|) / 2."""

    name = "exponential"
    order_at_zero = 0

    def shape(self, x: torch.Tensor) -> torch.Tensor:
        return torch.exp(-x) / 2

    def fall(self, x: torch.Tensor) -> torch.Tensor:
        return self.shape(x)

    def step(self, x: torch.Tensor) -> torch.Tensor:
        return -torch.sign(x) * torch.expm1(-x.abs()) / 2
