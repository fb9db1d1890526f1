import math

import numpy as np
import pytest
from scipy.stats import binom

from snn_zo.data.idx import FashionMNIST, read_idx
from tests.data.idx.files import NAMES, dense, idx, put
from tests.data.originals import assert_equal
from tests.data.outcome import message


@pytest.mark.parametrize(
    ("dt", "steps", "tau_eff", "threshold"),
    [(1.0, 100, 20.0, 0.2), (0.5, 60, 10.0, 0.35), (2.5, 12, 20.0, 0.2), (0.3, 40, 3.0, 0.6)],
)
def test_latency_equals_a_loop_over_pixels(make, raw, dt, steps, tau_eff, threshold):
    dataset = make(dt=dt, steps=steps, tau_eff=tau_eff, threshold=threshold)
    images = read_idx(raw / "train-images-idx3-ubyte", 3)
    expected = np.zeros((40, steps, 784), np.float32)
    for sample, image in enumerate(images):
        for pixel, grey in enumerate(image.ravel().tolist()):
            x = grey / 255
            if x > threshold:
                step = math.floor(tau_eff * math.log(x / (x - threshold)) / dt)
                if step < steps:
                    expected[sample, step, pixel] = 1
    np.testing.assert_array_equal(dense(dataset, "train"), expected)


def test_latency_at_the_threshold_and_white(make, tmp_path):
    """51 / 255 is the threshold: no spike; 52 / 255 spikes at 20 ln 52 ms and 255 / 255 at 20 ln 1.25 ms."""
    images = np.zeros((1, 28, 28))
    images[0, 0, :4] = 0, 51, 52, 255
    put(tmp_path / "FashionMNIST" / "raw", {NAMES[0]: idx(images), NAMES[1]: idx(np.zeros(1))})
    store = make().store("train")
    assert store.col.tolist() == [3, 2]
    np.testing.assert_array_equal(np.flatnonzero(store.length), [4, 79])


@pytest.mark.parametrize("code", ["latency", "rate"])
def test_labels_and_pixels_keep_their_order(make, raw, code):
    store = make(code=code).store("train")
    np.testing.assert_array_equal(store.target, read_idx(raw / NAMES[1], 1))
    assert store.target.dtype == np.int64
    assert store.inputs == make().inputs == 784
    silent = read_idx(raw / NAMES[0], 3).reshape(40, 784) == 0
    assert not dense(make(code=code), "train").any(1)[silent].any()


def test_latency_does_not_depend_on_the_chunks(make, raw, monkeypatch, tmp_path):
    whole = make().store("train")
    monkeypatch.setattr(FashionMNIST, "chunk", 7)
    assert_equal(make(cache_dir=str(tmp_path / "other")).store("train"), whole)


@pytest.mark.parametrize(("dt", "steps", "max_rate"), [(1.0, 100, 100.0), (2.0, 50, 400.0), (0.3, 80, 3333.0)])
def test_rate_has_binomial_counts(make, raw, dt, steps, max_rate):
    """Bounds that all 31,360 pixels and all steps pass with probability 1 - 1e-6."""
    spikes = dense(make(code="rate", dt=dt, steps=steps, max_rate=max_rate), "train")
    chance = read_idx(raw / NAMES[0], 3).reshape(40, 784) / 255 * max_rate * dt / 1000
    count = spikes.sum(1)
    assert (count[chance == 0] == 0).all()
    tail = 1e-6 / chance.size / 2
    lit = chance > 0
    assert (count[lit] >= binom.ppf(tail, steps, chance[lit])).all()
    assert (count[lit] <= binom.isf(tail, steps, chance[lit])).all()
    # the sum over many pixels is normal: 6 standard deviations
    deviation = np.sqrt((chance * (1 - chance)).sum())
    np.testing.assert_allclose(spikes.sum((0, 2)), chance.sum(), rtol=0, atol=6 * deviation)
    np.testing.assert_allclose(count.sum(), steps * chance.sum(), rtol=0, atol=6 * deviation * math.sqrt(steps))


def test_rate_of_white_pixels_at_the_highest_rate(make, tmp_path):
    images = np.full((3, 28, 28), 255)
    images[:, 14:] = 0
    put(tmp_path / "FashionMNIST" / "raw", {NAMES[0]: idx(images), NAMES[1]: idx(np.arange(3))})
    spikes = dense(make(code="rate", max_rate=1000.0, steps=30), "train")
    assert spikes[:, :, :392].all()
    assert not spikes[:, :, 392:].any()


def test_rate_is_the_same_each_time(make, raw, tmp_path):
    one, two = (make(code="rate", cache_dir=str(tmp_path / name)).store("train") for name in ("one", "two"))
    assert_equal(one, two)


def test_rate_steps_differ_from_each_other(make, raw):
    spikes = dense(make(code="rate", max_rate=500.0, steps=20), "train").reshape(40, 20, 784)
    packed = {np.packbits(spikes[:, step] > 0).tobytes() for step in range(20)}
    assert len(packed) == 20


def test_latency_of_a_time_constant_beyond_the_steps(make, raw):
    """Spikes that come after the last step by more than 32 bits of microseconds are no events before the first."""
    assert len(make(tau_eff=1e300, threshold=0.9).store("train").col) == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("code", "temporal"),
        ("code", ""),
        ("threshold", 0.0),
        ("threshold", 1.0),
        ("threshold", -0.2),
        ("threshold", math.nan),
        ("max_rate", 0.0),
        ("max_rate", -1.0),
        ("max_rate", 1000.1),
        ("max_rate", math.nan),
        ("tau_eff", 0.0),
        ("tau_eff", -20.0),
        ("tau_eff", math.nan),
        ("tau_eff", math.inf),
        ("dt", 0.0),
        ("dt", -1.0),
        ("dt", math.nan),
        ("steps", 0),
        ("batch_size", 0),
        ("val_fraction", 0.0),
        ("val_fraction", 1.0),
    ],
)
def test_settings_that_cannot_be(make, name, value):
    with pytest.raises(ValueError, match=f"^{name} must ") as error:
        make(**{name: value})
    message(error)


def test_settings_max_rate_goes_to_one_spike_a_step(make):
    make(dt=2.0, max_rate=500.0)
    with pytest.raises(ValueError, match=r"^max_rate must "):
        make(dt=2.0, max_rate=500.1)
