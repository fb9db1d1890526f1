import numpy as np
import pytest

from snn_zo.data.neuromorphic import NMNIST
from tests.data.originals import assert_equal, dense, events_of, write_bin
from tests.data.published.recorded import bin_bytes


@pytest.mark.parametrize("polarities", ["merged", "separate"])
@pytest.mark.parametrize(("dt", "steps"), [(3.0, 100), (7.5, 20), (5.0, 70)])
def test_nmnist_equals_a_loop_over_events(nmnist, digits, polarities, dt, steps):
    dataset = nmnist(dt=dt, steps=steps, polarities=polarities)
    assert dataset.inputs == (1156 if polarities == "merged" else 2312)
    for part, files in digits.items():
        expected = np.zeros((len(files), steps, dataset.inputs), np.float32)
        for sample, events in enumerate(files.values()):
            for x, y, t, p in events.tolist():
                step = t // round(1000 * dt)
                if step < steps:
                    plane = 0 if polarities == "merged" else p
                    expected[sample, step, (plane * 34 + y) * 34 + x] = 1
        np.testing.assert_array_equal(dense(dataset.store(part.lower())), expected)


def test_nmnist_recordings_are_the_events(nmnist, digits):
    piece = nmnist().recordings("test", nmnist().listing("test"))
    events = list(digits["Test"].values())
    np.testing.assert_array_equal(piece.sample, np.repeat(np.arange(20), [len(rows) for rows in events]))
    x, y, t, p = np.concatenate(events).T
    for found, expected in zip(piece[1:5], (t, x, y, p), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert piece.height == piece.width == 34


def test_nmnist_files_are_in_order_of_digit_and_name(nmnist, tmp_path):
    names = ["1/10", "1/9", "1/a", "3/00001", "3/2"]
    for pixel in (3, 0, 4, 2, 1):
        write_bin(tmp_path / f"NMNIST/Test/{names[pixel]}.bin", [(pixel, 0, 0, 0)])
    store = nmnist().store("test")
    assert store.target.tolist() == [1, 1, 1, 3, 3]
    assert store.col.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("dt", [3.0, 5.0, 0.5, 1.1, 0.1])
def test_nmnist_at_the_edges_of_steps(nmnist, tmp_path, dt):
    """The first and the last microsecond of each of 60 steps."""
    width = round(1000 * dt)
    first = np.arange(60) * width
    for pixel, t in enumerate((first, first + width - 1)):
        write_bin(tmp_path / f"NMNIST/Train/{pixel}/1.bin", [(pixel, 0, one, 0) for one in t])
    spikes = dense(nmnist(dt=dt, steps=60).store("train"))
    for pixel in range(2):
        assert spikes[pixel, :, pixel].tolist() == [1] * 60
        assert spikes[pixel].sum() == 60


def test_nmnist_overflow_events_advance_the_clock(nmnist, tmp_path):
    """An event of row 240 is none, and those after it are 2 ** 13 us later than they say."""
    events = [(1, 0, 100, 0), (0, 240, 0, 0), (2, 0, 100, 1), (3, 0, 900, 1), (0, 240, 0, 0), (4, 0, 0, 0)]
    write_bin(tmp_path / "NMNIST/Train/7/1.bin", np.array(events))
    store = nmnist(dt=1.0, steps=20).store("train")
    assert store.target.tolist() == [7]
    assert events_of(store, 0).tolist() == [0 * 1156 + 1, 8 * 1156 + 2, 9 * 1156 + 3, 16 * 1156 + 4]


def test_nmnist_splits(nmnist, digits):
    train, val, test = nmnist().splits()
    assert [len(train.sample), len(val.sample), len(test.sample)] == [30, 10, 20]
    np.testing.assert_array_equal(np.sort(np.concatenate([train.sample, val.sample])), np.arange(40))
    assert sorted(val.store.target[val.sample]) == list(range(10))
    np.testing.assert_array_equal(test.sample, np.arange(20))
    np.testing.assert_array_equal(test.store.target, np.repeat(np.arange(10), 2))
    assert not np.array_equal(nmnist(split_seed=1).splits().val.sample, val.sample)


def test_nmnist_does_not_depend_on_the_chunks(nmnist, digits, monkeypatch, tmp_path):
    whole = nmnist().store("train")
    monkeypatch.setattr(NMNIST, "chunk", 7)
    assert_equal(nmnist(cache_dir=str(tmp_path / "other")).store("train"), whole)


def test_nmnist_ignores_other_files(nmnist, digits, tmp_path):
    before = nmnist().cache_file("train")
    (tmp_path / "NMNIST/Train/3/readme.txt").write_text("not a recording")
    (tmp_path / "NMNIST/train.zip").touch()
    assert nmnist().cache_file("train") == before
    assert len(nmnist().store("train").target) == 40


def test_nmnist_cache_file_names_what_shaped_it(nmnist, digits, tmp_path):
    first = nmnist().cache_file("train")
    assert nmnist(batch_size=9, val_fraction=0.5, split_seed=3).cache_file("train") == first
    names = {nmnist(**change).cache_file("train") for change in ({"dt": 1.0}, {"steps": 9}, {"polarities": "separate"})}
    names |= {first, nmnist().cache_file("test")}
    write_bin(tmp_path / "NMNIST/Train/3/00010.bin", [(1, 1, 1, 1)])
    names.add(nmnist().cache_file("train"))
    write_bin(tmp_path / "NMNIST/Train/3/00011.bin", [(1, 1, 1, 1)])
    names.add(nmnist().cache_file("train"))
    assert len(names) == 7
    assert len(nmnist().store("train").target) == 41


def test_nmnist_root_may_begin_with_a_tilde(nmnist, digits, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(nmnist(root="~").store("test").target) == 20


def test_polarities_that_cannot_be(nmnist):
    with pytest.raises(ValueError, match=r"^polarities must be one of separate, merged, got 'on'"):
        nmnist(polarities="on")


@pytest.mark.realdata
@pytest.mark.parametrize("polarities", ["merged", "separate"])
def test_nmnist_published(published, tmp_path, polarities):
    dataset = NMNIST(root=str(published), cache_dir=str(tmp_path), polarities=polarities)
    splits = dataset.splits()
    sizes = [len(sorted((published / "NMNIST" / part).glob("*/*.bin"))) for part in ("Train", "Test")]
    if sizes == [1000, 100]:
        assert [len(subset.sample) for subset in splits] == [900, 100, 100]
    for part, store in (("train", splits.train.store), ("test", splits.test.store)):
        files = sorted((published / "NMNIST" / part.capitalize()).glob("*/*.bin"))
        assert store.target.tolist() == [int(path.parent.name) for path in files]
        count = []
        for sample, path in enumerate(files):
            x, y, t, p = bin_bytes(path).T
            pixel = y * 34 + x + (p * 1156 if polarities == "separate" else 0)
            key = np.unique((t // 3000 * dataset.inputs + pixel)[t < 300_000])
            np.testing.assert_array_equal(events_of(store, sample), key, err_msg=str(path))
            count.append(len(x))
        recordings = dataset.recordings(part, dataset.listing(part))
        assert np.bincount(recordings.sample).tolist() == count
