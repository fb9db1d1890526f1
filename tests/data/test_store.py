import numpy as np
import pytest
import torch

from snn_zo.data.recordings import Recordings
from snn_zo.data.store import EventStore


@pytest.fixture
def recordings() -> Recordings:
    """Five recordings of a 3 x 4 sensor, the third one empty, in order of time."""
    rng = np.random.default_rng(1)
    sample = np.sort(rng.choice([0, 1, 3, 4], 400)).astype(np.int32)
    t = rng.integers(0, 23_000, 400).astype(np.int32)
    order = np.lexsort((t, sample))
    x, y, p = (rng.integers(0, size, 400) for size in (4, 3, 2))
    events = (sample, t[order], x.astype(np.int16), y.astype(np.int16), p.astype(np.int8))
    return Recordings(*events, np.array([7, 8, 9, 7, 8]), height=3, width=4)


def dense(recordings: Recordings, dt: float, steps: int, merged: bool) -> np.ndarray:
    """[S, T, N] by a loop over events."""
    features = 12 if merged else 24
    frames = np.zeros((5, steps, features), np.float32)
    for sample, t, x, y, p in zip(*recordings[:5], strict=True):
        step = int(t) // round(1000 * dt)
        if step < steps:
            frames[sample, step, y * 4 + x if merged else (p * 3 + y) * 4 + x] = 1
    return frames


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize(("dt", "steps"), [(1.0, 23), (2.5, 7), (100.0, 1)])
def test_bin_equals_a_loop_over_events(recordings, dt, steps, merged):
    store = EventStore.bin(recordings, dt, steps, merged)
    batch = store.batch(np.arange(5))
    np.testing.assert_array_equal(batch.spikes.to_dense().numpy(), dense(recordings, dt, steps, merged))


def test_batch_in_any_order(recordings):
    store = EventStore.bin(recordings, 2.0, 9, merged=False)
    chosen = np.array([4, 2, 0, 4])
    batch = store.batch(chosen)
    torch.testing.assert_close(batch.spikes.to_dense().numpy(), dense(recordings, 2.0, 9, merged=False)[chosen])
    assert batch.label.tolist() == [8, 9, 7, 8]
    assert batch.sample.tolist() == chosen.tolist()
    assert batch.spikes.active.col.numel() == 0


def test_batch_of_empty_recordings(recordings):
    store = EventStore.bin(recordings, 2.0, 9, merged=False)
    assert store.batch(np.array([2])).spikes.to_dense().count_nonzero() == 0


def test_concatenate_equals_binning_at_once(recordings):
    whole = EventStore.bin(recordings, 2.0, 9, merged=False)
    pieces = []
    for part in ([0, 1, 2], [3, 4]):
        chosen = np.isin(recordings.sample, part)
        events = (column[chosen] for column in recordings[1:5])
        sample = recordings.sample[chosen] - part[0]
        piece = Recordings(sample, *events, recordings.label[part], height=3, width=4)
        pieces.append(EventStore.bin(piece, 2.0, 9, merged=False))
    for one, other in zip(EventStore.concatenate(pieces), whole, strict=True):
        np.testing.assert_array_equal(one, other)


def test_save_load_round_trip(recordings, tmp_path):
    store = EventStore.bin(recordings, 2.0, 9, merged=True)
    store.save(tmp_path / "new" / "store.npz")
    for one, other in zip(EventStore.load(tmp_path / "new" / "store.npz"), store, strict=True):
        np.testing.assert_array_equal(one, other)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["store.npz"]


@pytest.mark.parametrize("damage", ["truncate", "text", "field"])
def test_load_damaged(recordings, tmp_path, damage):
    path = tmp_path / "store.npz"
    EventStore.bin(recordings, 2.0, 9, merged=True).save(path)
    if damage == "truncate":
        path.write_bytes(path.read_bytes()[:-50])
    elif damage == "text":
        path.write_text("not a store")
    else:
        np.savez(path, ptr=np.zeros(3))
    with pytest.raises(ValueError, match="is not an event store"):
        EventStore.load(path)
