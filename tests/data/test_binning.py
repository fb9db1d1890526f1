import numpy as np
import pytest

from snn_zo.data.binning import Grid, Packed, pack
from snn_zo.data.recordings import Listing, Recordings
from snn_zo.target import Classes


@pytest.fixture
def recordings() -> Recordings:
    """Five recordings of a 3 x 5 sensor, the third one empty, in order of time."""
    rng = np.random.default_rng(1)
    sample = np.sort(rng.choice([0, 1, 3, 4], 400)).astype(np.int32)
    t = rng.integers(0, 23_000, 400).astype(np.int32)
    order = np.lexsort((t, sample))
    x, y, p = (rng.integers(0, size, 400) for size in (5, 3, 2))
    events = (sample, t[order], x.astype(np.int16), y.astype(np.int16), p.astype(np.int8))
    return Recordings(*events, np.array([7, 8, 9, 7, 8]), height=3, width=5)


def by_loop(recordings: Recordings, grid: Grid) -> np.ndarray:
    """[S, T, N] event counts."""
    k, rows, columns = grid.downsample, -(-3 // grid.downsample), -(-5 // grid.downsample)
    frames = np.zeros((5, grid.steps, grid.polarities * rows * columns), np.int64)
    for sample, t, x, y, p in zip(*(column.tolist() for column in recordings[:5]), strict=True):
        step = (t - round(1000 * grid.start)) // round(1000 * grid.dt)
        if 0 <= step < grid.steps:
            frames[sample, step, ((p if grid.polarities == 2 else 0) * rows + y // k) * columns + x // k] += 1
    return frames if grid.counts else np.minimum(frames, 1)


def unpacked(packed: Packed, features: int) -> np.ndarray:
    """[S, T, N]"""
    frames = np.zeros((packed.length.size, features), np.int64)
    np.add.at(frames, (np.repeat(np.arange(packed.length.size), packed.length.ravel()), packed.col), 1)
    return frames.reshape(*packed.length.shape, features)


@pytest.mark.parametrize("counts", [False, True])
@pytest.mark.parametrize("polarities", [1, 2])
@pytest.mark.parametrize(
    ("dt", "steps", "start", "downsample"),
    [(1.0, 23, 0.0, 1), (2.5, 7, 0.0, 2), (100.0, 1, 0.0, 3), (1.0, 9, 4.5, 1), (0.3, 5, 21.7, 5)],
)
def test_pack_equals_a_loop_over_events(recordings, dt, steps, start, downsample, polarities, counts):
    grid = Grid(3, 5, polarities, dt, steps, start, downsample, counts)
    packed = pack(recordings, grid)
    np.testing.assert_array_equal(unpacked(packed, grid.inputs), by_loop(recordings, grid))
    np.testing.assert_array_equal(packed.target, recordings.target)
    row = np.repeat(np.arange(packed.length.size), packed.length.ravel())
    order = np.diff(row * grid.inputs + packed.col)
    assert (order >= (0 if counts else 1)).all()


def test_pack_in_pieces_equals_packing_at_once(recordings):
    grid = Grid(3, 5, 2, 2.0, 9)
    pieces = []
    for part in ([0, 1, 2], [3, 4]):
        chosen = np.isin(recordings.sample, part)
        events = (column[chosen] for column in recordings[1:5])
        piece = Recordings(recordings.sample[chosen] - part[0], *events, recordings.target[part], 3, 5)
        pieces.append(pack(piece, grid))
    for one, other in zip(Packed.concatenate(pieces, grid, Classes(9)), pack(recordings, grid), strict=True):
        np.testing.assert_array_equal(one, other)


def test_pack_of_another_sensor(recordings):
    with pytest.raises(ValueError, match="do not fit"):
        pack(recordings, Grid(5, 3, 2, 2.0, 9))


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [("x", 5, "outside"), ("y", -1, "outside"), ("t", -1, "before"), ("p", 2, "polarity")],
)
def test_fault_names_the_first_recording(recordings, column, value, what):
    values = getattr(recordings, column).copy()
    last, first = np.flatnonzero(recordings.sample == 3)[[-1, 0]]
    values[[first, last, -1]] = value
    assert recordings.fault() is None
    sample, text = recordings._replace(**{column: values}).fault()
    assert sample == 3
    assert what in text


def test_disorder_is_within_a_recording(recordings):
    assert recordings.disorder() == (2, "holds no events")
    filled = recordings._replace(sample=recordings.sample - (recordings.sample > 2), target=recordings.target[:4])
    assert filled.disorder() is None
    t = filled.t.copy()
    swapped = np.flatnonzero(filled.sample == 1)[[0, -1]]
    t[swapped] = t[swapped[::-1]]
    assert filled._replace(t=t).disorder() == (1, "holds time stamps that are out of order")


def test_listing_first_of_class():
    label = np.array([2, 0, 2, 2, 0, 1, 0])
    limited = Listing(label, [str(i) for i in range(7)], label + 10).first_of_each(label, 2)
    assert limited.number.tolist() == [0, 1, 2, 4, 5]
    assert limited.target.tolist() == [2, 0, 2, 0, 1]
    assert limited.file == ["0", "1", "2", "4", "5"]
    assert limited.take(np.array([4, 0])).group.tolist() == [11, 12]


def test_grid_shape_is_the_order_of_the_inputs():
    """Input (p * rows + y) * columns + x is at (p, y, x)."""
    events = (np.zeros(1, np.int32), np.zeros(1, np.int32), np.array([4], np.int16), np.array([1], np.int16))
    recordings = Recordings(*events, np.array([1], np.int8), np.array([0]), 3, 5)
    grid = Grid(3, 5, 2, 1.0, 1)
    assert grid.shape == (2, 3, 5)
    assert np.argwhere(unpacked(pack(recordings, grid), grid.inputs).reshape(grid.shape)).tolist() == [[1, 1, 4]]


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ((3, 5, 1, 1), (1, 3, 5)),
        ((3, 5, 2, 2), (2, 2, 3)),
        ((1, 5, 1, 1), (5,)),
        ((1, 5, 1, 2), (3,)),
        ((1, 5, 2, 1), (2, 1, 5)),
    ],
)
def test_grid_shape(size, shape):
    height, width, polarities, downsample = size
    grid = Grid(height, width, polarities, 1.0, 9, downsample=downsample)
    assert grid.shape == shape
    assert grid.inputs == np.prod(shape)
