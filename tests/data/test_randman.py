import math

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from snn_zo.data.randman import Randman, RandmanRegression
from tests.data.originals import dense


@pytest.fixture
def randman(tmp_path):
    return lambda **settings: Randman(cache_dir=str(tmp_path), **{"samples": 20, "classes": 3, "units": 7} | settings)


def test_each_unit_spikes_once_at_its_time(randman):
    dataset = randman(steps=40, dt=0.5)
    frames = dense(dataset.store("all"))
    assert frames.shape == (60, 40, 7)
    np.testing.assert_array_equal(frames.sum(1), 1)
    for label in range(3):
        step = np.minimum((dataset.manifold(label) * 40).astype(int), 39)
        np.testing.assert_array_equal(frames[20 * label : 20 * label + 20].argmax(1), step)


def test_manifold_is_normalised_and_smooth(randman):
    value = randman(samples=500).manifold(1)
    np.testing.assert_allclose([value.min(0), value.max(0)], [[0] * 7, [1] * 7], atol=1e-12)
    assert not np.array_equal(value, randman(samples=500).manifold(2))
    assert not np.array_equal(value, randman(samples=500, manifold_seed=1).manifold(1))


def test_manifold_equals_the_formula(randman):
    dataset = randman(samples=4, dimensions=3, alpha=1.5)
    random = np.random.default_rng((0, 2))
    terms = math.ceil(1e-3 ** (-1 / 1.5))
    x = random.random((4, 3))
    a, b, c = random.random((3, 7, 3, terms))
    value = np.ones((4, 7))
    for point, unit, d in np.ndindex(4, 7, 3):
        phases = [i * x[point, d] * b[unit, d, i] + c[unit, d, i] for i in range(terms)]
        waves = [a[unit, d, i] * (i + 1) ** -1.5 * math.sin(2 * math.pi * phases[i]) for i in range(terms)]
        value[point, unit] *= sum(waves)
    value = (value - value.min(0)) / (value.max(0) - value.min(0))
    np.testing.assert_allclose(dataset.manifold(2), value, atol=1e-9)


def test_limit_keeps_the_recordings(randman):
    whole, some = randman().store("all"), randman(limit=6).store("all")
    np.testing.assert_array_equal(dense(some), dense(whole)[some.origin])


@pytest.mark.parametrize(
    "settings", [{"classes": 1}, {"units": 0}, {"dimensions": 0}, {"dimensions": 101}, {"samples": 0}, {"alpha": -1.0}]
)
def test_settings_that_cannot_be(randman, settings):
    with pytest.raises(ValueError, match=f"^{next(iter(settings))} must be"):
        randman(**settings)


# ---- regression


@pytest.fixture
def regression(tmp_path):
    return lambda **settings: RandmanRegression(cache_dir=str(tmp_path), **settings)


def test_regression_targets_equal_the_formula(regression):
    dataset = regression(samples=5, targets=3, dimensions=2, units=7, manifold_seed=4)
    x, phase = dataset.points(0), np.random.default_rng((4, 0, 1)).random((3, 2))
    target = dataset.store("all").target
    assert target.dtype == np.float32
    for i, k in np.ndindex(5, 3):
        expected = math.sqrt(2 / 2) * sum(math.sin(2 * math.pi * (x[i, d] + phase[k, d])) for d in range(2))
        assert target[i, k] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_regression_targets_are_of_mean_0_and_variance_1(regression, dimensions):
    target = regression(samples=20_000, targets=2, units=1, dimensions=dimensions).listing("all").target
    np.testing.assert_allclose(target.mean(0), 0, atol=0.03)
    np.testing.assert_allclose(target.var(0), 1, atol=0.03)


def test_regression_recordings_are_the_points_of_the_targets(regression):
    """Those of the manifold that classification has for its first class."""
    dataset = regression(samples=20, units=7, steps=40)
    step = np.minimum((dataset.manifold(0) * 40).astype(int), 39)
    np.testing.assert_array_equal(dense(dataset.store("all")).argmax(1), step)
    phases = dataset.points(0)
    assert phases.shape == (20, 2)
    np.testing.assert_array_equal(phases, np.random.default_rng((0, 0)).random((20, 2)))


def test_regression_can_be_learned_from_spike_times(regression):
    """Nearly all of the variance of the test targets, by a linear model of the spike times."""
    train, _, test = regression(samples=1000).splits()
    time, target = dense(train.store).argmax(1), train.store.target
    model = Ridge(1.0).fit(time[train.sample], target[train.sample])
    assert model.score(time[test.sample], target[test.sample]) > 0.95


def test_regression_of_no_targets(regression):
    with pytest.raises(ValueError, match=r"^targets must be at least 1, got 0"):
        regression(targets=0)
