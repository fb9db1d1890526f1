import pickle

import numpy as np
import pytest
import torch

from snn_zo.data.binning import Grid, Packed
from snn_zo.data.store import HEADER, DamagedStoreError, EventStore
from snn_zo.target import Classes
from tests.data.originals import packed as make_packed

STEPS = 7


def random_piece(rng: np.random.Generator, samples: int, grid: Grid) -> Packed:
    """Rows of up to four events, most of them empty."""
    length = rng.integers(0, 5, (samples, grid.steps)) * (rng.random((samples, grid.steps)) < 0.4)
    rows = [np.sort(rng.choice(grid.inputs, size, replace=False)) for size in length.ravel()]
    col = np.concatenate([np.zeros(0, np.int32), *rows]).astype(np.int32)
    return make_packed(length, col, rng.integers(0, 9, samples))


@pytest.fixture(params=[17, 70_000], ids=["16 bit", "32 bit"])
def grid(request) -> Grid:
    return Grid(1, request.param, 1, 1.0, STEPS)


@pytest.fixture
def packed(grid) -> list[Packed]:
    rng = np.random.default_rng(0)
    silent = make_packed(np.zeros((1, STEPS), int), np.zeros(0, np.int32), np.array([8]))
    return [random_piece(rng, 5, grid), Packed.concatenate([], grid, Classes(9)), silent, random_piece(rng, 3, grid)]


@pytest.fixture
def store(grid, packed, tmp_path) -> EventStore:
    origin = np.split(np.arange(100, 109), [5, 5, 6])
    EventStore.write(tmp_path / "new" / "a.events", grid, zip(packed, origin, strict=True), {"part": "all"})
    return EventStore(tmp_path / "new" / "a.events")


def dense(packed: list[Packed], grid: Grid) -> np.ndarray:
    """[S, T, N]"""
    whole = Packed.concatenate(packed, grid, Classes(9))
    frames = np.zeros((whole.length.size, grid.inputs), np.float32)
    frames[np.repeat(np.arange(whole.length.size), whole.length.ravel()), whole.col] = 1
    return frames.reshape(-1, STEPS, grid.inputs)


def test_store_holds_what_was_written(store, packed, grid):
    assert len(store) == 9
    assert (store.steps, store.inputs, store.about) == (STEPS, grid.inputs, {"part": "all"})
    np.testing.assert_array_equal(store.target, np.concatenate([piece.target for piece in packed]))
    np.testing.assert_array_equal(store.origin, np.arange(100, 109))
    assert store.col.dtype == (np.uint16 if grid.inputs == 17 else np.int32)
    assert [path.name for path in store.path.parent.iterdir()] == ["a.events"]


@pytest.mark.parametrize("index", [[0], [5], [8, 5, 0, 8], list(range(9)), []], ids=str)
def test_batch_in_any_order(store, packed, grid, index):
    chosen = np.array(index, np.int64)
    batch = store.batch(chosen)
    np.testing.assert_array_equal(batch.spikes.to_dense().numpy(), dense(packed, grid)[chosen])
    assert batch.target.tolist() == store.target[chosen].tolist()
    assert batch.sample.tolist() == index
    assert batch.spikes.active.col.numel() == 0


def test_store_in_another_process(store, packed, grid):
    """What travels is the path."""
    content = pickle.dumps(store)
    assert len(content) < 1000
    again = pickle.loads(content).batch(np.arange(9))
    np.testing.assert_array_equal(again.spikes.to_dense().numpy(), dense(packed, grid))


def test_store_of_nothing_but_silence(tmp_path):
    grid = Grid(1, 4, 1, 1.0, STEPS)
    silent = make_packed(np.zeros((3, STEPS), int), np.zeros(0, np.int32), np.arange(3))
    EventStore.write(tmp_path / "a.events", grid, [(silent, np.arange(3))], {})
    assert EventStore(tmp_path / "a.events").batch(np.array([2, 0])).spikes.to_dense().count_nonzero() == 0


def test_store_keeps_counts(tmp_path):
    grid = Grid(1, 4, 1, 1.0, 2, counts=True)
    piece = make_packed(np.array([[70_000, 1]]), np.repeat(np.int32([3, 0]), [70_000, 1]), np.array([1]))
    EventStore.write(tmp_path / "a.events", grid, [(piece, np.array([0]))], {})
    spikes = EventStore(tmp_path / "a.events").batch(np.array([0])).spikes
    assert spikes.to_dense().tolist() == [[[0, 0, 0, 70_000], [1, 0, 0, 0]]]


def test_store_every_flipped_byte_is_found_or_harmless(store, packed, grid):
    """No byte of the file can change what is served, whichever way it is damaged."""
    content, expected = store.path.read_bytes(), dense(packed, grid)
    found = 0
    for place in [*range(600), *range(HEADER, len(content), 3)]:
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        store.path.write_bytes(damaged)
        try:
            again = EventStore(store.path)
            batch = again.batch(np.arange(9))
        except DamagedStoreError:
            found += 1
            continue
        np.testing.assert_array_equal(batch.spikes.to_dense().numpy(), expected)
        np.testing.assert_array_equal(batch.target, store.target)
    assert found > 150


def test_store_serves_the_sound_recordings_of_a_damaged_file(store, packed, grid):
    content = bytearray(store.path.read_bytes())
    content[HEADER] ^= 1
    store.path.write_bytes(content)
    again = EventStore(store.path)
    np.testing.assert_array_equal(again.batch(np.array([1, 2])).spikes.to_dense(), dense(packed, grid)[[1, 2]])
    for _ in range(2):
        with pytest.raises(DamagedStoreError, match="recording 0 is damaged"):
            again.batch(np.array([1, 0]))


@pytest.mark.parametrize("size", [0, 10, HEADER - 1, HEADER, HEADER + 20, -1])
def test_store_cut_short(store, size):
    store.path.write_bytes(store.path.read_bytes()[:size])
    with pytest.raises(DamagedStoreError):
        EventStore(store.path)


def test_store_that_is_something_else(tmp_path):
    (tmp_path / "a.events").write_text("not a store" * 1000)
    with pytest.raises(DamagedStoreError, match="is no event store"):
        EventStore(tmp_path / "a.events")


def test_write_that_fails_leaves_the_old_one(store, grid, packed):
    def pieces():
        yield packed[0], np.arange(5)
        raise RuntimeError("half way")

    before = store.path.read_bytes()
    with pytest.raises(RuntimeError, match="half way"):
        EventStore.write(store.path, grid, pieces(), {})
    assert store.path.read_bytes() == before
    assert [path.name for path in store.path.parent.iterdir()] == ["a.events"]


@pytest.fixture
def continuous(tmp_path) -> EventStore:
    """Nine recordings of two polarities of 3 x 5 pixels with two targets each."""
    grid = Grid(3, 5, 2, 1.0, STEPS)
    piece = random_piece(np.random.default_rng(0), 9, grid)
    targets = np.random.default_rng(1).normal(size=(9, 2)).astype(np.float32)
    EventStore.write(tmp_path / "a.events", grid, [(piece._replace(target=targets), np.arange(9))], {})
    store = EventStore(tmp_path / "a.events")
    np.testing.assert_array_equal(store.target, targets)
    return store


def test_store_of_continuous_targets(continuous):
    batch = continuous.batch(np.array([8, 1]))
    assert batch.target.dtype == torch.float32
    np.testing.assert_array_equal(batch.target.numpy(), continuous.target[[8, 1]])


def test_store_has_a_feature_shape(continuous, store, grid):
    assert (continuous.in_shape, continuous.inputs) == ((2, 3, 5), 30)
    assert (store.in_shape, store.inputs) == ((grid.inputs,), grid.inputs)
    batch = continuous.batch(np.arange(9))
    assert batch.spikes.features == (2, 3, 5)
    assert batch.spikes.to_dense().shape == (9, STEPS, 2, 3, 5)


def test_store_whose_continuous_targets_are_damaged(continuous):
    content = continuous.path.read_bytes()
    place = content.index(continuous.target.tobytes())
    continuous.path.write_bytes(content[: place + 3] + bytes([content[place + 3] ^ 1]) + content[place + 4 :])
    with pytest.raises(DamagedStoreError, match="target is damaged"):
        EventStore(continuous.path)
