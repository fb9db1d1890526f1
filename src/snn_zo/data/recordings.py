"""Raw recordings of an event sensor."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Recordings(NamedTuple):
    """S recordings of a height x width sensor with two polarities, end to end.

    Attributes:
        sample: [E] int32, the recording that each event belongs to, ascending.
        t: [E] float32, ms since the recording began.
        x, y: [E] int16 pixel; y counts from the top.
        p: [E] int8 polarity, 0 or 1.
        label: [S] int64 class.
        height, width: pixels.
    """

    sample: NDArray[np.int32]
    t: NDArray[np.float32]
    x: NDArray[np.int16]
    y: NDArray[np.int16]
    p: NDArray[np.int8]
    label: NDArray[np.int64]
    height: int
    width: int
