"""Distributions of the random threshold x = |z| (in units of delta) that a zeroth-order estimate compares |u| with.

All are described by their survival function S(x) = P(threshold > x) rather than by the distribution function:
activity is decided in the tail, where 1 - F has lost its digits.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import cached_property
from typing import NamedTuple, Protocol

from snn_zo._torch import torch


class Falling(Protocol):
    """An even function of unit slope that falls on x > 0: what a density can be made from.

    Attributes:
        order_at_zero: p in -h'(x) ~ x^p as x -> 0.
        tail_order: r in -h'(x) ~ x^-r as x -> infinity.
    """

    @property
    def order_at_zero(self) -> float: ...

    @property
    def tail_order(self) -> float: ...

    def shape(self, x: torch.Tensor) -> torch.Tensor:
        """h(x), x >= 0."""

    def fall(self, x: torch.Tensor) -> torch.Tensor:
        """-h'(x), x > 0."""


class Threshold(ABC):
    """A distribution on x > 0.

    Attributes:
        mass: integral of the unnormalised density x^-a (-h'(x)) that the distribution came from.
        has_mean: whether E[x] is finite.
    """

    mass: float
    has_mean: bool = True

    @abstractmethod
    def survival(self, x: torch.Tensor) -> torch.Tensor:
        """S(x) = P(threshold > x) for x >= 0, elementwise."""

    @abstractmethod
    def inverse_survival(self, q: torch.Tensor) -> torch.Tensor:
        """The x with S(x) = q, for q in (0, 1], elementwise."""


class Gate(Threshold):
    """a = 0: S = h(x) / h(0). The weight is constant, so the threshold itself is never asked for."""

    def __init__(self, function: Falling) -> None:
        self.function = function
        self.mass = float(function.shape(torch.zeros((), dtype=torch.float64)))
        self.has_mean = function.tail_order > 2

    def survival(self, x: torch.Tensor) -> torch.Tensor:
        # rounding takes the quotient above 1 next to x = 0
        return (self.function.shape(x) / self.mass).clamp(max=1)

    def inverse_survival(self, q: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError("a gate's weight does not depend on its threshold")


class Power(Threshold):
    """S = 1 - x^n on [0, 1], from the constant -h' of the triangular function with n = 1 - a."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.mass = 1 / n

    def survival(self, x: torch.Tensor) -> torch.Tensor:
        return 1 - x.clamp(max=1).pow(self.n)

    def inverse_survival(self, q: torch.Tensor) -> torch.Tensor:
        return (1 - q).pow(1 / self.n)


class PointMass(Threshold):
    """The threshold is always 1: the estimate is a hard window."""

    def __init__(self, mass: float) -> None:
        self.mass = mass

    def survival(self, x: torch.Tensor) -> torch.Tensor:
        return (x < 1).to(x.dtype)

    def inverse_survival(self, q: torch.Tensor) -> torch.Tensor:
        return torch.ones_like(q)


class _Table(NamedTuple):
    """Nodes w, log S and d log S / d w there, and the density's total mass."""

    w: torch.Tensor
    log_survival: torch.Tensor
    slope: torch.Tensor
    mass: float


class Tabulated(Threshold):
    """Density proportional to x^-a (-h'(x)) by quadrature, for functions without an elementary S.

    log S is interpolated over w = log(1 + x) by cubic Hermite splines, whose slopes are known from the density.
    In w both exponential and power tails are followed down to S < 2^-44, far below the 2^-32 that one draw can
    resolve; relative error below 1e-9 throughout (tested).
    """

    nodes = 4097

    def __init__(self, function: Falling, a: int) -> None:
        self.function, self.a = function, a
        self.has_mean = function.tail_order + a > 2
        self.order = function.order_at_zero + 1 - a  # 1 - S ~ x^order
        self._placed: dict[torch.device, tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = {}

    def _density(self, x: torch.Tensor) -> torch.Tensor:
        return self.function.fall(x) * x.pow(-self.a)

    def _tail(self, x: float) -> float:
        """Integral of the density from x on, substituting y = x / v, which maps a power tail to a polynomial."""
        from scipy.integrate import quad

        def integrand(v: float) -> float:
            return float(self._density(torch.tensor(x / v, dtype=torch.float64))) * x / v**2

        return float(quad(integrand, 0, 1, epsabs=0, epsrel=1e-12)[0])

    @cached_property
    def _table(self) -> _Table:
        import numpy as np

        last = 2.0
        near_zero = torch.tensor([1e-3, 0.1, 1.0], dtype=torch.float64)
        scale = float(self._density(near_zero).max())
        while self._density(torch.tensor(last, dtype=torch.float64)) * last > scale * 2.0**-44:
            last *= 1.25
        w = torch.linspace(0, math.log1p(last), self.nodes, dtype=torch.float64)
        points, weights = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(8))
        half = (w[1:] - w[:-1]) / 2
        inside = w[:-1, None] + half[:, None] * (1 + points)
        pieces = (self._density(torch.expm1(inside)) * torch.exp(inside) * weights).sum(-1) * half
        beyond = self._tail(last)
        zero = torch.zeros(1, dtype=torch.float64)
        upper = torch.cat([pieces.flip(0).cumsum(0).flip(0), zero]) + beyond
        mass = float(upper[0])
        # next to 0 the digits are in 1 - S
        lower = torch.cat([zero, pieces.cumsum(0)]) / mass
        log_survival = torch.where(lower < 0.5, torch.log1p(-lower), (upper / mass).log())
        x = torch.expm1(w).clamp(min=1e-9 if self.a > 0 else 0.0)
        return _Table(w, log_survival, -self._density(x) * torch.exp(w) / upper, mass)

    @property
    def mass(self) -> float:  # type: ignore[override]
        return self._table.mass

    def _table_on(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        # kept: a copy at each call would have a GPU wait for the host
        if device not in self._placed:
            w, log_survival, slope, _ = self._table
            self._placed[device] = (w.to(device), log_survival.to(device), slope.to(device))
        return self._placed[device]

    def _hermite(self, i: torch.Tensor, w: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """log S and its slope at w in interval i; beyond the table the last slope goes on.

        Where log S starts as w^3, a cubic has no room for the w^4 that it needs in the first interval.
        """
        nodes, value, slope = self._table_on(w.device)
        h = nodes[1] - nodes[0]
        s = (w - nodes[i]) / h
        y0, y1, d0, d1 = value[i], value[i + 1], slope[i] * h, slope[i + 1] * h
        c2, c3 = 3 * (y1 - y0) - 2 * d0 - d1, 2 * (y0 - y1) + d0 + d1
        over = s > 1
        log_s = torch.where(over, y1 + d1 * (s - 1), y0 + s * (d0 + s * (c2 + s * c3)))
        rate = torch.where(over, d1, d0 + s * (2 * c2 + 3 * s * c3))
        if self.order == 3:
            c3, c4 = 4 * y1 - d1, d1 - 3 * y1
            log_s = torch.where(i == 0, s.pow(3) * (c3 + s * c4), log_s)
            rate = torch.where(i == 0, s.square() * (3 * c3 + 4 * s * c4), rate)
        return log_s, rate / h

    def survival(self, x: torch.Tensor) -> torch.Tensor:
        w = torch.log1p(x.double())
        h = float(self._table.w[1])
        i = (w / h).long().clamp(0, self.nodes - 2)
        return self._hermite(i, w)[0].exp().to(x.dtype)

    def inverse_survival(self, q: torch.Tensor) -> torch.Tensor:
        nodes, value, _ = self._table_on(q.device)
        y = q.double().log()
        i = (torch.searchsorted(-value, -y, right=True) - 1).clamp(0, self.nodes - 2)
        s = ((y - value[i]) / (value[i + 1] - value[i])).clamp(min=1e-30)
        # a straight line through the first interval would start Newton too near 0
        s = torch.where(i == 0, s.pow(1 / self.order), s)
        w = nodes[i] + s * (nodes[1] - nodes[0])
        for _ in range(4):
            log_s, slope = self._hermite(i, w)
            w = w - (log_s - y) / slope
        return torch.expm1(w).to(q.dtype)
