"""Raw recordings of an event sensor."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Recordings(NamedTuple):
    """S recordings of a height x width sensor with two polarities, end to end.

    Attributes:
        sample: [E] int32, the recording that each event belongs to, ascending.
        t: [E] int32, us since the recording began; whole numbers, so that the edge of a time step is sharp.
        x, y: [E] int16 pixel; y counts from the top.
        p: [E] int8 polarity, 0 or 1.
        label: [S] int64 class.
        height, width: pixels.
    """

    sample: NDArray[np.int32]
    t: NDArray[np.int32]
    x: NDArray[np.int16]
    y: NDArray[np.int16]
    p: NDArray[np.int8]
    label: NDArray[np.int64]
    height: int
    width: int

    def fault(self, classes: int) -> tuple[int, str] | None:
        """The first recording that cannot be what it says, and why; None where all can."""
        inside = (self.x >= 0) & (self.x < self.width) & (self.y >= 0) & (self.y < self.height)
        for wrong, what in (
            (~inside, f"an event outside the {self.width} x {self.height} sensor"),
            (self.t < 0, "an event before the recording began"),
            ((self.p < 0) | (self.p > 1), "a polarity that is neither 0 nor 1"),
        ):
            if wrong.any():
                return int(self.sample[wrong.argmax()]), what
        outside = (self.label < 0) | (self.label >= classes)
        if outside.any():
            sample = int(outside.argmax())
            return sample, f"label {self.label[sample]}, which is not one of 0 to {classes - 1}"
        return None
