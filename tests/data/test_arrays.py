import sys
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from snn_zo.data.arrays import ArrayDataset, Arrays
from snn_zo.data.content import content_of
from snn_zo.data.datamodule import EventDataModule
from snn_zo.data.dataset import PublishedSplit, SeededSplit
from snn_zo.data.errors import DataError
from snn_zo.data.reader import EventReader
from snn_zo.data.recordings import Listing, Recordings
from snn_zo.target import Classes, Continuous
from tests.data.originals import dense

RNG = np.random.default_rng(0)
Y = np.arange(40) % 4


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SNN_ZO_CACHE", str(tmp_path))


@pytest.mark.parametrize("shape", [(7, 5), (1, 1), (7, 3, 5), (7, 2, 3, 5), (7, 1, 3, 5)], ids=str)
@pytest.mark.parametrize("dtype", [bool, np.float32, np.uint8])
@pytest.mark.parametrize("dt", [1.0, 0.3])
def test_array_dataset_is_what_the_arrays_hold(shape, dtype, dt):
    x = (RNG.random((40, *shape)) < 0.3).astype(dtype)
    dataset = ArrayDataset(x, Y, dt=dt)
    np.testing.assert_array_equal(dense(dataset.store("all")).reshape(x.shape), x)
    assert dataset.store("all").target.tolist() == Y.tolist()
    assert (dataset.steps, dataset.inputs) == (shape[0], np.prod(shape[1:]))
    assert dataset.target == Classes(4)
    assert dataset.in_shape == dataset.store("all").in_shape == (shape[1:] if len(shape) != 3 else (1, *shape[1:]))


def test_array_dataset_counts():
    x = RNG.integers(0, 4, (40, 7, 5))
    np.testing.assert_array_equal(dense(ArrayDataset(x, Y, clip="counts").store("all")), x)
    np.testing.assert_array_equal(dense(ArrayDataset(x, Y).store("all")), x > 0)


def test_array_dataset_of_events():
    x = RNG.random((40, 7, 2, 3, 5)) < 0.3
    kind = [("t", int), ("p", bool), ("y", np.uint8), ("x", np.int16)]
    events = [np.array([(2000 * t + 1, *place) for t, *place in np.argwhere(one)], kind) for one in x]
    dataset = ArrayDataset(events, Y, dt=2.0, steps=7)
    np.testing.assert_array_equal(dense(dataset.store("all")).reshape(x.shape), x)
    flat = ArrayDataset([one[["t", "x"]] for one in events], Y, dt=2.0, steps=7)
    np.testing.assert_array_equal(dense(flat.store("all")), x.any((2, 3)))
    with pytest.raises(ValueError, match="steps must be at least 1"):
        ArrayDataset(events, Y)


@pytest.mark.parametrize(
    ("field", "value", "line"),
    [
        ("x", np.nan, "column x holds nan, which is no finite number"),
        ("x", 0.5, "column x holds 0.5, which is no whole number"),
        ("x", np.inf, "column x holds inf, which is no finite number"),
        ("x", 40_000, "column x holds what does not lie in 0 to 32767"),
        ("x", -1, "column x holds what does not lie in 0 to 32767"),
        ("p", 0.5, "column p holds 0.5, which is no whole number"),
        ("t", np.nan, "column t holds nan, which is no finite number"),
        ("t", 1e19, r"column t holds 1e\+19, which is too large"),
    ],
)
def test_array_dataset_of_events_that_cannot_be(field, value, line):
    events = [np.array([(1000.0 * t, 3, 1) for t in range(5)], [("t", "f8"), ("x", "f8"), ("p", "f8")]) for _ in Y]
    events[7][field][2] = value
    with pytest.raises(DataError, match=f"^all: recording 7 cannot be used: {line}"):
        ArrayDataset(events, Y, steps=7).store("all")


def test_array_dataset_of_classes_that_nobody_has():
    with pytest.raises(DataError, match=r"^all: y holds class 3000000000 of 40 recordings"):
        ArrayDataset(RNG.random((40, 7, 5)) < 0.3, Y * 10**9).store("all")


def test_array_dataset_with_other_values_is_packed_anew():
    x = RNG.random((40, 7, 5)) < 0.3
    before = content_of(ArrayDataset(x, Y).splits())
    assert content_of(ArrayDataset(x.copy(), Y.copy()).splits()) == before
    x[3, 2] = ~x[3, 2]
    changed = ArrayDataset(x, Y)
    np.testing.assert_array_equal(dense(changed.store("all")), x)
    assert content_of(changed.splits()) != before
    assert content_of(ArrayDataset(x, Y[::-1]).splits()) != content_of(changed.splits())


def test_array_dataset_is_served_in_batches():
    x = RNG.random((40, 7, 5)) < 0.3
    data = EventDataModule(ArrayDataset(x, Y, batch_size=8), seed=0)
    for batch in data.train_dataloader():
        np.testing.assert_array_equal(batch.spikes.to_dense().numpy(), x[batch.sample.numpy()])


@pytest.mark.parametrize(
    ("x", "y", "what"),
    [
        (np.full((4, 7, 5), 0.5), [0, 1, 0, 1], "whole numbers of events"),
        (np.full((4, 7, 5), np.nan), [0, 1, 0, 1], "whole numbers of events"),
        (np.full((4, 7, 5), -1), [0, 1, 0, 1], "whole numbers of events"),
        (np.full((4, 7, 5), 1e9), [0, 1, 0, 1], "whole numbers of events"),
        (np.ones((4, 7)), [0, 1, 0, 1], r"is not \[S, T, N\]"),
        (np.full((4, 7, 5), "a"), [0, 1, 0, 1], r"is not \[S, T, N\]"),
        (np.ones((4, 7, 3, 5, 5)), [0, 1, 0, 1], "has 3 polarities"),
        (np.ones((4, 7, 5)), [0, 1], "4 recordings x do not fit 2 labels y"),
        (np.ones((4, 7, 5)), [0.0, 1.0], "4 recordings x do not fit 2 targets y"),
        (np.ones((4, 7, 5)), np.zeros((4, 1, 1)), r"continuous values \[S\] or \[S, K\]"),
        (np.ones((4, 7, 5)), np.zeros((4, 0)), r"continuous values \[S\] or \[S, K\]"),
        (np.ones((4, 7, 5)), [0j, 1, 2, 3], "y must hold a class"),
        (np.ones((4, 7, 5)), [0, 1, -1, 1], "y must hold a class"),
        (np.ones((4, 7, 5)), np.eye(4, dtype=int), "y must hold a class"),
        ([np.zeros(3, [("t", int)])], [0], "there is no column x among"),
        ([], np.zeros(0, int), "0 recordings"),
    ],
)
def test_array_dataset_of_what_cannot_be(x, y, what):
    with pytest.raises(DataError, match=what):
        ArrayDataset(x, y)


@dataclass(frozen=True, kw_only=True)
class Published(Arrays, PublishedSplit):
    """Other sizes of the sensor in each part."""

    dt: float = 1.0
    steps: int = 7
    batch_size: int = 8
    val_fraction: float = 0.2

    def arrays(self, part: str):
        events = [np.array([(1000 * i % 7000, i % 5)], [("t", int), ("x", int)]) for i in range(40)]
        return (events, Y) if part == "train" else (events[:4], Y[:4])


def test_arrays_with_a_published_split(tmp_path):
    dataset = Published(cache_dir=str(tmp_path))
    assert (dataset.inputs, dataset.target) == (5, Classes(4))
    train, val, test = dataset.splits()
    assert [len(split.sample) for split in (train, val, test)] == [32, 8, 4]


@pytest.mark.parametrize("other", [np.zeros(4), np.zeros((4, 2))])
def test_arrays_whose_parts_have_other_targets(tmp_path, monkeypatch, other):
    dataset = Published(cache_dir=str(tmp_path))
    given = {"train": np.zeros((40, 1)) if other.ndim > 1 else Y, "test": other}
    arrays = dataset.arrays
    monkeypatch.setattr(Published, "arrays", lambda self, part: (arrays(part)[0], given[part]))
    with pytest.raises(DataError, match=r"^y of train and test must be classes everywhere, or"):
        Published(cache_dir=str(tmp_path)).splits()


@pytest.mark.parametrize("shape", [(40,), (40, 1), (40, 3)], ids=str)
@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_array_dataset_with_continuous_targets(shape, dtype):
    y = RNG.normal(size=shape).astype(dtype)
    dataset = ArrayDataset(RNG.random((40, 7, 5)) < 0.3, y, batch_size=8)
    values = y.reshape(40, -1).astype(np.float32)
    assert dataset.target == Continuous(values.shape[1])
    for batch in EventDataModule(dataset, seed=0).train_dataloader():
        assert batch.target.dtype == torch.float32
        np.testing.assert_array_equal(batch.target.numpy(), values[batch.sample.numpy()])


def test_array_dataset_with_continuous_targets_has_no_classes():
    dataset = ArrayDataset(RNG.random((40, 7, 5)) < 0.3, RNG.random(40))
    with pytest.raises(AttributeError, match="has no classes"):
        _ = dataset.classes
    assert content_of(dataset.splits())["train"] == {"recordings": 28}


@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e39])
def test_array_dataset_with_a_target_that_is_not_finite(value):
    x, y = RNG.random((40, 7, 5)) < 0.3, RNG.random((40, 2))
    y[7, 1] = value
    dataset = ArrayDataset(x, y)
    with pytest.raises(
        DataError, match=r"^ArrayDataset, part all, recording 7 holds target .*, which is not finite:"
    ) as error:
        dataset.splits()
    assert "\n" not in str(error.value)
    left = ArrayDataset(x, y, on_bad="skip").store("all")
    assert left.origin.tolist() == [i for i in range(40) if i != 7]
    assert len(left.about["bad"]) == 1


def test_array_dataset_splits_continuous_targets_in_a_stratified_way():
    """Each part has the low, the middling and the high ones, whatever order they come in."""
    y = np.sort(RNG.normal(size=400))
    splits = ArrayDataset(RNG.random((400, 2, 5)) < 0.5, y).splits()
    for subset in splits:
        tenth = subset.sample // 40
        assert np.ptp(np.bincount(tenth, minlength=10)) <= 1


def test_array_dataset_limits_continuous_targets_by_tenths():
    y = RNG.permutation(100).astype(float)
    store = ArrayDataset(RNG.random((100, 2, 5)) < 0.5, y, limit=2).store("all")
    first = [np.flatnonzero(y // 10 == tenth)[:2] for tenth in range(10)]
    assert store.origin.tolist() == sorted(np.concatenate(first).tolist())


# ---- data sets of the user's own that say nothing of where their recordings come from

PIXEL = {"all": 3}
"""What the recordings below are made of, which no setting tells."""


@dataclass(frozen=True, kw_only=True)
class Own(SeededSplit):
    """One pixel."""

    dt: float = 1.0
    steps: int = 2
    batch_size: int = 8
    val_fraction: float = 0.2
    classes = 2
    height, width = 1, 9

    def listing(self, part: str) -> Listing:
        return Listing(np.arange(20) % 2)

    def recordings(self, part: str, listing: Listing) -> Recordings:
        nothing = np.zeros(len(listing), np.int16)
        sample = np.arange(len(listing), dtype=np.int32)
        return Recordings(sample, sample * 0, nothing + PIXEL[part], nothing, nothing, listing.target, 1, 9)


class Sourced(Own):
    """The same, which says what it is made of."""

    def source(self, part: str):
        return {"pixel": PIXEL[part]}


@pytest.mark.parametrize("kind", [Own, Sourced])
def test_own_data_set_is_never_served_from_a_stale_store(kind, tmp_path, monkeypatch):
    assert dense(kind(cache_dir=str(tmp_path)).store("all"))[:, 0].argmax(1).tolist() == [3] * 20
    monkeypatch.setitem(PIXEL, "all", 5)
    assert dense(kind(cache_dir=str(tmp_path)).store("all"))[:, 0].argmax(1).tolist() == [5] * 20


@pytest.mark.parametrize(("kind", "times"), [(Own, 2), (Sourced, 1)])
def test_own_data_set_is_packed_once_where_it_says_what_it_is_made_of(kind, times, tmp_path, monkeypatch):
    read = []
    recordings = Own.recordings
    monkeypatch.setattr(Own, "recordings", lambda self, *given: read.append(1) or recordings(self, *given))
    for _ in range(2):
        dataset = kind(cache_dir=str(tmp_path))
        assert dataset.store("all") is not None
        assert len(dataset.store("all")) == 20
    assert len(read) == times


def test_own_data_set_whose_code_has_changed(tmp_path, monkeypatch):
    """Nobody remembers to raise `version`."""
    (tmp_path / "mine.py").write_text("original")
    monkeypatch.setattr(sys.modules[__name__], "__file__", str(tmp_path / "mine.py"))
    before = Sourced(cache_dir=str(tmp_path)).cache_file("all")
    assert Sourced(cache_dir=str(tmp_path)).cache_file("all") == before
    (tmp_path / "mine.py").write_text("changed")
    assert Sourced(cache_dir=str(tmp_path)).cache_file("all") != before


def test_own_data_set_without_a_file_of_its_own(tmp_path, monkeypatch):
    """As in a notebook: nothing tells what its code is."""
    monkeypatch.delattr(sys.modules[__name__], "__file__")
    dataset = Sourced(cache_dir=str(tmp_path))
    assert dataset.store("all").path == dataset.cache_file("all")
    assert not dataset.traceable


class Untold(Own):
    """The same, of which nobody says what is to be learned."""

    classes = EventReader.classes


def test_own_data_set_without_classes_or_a_target(tmp_path):
    with pytest.raises(ValueError, match=r"^Untold must say how many classes it has, or the target"):
        Untold(cache_dir=str(tmp_path))


class Untyped(Own):
    """Classes that are no whole numbers."""

    def listing(self, part: str) -> Listing:
        return Listing(np.arange(20) % 2 / 1)


def test_own_data_set_with_targets_of_another_type(tmp_path):
    said = r"^Untyped, part all: targets are float64 \[20\], and must be int64 \[S\]$"
    with pytest.raises(DataError, match=said):
        Untyped(cache_dir=str(tmp_path)).splits()


@dataclass(frozen=True, kw_only=True)
class Measured(Own):
    """The same recordings with two continuous targets, which follow from their numbers."""

    target = Continuous(2)

    def listing(self, part: str) -> Listing:
        return Listing(np.arange(40).reshape(20, 2))

    def source(self, part: str):
        return {}


def test_own_data_set_with_continuous_targets(tmp_path):
    dataset = Measured(cache_dir=str(tmp_path))
    np.testing.assert_array_equal(dataset.store("all").target, np.arange(40, dtype=np.float32).reshape(20, 2))
    assert [len(subset.sample) for subset in dataset.splits()] == [12, 4, 4]
