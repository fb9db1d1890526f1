"""Means with 95 % intervals by Student's t distribution: over seeds, and over seeds and recordings together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.05
"""Share of intervals that do not hold what they are of."""
Range = tuple[float, float]


class Estimate(NamedTuple):
    """A mean over runs.

    Attributes:
        mean: of the n values.
        low: lower end of the 95 % interval; None for a single value, which says nothing about its spread.
        high: upper end.
        n: number of values.
    """

    mean: float
    low: float | None
    high: float | None
    n: int


class Mean(NamedTuple):
    """A mean and how well it is known.

    Attributes:
        value: the mean.
        error: its standard error.
        freedom: degrees of freedom of the standard error.
    """

    value: float
    error: float
    freedom: float

    @property
    def p(self) -> float:
        """Two-sided probability of a mean as far from 0, were it 0 in truth."""
        if self.error == 0:
            return 1.0  # equal values: their spread is not known
        from scipy.special import stdtr  # the command line answers without

        return float(2 * stdtr(self.freedom, -abs(self.value) / self.error))

    def interval(self, level: float = LEVEL) -> Range:
        """Low and high end."""
        half = quantile(1 - level / 2, self.freedom) * self.error
        return self.value - half, self.value + half


def quantile(share: float, freedom: float) -> float:
    """Of Student's t distribution, the normal one without a limit to the degrees of freedom."""
    from scipy.special import stdtrit  # as above

    return float(stdtrit(min(freedom, 1e9), share))


def estimate(values: Sequence[float], within: Range = (-math.inf, math.inf)) -> Estimate | None:
    """Mean and interval of values, whose order does not matter; None where there are none.

    Args:
        values: independent of each other.
        within: the smallest and the largest value that there can be, which the interval does not go beyond.
    """
    n = len(values)
    if n < 2:
        return Estimate(float(values[0]), None, None, 1) if n else None
    mean = over_seeds(values)
    low, high = mean.interval()
    return Estimate(mean.value, max(low, within[0]), min(high, within[1]), n)


def over_seeds(values: Sequence[float]) -> Mean:
    """Mean of n values, n at least 2, as a sample of all seeds."""
    ordered = np.sort(np.asarray(values, dtype=float))
    return Mean(float(ordered.mean()), float(ordered.std(ddof=1)) / math.sqrt(len(ordered)), len(ordered) - 1)


def over_seeds_and_recordings(values: NDArray[np.number]) -> Mean:
    """Mean of values [n, R] as a sample of all seeds and of all recordings, which all seeds were tested on.

    Variances of seeds, of recordings and of what is left are added up in a two-way analysis of variance without
    replicates, none of them below 0; the degrees of freedom are Hillis' (Statistics in Medicine 26, 2007), as for
    readers and cases in radiology. Of one seed it is the mean over recordings alone.

    Args:
        values: [n, R], R at least 2.
    """
    n, recordings = values.shape
    mean = float(values.mean())
    by_recording = values.mean(0)
    of_recordings = n * float(by_recording.var(ddof=1))
    if n == 1:
        return Mean(mean, math.sqrt(of_recordings / recordings), recordings - 1)
    by_seed = values.mean(1)
    of_seeds = recordings * float(by_seed.var(ddof=1))
    rest = values - by_seed[:, None] - by_recording + mean
    of_rest = float((rest * rest).sum()) / ((n - 1) * (recordings - 1))
    of_seeds = max(of_seeds, of_rest)  # their own variance and that of the rest: no less than that of the rest
    total = of_seeds + max(of_recordings - of_rest, 0.0)
    freedom = (n - 1) * (total / of_seeds) ** 2 if of_seeds > 0 else math.inf
    return Mean(mean, math.sqrt(total / (n * recordings)), freedom)


def wilson(right: float, total: int) -> Range:
    """95 % interval of a share, right of total (Wilson 1927)."""
    z = quantile(1 - LEVEL / 2, math.inf)
    share, inverse = right / total, z * z / total
    middle, half = share + inverse / 2, z * math.sqrt(share * (1 - share) / total + inverse / (4 * total))
    return (middle - half) / (1 + inverse), (middle + half) / (1 + inverse)
