import itertools

import numpy as np
import pytest
from scipy.stats import bootstrap

from snn_zo.report.bootstrap import Estimate, estimate


@pytest.mark.parametrize("n", [5, 8, 31])
def test_estimate_agrees_with_scipy(n):
    values = np.random.default_rng(n).gamma(2.0, size=n)
    found = estimate(values)
    interval = bootstrap(
        (values,), np.mean, n_resamples=40_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert found.mean == pytest.approx(values.mean())
    assert found.n == n
    assert found[1:3] == pytest.approx(interval, abs=0.03 * values.std())


@pytest.mark.parametrize("n", [2, 3, 4])
def test_estimate_agrees_with_all_resamples(n):
    values = np.arange(n, dtype=float) ** 2
    means = [np.mean(resample) for resample in itertools.product(values, repeat=n)]
    found = estimate(values)
    assert found[1:3] == pytest.approx(np.quantile(means, (0.025, 0.975), method="inverted_cdf"))


@pytest.mark.parametrize("n", [2, 3])
def test_estimate_of_few_is_their_range(n):
    assert estimate([0.3, 0.7, 0.4][:n])[1:3] == pytest.approx((0.3, 0.7))


def test_estimate_of_one_and_of_none():
    assert estimate([0.5]) == Estimate(0.5, None, None, 1)
    assert estimate([]) is None


def test_estimate_of_equal_values():
    assert estimate([0.1] * 7) == pytest.approx(Estimate(0.1, 0.1, 0.1, 7))


def test_estimate_is_the_same_in_any_order_and_again():
    values = list(np.random.default_rng(0).random(9))
    assert estimate(values) == estimate(values[::-1]) == estimate(values)


def test_estimate_covers_the_mean():
    """Of normal values the percentile interval covers the mean somewhat less often than it says, for few values."""
    rng = np.random.default_rng(0)
    found = [estimate(rng.normal(size=20)) for _ in range(400)]
    assert 0.88 < np.mean([low <= 0 <= high for _, low, high, _ in found]) < 0.97
