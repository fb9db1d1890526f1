"""One value from those of all time steps."""

from __future__ import annotations

from torch import Tensor

from snn_zo.neuron import Reduction


def reduced(over_time: Tensor, reduce: Reduction) -> Tensor:
    """[B, C] from values [B, T, C] at every step; `max` takes the first of equal maxima."""
    if reduce == "max":
        return over_time.gather(1, over_time.argmax(1, keepdim=True)).squeeze(1)
    if reduce == "sum":
        return over_time.sum(1)
    if reduce == "mean":
        return over_time.mean(1)
    return over_time[:, -1]
