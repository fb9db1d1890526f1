"""Means with 95 % intervals, by the percentile bootstrap (Efron 1979); the same for the same values."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
TAILS = (0.025, 0.975)


class Estimate(NamedTuple):
    """A mean over runs.

    Attributes:
        mean: of the n values.
        low: lower end of the 95 % interval; None for a single value, which says nothing about its spread.
        high: upper end.
        n: number of values. Up to n = 3 the interval reaches from the smallest to the largest value.
    """

    mean: float
    low: float | None
    high: float | None
    n: int


def estimate(values: Sequence[float]) -> Estimate | None:
    """Mean and interval of values, whose order does not matter; None where there are none."""
    ordered = np.sort(np.asarray(values, dtype=float))
    n = len(ordered)
    if n < 2:
        return Estimate(float(ordered[0]), None, None, 1) if n else None
    low, high = np.quantile(_weights(n) @ ordered, TAILS)
    return Estimate(float(ordered.mean()), float(low), float(high), n)


@functools.lru_cache(maxsize=32)
def _weights(n: int) -> NDArray[np.float64]:
    """Share of each of n values in each resample, [RESAMPLES, n]."""
    return np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), RESAMPLES) / n
