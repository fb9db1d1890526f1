"""Augmentation of packed training recordings: seeded for each sample and epoch, whatever the batch or the process."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from snn_zo.data.binning import Grid


@dataclass(frozen=True)
class Augmentation:
    """Random changes to the events of a recording, in this order; the defaults change nothing.

    Attributes:
        flip: chance that a recording is mirrored left to right.
        shift: inputs that a recording is moved by in each direction of the sensor, at most.
        crop: side of the window of the sensor, at a random place, outside of which events are lost; 1 is all of it.
        jitter: standard deviation in ms of each event's time, rounded to whole steps.
        drop: share of the events that are lost.
    """

    flip: float = 0.0
    shift: int = 0
    crop: float = 1.0
    jitter: float = 0.0
    drop: float = 0.0

    def __post_init__(self) -> None:
        for name in ("flip", "drop"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie between 0 and 1, got {getattr(self, name):g}")
        if not 0 < self.crop <= 1:
            raise ValueError(f"crop must lie between 0 and 1, above 0, got {self.crop:g}")
        if self.shift < 0:
            raise ValueError(f"shift must be a number of inputs, 0 or more, got {self.shift}")
        if not 0 <= self.jitter < float("inf"):
            raise ValueError(f"jitter must be a number of milliseconds, 0 or more, got {self.jitter:g}")

    def used(self) -> list[str]:
        """Names of the changes that are asked for."""
        return [field.name for field in dataclasses.fields(self) if getattr(self, field.name) != field.default]

    def apply(
        self,
        ptr: NDArray[np.int64],
        col: NDArray[np.int32],
        sample: NDArray[np.int64],
        grid: Grid,
        seed: int,
        epoch: int,
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """The events of a batch, changed.

        Args:
            ptr, col: [B * T + 1], [K] events.
            sample: [B] index in the data set; with seed and epoch it alone decides what happens to a recording.
            grid: of the events.
            seed: run seed.
            epoch: of the training.

        Returns:
            Row pointers [B * T + 1] and columns, ascending in each row.
        """
        import numpy as np

        from snn_zo.data.binning import rows_of

        count = np.diff(ptr[:: grid.steps])
        per_sample, drop, jitter = _random(sample, count, seed, epoch)
        flip, shift_y, shift_x, crop_y, crop_x = (np.repeat(column, count) for column in per_sample.T)
        row = np.repeat(np.arange(len(ptr) - 1), np.diff(ptr))
        plane, place = np.divmod(col, grid.rows * grid.columns)
        y, x = np.divmod(place, grid.columns)

        x = np.where(flip < self.flip, grid.columns - 1 - x, x)
        reach = 2 * self.shift + 1
        x = x + (shift_x * reach).astype(np.int64) - self.shift
        y = y + ((shift_y * reach).astype(np.int64) - self.shift if grid.rows > 1 else 0)
        kept = drop >= self.drop
        for place, size, begin in ((x, grid.columns, crop_x), (y, grid.rows, crop_y)):
            window = max(round(self.crop * size), 1)
            first = (begin * (size - window + 1)).astype(np.int64)
            kept &= (place >= first) & (place < first + window)
        recording, step = np.divmod(row, grid.steps)
        step = step + np.rint(jitter * (self.jitter / grid.dt)).astype(np.int64)
        kept &= (step >= 0) & (step < grid.steps)

        key = (recording * grid.steps + step) * grid.inputs + (plane * grid.rows + y) * grid.columns + x
        length, columns = rows_of(key[kept], len(ptr) - 1, grid)
        return np.concatenate([ptr[:1], np.cumsum(length)]), columns


def _random(
    sample: NDArray[np.int64], count: NDArray[np.int64], seed: int, epoch: int
) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float32]]:
    """Five uniform numbers for each sample [B, 5]; a uniform and a normal one for each event, [K] and [K]."""
    import numpy as np

    # counter-based: each recording has a stream of its own
    streams = [np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, one, epoch])) for one in sample.tolist()]
    per_sample = np.array([stream.random(5) for stream in streams]).reshape(-1, 5)
    events = count.tolist()
    uniform = [stream.random(size, np.float32) for stream, size in zip(streams, events, strict=True)]
    normal = [stream.standard_normal(size, np.float32) for stream, size in zip(streams, events, strict=True)]
    return per_sample, np.concatenate(uniform), np.concatenate(normal)
