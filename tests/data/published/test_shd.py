import h5py
import numpy as np
import pytest

from snn_zo.data.neuromorphic import SHD
from tests.data.originals import events_of, write_shd


@pytest.mark.parametrize(("dt", "steps"), [(2.0, 500), (10.0, 140), (2.5, 100)])
def test_shd_equals_a_loop_over_spikes(shd, spoken, dt, steps):
    dataset = shd(dt=dt, steps=steps)
    assert dataset.inputs == 700
    for part, (times, units, label) in spoken.items():
        store = dataset.store(part)
        for sample, (seconds, channels) in enumerate(zip(times, units, strict=True)):
            expected = set()
            for t, unit in zip(seconds.astype(np.float64), channels.tolist(), strict=True):
                step = int(t * 1e6 // (1000 * dt))
                if step < steps:
                    expected.add(step * 700 + unit)
            assert events_of(store, sample).tolist() == sorted(expected)
        np.testing.assert_array_equal(store.target, label)
        assert store.target.dtype == np.int64


def test_shd_splits(shd, spoken):
    train, val, test = shd().splits()
    assert [len(train.sample), len(val.sample), len(test.sample)] == [40, 40, 40]
    np.testing.assert_array_equal(np.sort(np.concatenate([train.sample, val.sample])), np.arange(80))
    assert np.bincount(val.store.target[val.sample]).tolist() == [2] * 20
    np.testing.assert_array_equal(test.store.target, spoken["test"][2])


def test_shd_cache_file_of_a_replaced_file(shd, spoken, tmp_path):
    names = {shd(**change).cache_file("train") for change in ({}, {"dt": 4.0}, {"steps": 9})} | {
        shd().cache_file("test")
    }
    times, units, label = spoken["train"]
    write_shd(tmp_path / "SHD/shd_train.h5", times * 2, units * 2, np.tile(label, 2))
    names.add(shd().cache_file("train"))
    assert len(names) == 5
    assert len(shd().store("train").target) == 160


@pytest.mark.realdata
def test_shd_format_published(published, tmp_path):
    if not (published / "SHD_FSDD").is_dir():
        pytest.skip(f"{published} holds no SHD_FSDD/")
    dataset = SHD(root=str(published / "SHD_FSDD"), cache_dir=str(tmp_path))
    for part in ("train", "test"):
        store = dataset.store(part)
        with h5py.File(published / "SHD_FSDD" / "SHD" / f"shd_{part}.h5") as file:
            label, times, units = (file[name][:] for name in ("labels", "spikes/times", "spikes/units"))
        np.testing.assert_array_equal(store.target, label)
        for sample, (t, unit) in enumerate(zip(times, units, strict=True)):
            step = (t.astype(np.float64) * 1e6 // 2000).astype(np.int64)
            key = np.unique((step * 700 + unit)[step < 500])
            np.testing.assert_array_equal(events_of(store, sample), key)
