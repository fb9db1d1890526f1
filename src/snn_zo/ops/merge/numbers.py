"""Which numbers the neurons of merged spikes get."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from snn_zo.ops.spikes import Spikes


def numbers_in(x: Spikes, how: str, features: tuple[int, ...], before: int) -> NDArray[np.int32]:
    """[N] numbers of neurons in the result, ascending, with `before` channels or neurons in front of them."""
    if how != "cat" or not x.channels_last:
        return _numbered(x.shape[2], 1, 1, before * math.prod(features[1:]))
    return _numbered(x.shape[2], x.features[0], features[0], before)


@lru_cache(maxsize=64)
def _numbered(neurons: int, channels: int, all_channels: int, before: int) -> NDArray[np.int32]:
    place, channel = np.divmod(np.arange(neurons), channels)
    numbers: NDArray[np.int32] = (place * all_channels + channel + before).astype(np.int32)
    return numbers
