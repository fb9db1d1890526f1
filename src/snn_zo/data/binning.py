"""Events in continuous time, binned into the rows of T steps and N inputs that the network sees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from snn_zo.data.original import Original
    from snn_zo.data.recordings import Recordings
    from snn_zo.target import Target, Values


@dataclass(frozen=True)
class Grid:
    """T steps of N inputs; input (p * rows + y) * columns + x, without p where polarities are merged.

    Attributes:
        height, width: pixels of the sensor.
        polarities: 1 where they are merged, else 2.
        dt: time step in ms.
        steps: T.
        start: of the first step, ms after the beginning of the recording.
        downsample: side of the square of pixels that share an input.
        counts: whether an input that gets c events in a step spikes c times, rather than once.
    """

    height: int
    width: int
    polarities: int
    dt: float
    steps: int
    start: float = 0.0
    downsample: int = 1
    counts: bool = False

    @property
    def rows(self) -> int:
        """Inputs from top to bottom."""
        return -(-self.height // self.downsample)

    @property
    def columns(self) -> int:
        """Inputs from left to right."""
        return -(-self.width // self.downsample)

    @property
    def shape(self) -> tuple[int, ...]:
        """Feature shape of the inputs: (polarities, rows, columns), or (N,) where there is one row of one polarity."""
        shape = (self.polarities, self.rows, self.columns)
        return shape if self.polarities * self.rows > 1 else (self.columns,)

    @property
    def inputs(self) -> int:
        """Number of inputs N."""
        return self.polarities * self.rows * self.columns


class Packed(NamedTuple):
    """S recordings on a grid, as compressed sparse rows.

    Attributes:
        length: [S, T] int64 events of each row.
        col: [K] int32 inputs, row after row; ascending in a row, each once (or c times, where c events are counted).
        target: [S] int64 classes, or [S, K] float32 values.
        original: what they held before.
    """

    length: NDArray[np.int64]
    col: NDArray[np.int32]
    target: Values
    original: Original

    @classmethod
    def concatenate(cls, pieces: Sequence[Packed], grid: Grid, target: Target) -> Packed:
        """The pieces, one after the other; without pieces, no recordings."""
        import numpy as np

        from snn_zo.data.original import Original

        length = [np.zeros((0, grid.steps), np.int64), *(piece.length for piece in pieces)]
        col = [np.zeros(0, np.int32), *(piece.col for piece in pieces)]
        targets = [np.zeros((0, *target.shape), target.dtype), *(piece.target for piece in pieces)]
        original = Original.concatenate([piece.original for piece in pieces])
        return cls(np.concatenate(length), np.concatenate(col), np.concatenate(targets), original)


def pack(recordings: Recordings, grid: Grid) -> Packed:
    """Recordings on a grid; what falls outside its steps, or outside the sensor, is dropped and counted."""
    import numpy as np

    from snn_zo.data.original import Original

    if (recordings.height, recordings.width) != (grid.height, grid.width):
        raise ValueError(f"{recordings.width} x {recordings.height} recordings do not fit {grid}")
    step = ((recordings.t - microseconds(grid.start)) // microseconds(grid.dt)).astype(np.int64)
    outside = (step < 0) | (step >= grid.steps)
    beyond = (recordings.x < 0) | (recordings.x >= grid.width) | (recordings.y < 0) | (recordings.y >= grid.height)
    inside = ~(outside | beyond)
    y, x = (place.astype(np.int64) // grid.downsample for place in (recordings.y, recordings.x))
    if grid.polarities > 1:
        y += recordings.p.astype(np.int64) * grid.rows
    row = recordings.sample.astype(np.int64) * grid.steps + step
    key = row * grid.inputs + y * grid.columns + x
    length, col = rows_of(key[inside], len(recordings.target) * grid.steps, grid)
    original = Original.of(recordings, outside, beyond & ~outside)
    return Packed(length.reshape(-1, grid.steps), col, recordings.target, original)


def rows_of(key: NDArray[np.int64], rows: int, grid: Grid) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Row lengths [rows] and columns [K] of events in any order, given as row * N + input."""
    import numpy as np

    key = np.sort(key)
    if not grid.counts:
        key = key[np.diff(key, prepend=-1) > 0]
    row, col = np.divmod(key, grid.inputs)
    return np.bincount(row, minlength=rows), col.astype(np.int32)


def microseconds(ms: float) -> int | float:
    """ms in us; a whole number where only rounding keeps it from being one, so that edges of time steps are exact."""
    exact = 1000 * ms
    whole = round(exact)
    return whole if (whole or not ms) and math.isclose(exact, whole, rel_tol=1e-12) else exact
