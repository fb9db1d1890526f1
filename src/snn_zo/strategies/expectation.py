"""The expectation of a zeroth-order estimate, used as a surrogate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from snn_zo.strategies.surrogate import Dense
from snn_zo.strategies.zeroth_order import LocalZO

if TYPE_CHECKING:
    from snn_zo._torch import torch


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
