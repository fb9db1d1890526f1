"""Sampling at one u, and how many standard errors a sample is off."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy import stats

from snn_zo.strategies import Draw, ZerothOrder


@dataclass(frozen=True)
class Sample:
    """`size` independent estimates at one u."""

    g: torch.Tensor

    @property
    def active(self) -> torch.Tensor:
        return self.g[self.g != 0]

    def mean_off(self, expected: float) -> float:
        """Distance of the mean from `expected`, in standard errors."""
        error = float(self.g.std()) / math.sqrt(len(self.g))
        difference = float(self.g.mean()) - expected
        return difference / error if abs(difference) > 1e-12 * abs(expected) else 0.0

    def activity_off(self, p: float) -> float:
        """Distance of the active fraction from p, in standard errors."""
        difference = len(self.active) / len(self.g) - p
        return difference / math.sqrt(p * (1 - p) / len(self.g)) if abs(difference) > 1e-9 else 0.0

    def assert_distributed_like(self, other: np.ndarray) -> None:
        """The same fraction of zeros, and the same distribution of the rest."""
        size, rest = len(self.g), other[other != 0]
        assert len(other) == size
        p = (len(self.active) + len(rest)) / (2 * size)
        assert abs(len(self.active) - len(rest)) <= 4.5 * math.sqrt(2 * size * p * (1 - p))
        # where weights are constant, their means are multiples of one number up to rounding
        values = [np.round(part, 9) for part in (self.active.numpy(), rest)]
        assert stats.ks_2samp(*values, method="asymp").pvalue > 1e-3


@pytest.fixture(scope="session")
def sample():
    def sample(strategy: ZerothOrder, u: float, size: int = 60_000, seed: int = 3) -> Sample:
        batch = 8
        u = torch.full((batch, size // batch), u, dtype=torch.float64)
        return Sample(strategy.gradient(u, Draw(seed, 0, 0, torch.arange(batch))).flatten())

    return sample


@pytest.fixture(scope="session")
def u_with_activity():
    def largest(strategy: ZerothOrder, p: float) -> float:
        """The largest u that is active with probability p or more."""
        low, high = 0.0, strategy.reach
        for _ in range(100):
            middle = (low + high) / 2
            if float(strategy.activity(torch.tensor(middle, dtype=torch.float64))) >= p:
                low = middle
            else:
                high = middle
        return low

    return largest


@pytest.fixture
def forced_uniform(monkeypatch):
    """Replaces the random numbers: element i draws `values[i]`, or all draw one number."""

    def force(values: float | torch.Tensor) -> None:
        def uniform(self, element, size, first, count, pool_size=0):
            values_of = torch.as_tensor(values, dtype=torch.float64).expand(element.max() + 1)
            return values_of[element, None].expand(-1, count)

        monkeypatch.setattr(Draw, "uniform", uniform)

    return force


@pytest.fixture
def mean_over_v(forced_uniform):
    """E G(u) for m = 1 by quadrature over the one uniform number, which reaches tails that no sample does."""

    def mean(strategy: ZerothOrder, u: float) -> float:
        at = torch.tensor([u], dtype=torch.float64)
        p = float(strategy.activity(at))
        nodes, weights = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(200))
        # v = p s^4 takes the singularity of S^-1 at v = 0 away
        s = (1 + nodes) / 2
        forced_uniform(p * s**4)
        g = strategy.gradient(at.expand(1, len(s)), Draw(0, 0, 0, torch.arange(1)))
        return float((g * 2 * p * s**3 * weights).sum())

    return mean
