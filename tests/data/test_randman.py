import math

import numpy as np
import pytest

from snn_zo.data.randman import Randman
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
