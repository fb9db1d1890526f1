import math

import numpy as np
import pytest
from scipy import stats

from snn_zo.report.interval import Estimate, Mean, estimate, over_seeds, over_seeds_and_recordings, wilson


@pytest.mark.parametrize("n", [2, 3, 5, 31])
def test_estimate_agrees_with_scipy(n):
    values = np.random.default_rng(n).gamma(2.0, size=n)
    found = estimate(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert found == pytest.approx((values.mean(), *expected, n))


def test_estimate_stays_where_values_can_be():
    low, high = estimate([0.9, 1.0], (0.0, 1.0))[1:3]
    assert low == pytest.approx(0.95 - 0.05 * stats.t.ppf(0.975, 1))
    assert high == 1
    assert estimate([0.0, 0.1], (0.0, 1.0)).low == 0


def test_estimate_of_one_and_of_none():
    assert estimate([0.5]) == Estimate(0.5, None, None, 1)
    assert estimate([]) is None


def test_estimate_of_equal_values():
    assert estimate([0.1] * 7) == pytest.approx(Estimate(0.1, 0.1, 0.1, 7))


def test_estimate_is_the_same_in_any_order_and_again():
    values = list(np.random.default_rng(0).random(9))
    assert estimate(values) == estimate(values[::-1]) == estimate(values)


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_estimate_covers_the_mean_as_often_as_it_says(n):
    rng = np.random.default_rng(n)
    found = [estimate(row) for row in rng.normal(size=(2000, n))]
    assert np.mean([low <= 0 <= high for _, low, high, _ in found]) == pytest.approx(0.95, abs=0.015)


def test_p_agrees_with_scipy():
    values = np.random.default_rng(0).normal(0.3, 1, 9)
    assert over_seeds(values).p == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    assert Mean(0.0, 0.0, 3).p == 1
    assert Mean(0.1, 0.0, 3).p == 1


# ---- seeds and recordings


def table(rng, n, recordings, of_seeds, of_recordings, rest):
    """Values with three independent sources of variance."""
    values = rng.normal(0, math.sqrt(of_seeds), (n, 1)) + rng.normal(0, math.sqrt(of_recordings), recordings)
    return values + rng.normal(0, math.sqrt(rest), (n, recordings))


def test_over_seeds_and_recordings_of_one_seed_is_over_recordings():
    values = np.random.default_rng(0).normal(size=(1, 30))
    found = over_seeds_and_recordings(values)
    assert found.interval() == pytest.approx(tuple(stats.ttest_1samp(values[0], 0).confidence_interval(0.95)))


def test_over_seeds_and_recordings_without_an_effect_of_recordings_is_over_seeds():
    """Every recording has the same value, but for the seed."""
    by_seed = np.random.default_rng(0).normal(size=6)
    found = over_seeds_and_recordings(np.repeat(by_seed[:, None], 50, 1))
    assert found == pytest.approx(over_seeds(by_seed))


@pytest.mark.parametrize(("parts", "most"), [((1.0, 1.0, 1.0), 1.03), ((0.0, 0.5, 0.5), 1.5), ((0.05, 0.0, 1.0), 1.3)])
def test_over_seeds_and_recordings_knows_the_variance_of_the_mean(parts, most):
    """Parts that are 0 are not estimated below 0, so that the sum is then a little too large on average."""
    rng, n, recordings = np.random.default_rng(0), 5, 60
    found = [over_seeds_and_recordings(table(rng, n, recordings, *parts)) for _ in range(4000)]
    of_seeds, of_recordings, rest = parts
    true = of_seeds / n + of_recordings / recordings + rest / (n * recordings)
    assert np.var([mean.value for mean in found]) == pytest.approx(true, rel=0.08)
    assert 0.97 < np.mean([mean.error**2 for mean in found]) / true < most
    covered = np.mean([low <= 0 <= high for low, high in (mean.interval() for mean in found)])
    assert 0.94 < covered < (0.96 if most < 1.1 else 0.99)


@pytest.mark.parametrize(("right", "total"), [(338, 359), (100, 100), (0, 100), (1, 2)])
def test_wilson_is_the_interval_of_scipy(right, total):
    expected = stats.binomtest(right, total).proportion_ci(method="wilson")
    assert wilson(right, total) == pytest.approx(tuple(expected), abs=1e-5)
