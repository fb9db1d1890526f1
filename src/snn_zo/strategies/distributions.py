"""The published distributions of z, each with unit variance (Mukhoty et al. 2023, section 4)."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar

from snn_zo._torch import torch
from snn_zo.strategies.thresholds import Threshold

DISTRIBUTIONS: dict[str, type[Distribution]] = {}
"""Distributions by `name`; a subclass enters itself."""


class Distribution(Threshold):
    """|z| for a symmetric z, with the closed form of the estimate's expectation.

    With x = |u| / delta, E[|z| 1(|u| < delta |z|)] / (2 delta) = expectation(x) / delta.
    """

    name: ClassVar[str]
    mass = 0.5  # the estimate is |z| / (2 delta): no surrogate stands behind it

    def __init_subclass__(cls) -> None:
        DISTRIBUTIONS[cls.name] = cls

    @abstractmethod
    def expectation(self, x: torch.Tensor) -> torch.Tensor:
        """delta * E[G](u) at x = |u| / delta >= 0."""

    @abstractmethod
    def step(self, x: torch.Tensor) -> torch.Tensor:
        """Primitive of `expectation` over x of both signs."""


class Normal(Distribution):
    """z ~ N(0, 1)."""

    name = "normal"

    def survival(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.erfc(x / math.sqrt(2))

    def inverse_survival(self, q: torch.Tensor) -> torch.Tensor:
        return -torch.special.ndtri(q / 2)

    def expectation(self, x: torch.Tensor) -> torch.Tensor:
        return torch.exp(-x.square() / 2) / math.sqrt(2 * math.pi)

    def step(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.ndtr(x)


class Uniform(Distribution):
    """z ~ U[-sqrt 3, sqrt 3]."""

    name = "uniform"

    def survival(self, x: torch.Tensor) -> torch.Tensor:
        return (1 - x / math.sqrt(3)).clamp(min=0)

    def inverse_survival(self, q: torch.Tensor) -> torch.Tensor:
        return math.sqrt(3) * (1 - q)

    def expectation(self, x: torch.Tensor) -> torch.Tensor:
        return (3 - x.square()).clamp(min=0) / (4 * math.sqrt(3))

    def step(self, x: torch.Tensor) -> torch.Tensor:
        x = x.clamp(-math.sqrt(3), math.sqrt(3))
        return (3 * x - x.pow(3) / 3) / (4 * math.sqrt(3))


class Laplace(Distribution):
    """z ~ Laplace(0, 1 / sqrt 2)."""

    name = "laplace"

    def survival(self, x: torch.Tensor) -> torch.Tensor:
        return torch.exp(-math.sqrt(2) * x)

    def inverse_survival(self, q: torch.Tensor) -> torch.Tensor:
        return -q.log() / math.sqrt(2)

    def expectation(self, x: torch.Tensor) -> torch.Tensor:
        # x = inf, where u / delta overflows, would make inf * 0
        x = x.clamp(max=torch.finfo(x.dtype).max)
        return (x + 1 / math.sqrt(2)) * torch.exp(-math.sqrt(2) * x) / 2

    def step(self, x: torch.Tensor) -> torch.Tensor:
        x, sign = x.abs().clamp(max=torch.finfo(x.dtype).max), torch.sign(x)
        return sign * (1 - torch.exp(-math.sqrt(2) * x) * (x / math.sqrt(2) + 1)) / 2
