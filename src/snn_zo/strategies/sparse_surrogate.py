"""Sparse spiking gradient descent: a surrogate inside a window."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from snn_zo._torch import torch
from snn_zo.strategies.strategy import require_positive
from snn_zo.strategies.surrogate import Dense, Deterministic
from snn_zo.strategies.zeroth_order import ZerothOrder


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

    def scaled(self, factor: float) -> SparseSurrogate:
        return replace(self, b_th=factor * self.b_th, match=None)
