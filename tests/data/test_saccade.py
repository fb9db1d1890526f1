import numpy as np
import pytest

from snn_zo.data.saccade import SENSOR, record, trajectory


@pytest.fixture(scope="module")
def bar():
    """Recording of one bright vertical bar."""
    image = np.zeros((1, 28, 28), np.float32)
    image[0, 6:22, 12:16] = 1
    return record(image, np.array([3]))


def test_trajectory_visits_the_corners():
    path = trajectory()
    assert path.shape == (316, 2)
    moved = path - path[0]
    np.testing.assert_allclose(moved[105], [3.5, 7])
    np.testing.assert_allclose(moved[210], [7, 0], atol=1e-12)
    np.testing.assert_allclose(moved[315], [0, 0], atol=1e-12)
    speed = np.abs(np.diff(path, axis=0)).sum(1)
    assert speed[[0, 104, 105, 209]].max() < 0.01, "each saccade starts and ends at rest"


def test_record_is_deterministic(bar):
    image = np.zeros((1, 28, 28), np.float32)
    image[0, 6:22, 12:16] = 1
    again = record(image, np.array([3]))
    for one, other in zip(bar, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_record_fields(bar):
    assert len(bar.t) > 200
    assert bar.t.min() >= 0
    assert bar.t.max() < 315_000
    assert bar.x.min() >= 0
    assert bar.x.max() < SENSOR
    assert set(np.unique(bar.p)) == {0, 1}
    assert (np.diff(bar.t[bar.sample == 0]) >= 0).all()


def test_record_polarity_is_darker_on_the_trailing_edge(bar):
    """In the first saccade the image moves right: its left edge turns dark, its right edge bright."""
    first = bar.t < 105_000
    inside_rows = first & (bar.y > 14) & (bar.y < 20)
    assert bar.x[inside_rows & (bar.p == 1)].mean() < bar.x[inside_rows & (bar.p == 0)].mean()


def test_record_has_no_events_of_rounding_as_the_image_returns():
    """A pixel that comes back to where it began is whole contrast steps away from its reference, up to rounding."""
    images = np.random.default_rng(0).random((40, 8, 8), np.float32)
    t = record(np.kron(images, np.ones((3, 3), np.float32)), np.zeros(40, np.int64)).t
    per_ms = np.bincount(t // 1000, minlength=315)
    assert per_ms[-1] <= per_ms[-20:-1].max()


def test_record_blank_images_are_silent():
    blank = record(np.full((3, 34, 34), 0.0, np.float32), np.zeros(3, np.int64))
    assert len(blank.t) == 0
    assert len(blank.target) == 3


def test_record_does_not_depend_on_its_neighbours():
    """Samples are simulated in chunks; each is what it would be alone."""
    images = np.random.default_rng(0).random((130, 8, 8), np.float32)
    together = record(images, np.arange(130))
    alone = record(images[129:], np.array([129]))
    last = together.sample == 129
    np.testing.assert_array_equal(together.t[last], alone.t)
    np.testing.assert_array_equal(together.x[last], alone.x)
