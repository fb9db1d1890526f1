"""The value of a spike, taken into the weight that the spikes meet."""

from __future__ import annotations

from torch import Tensor

from snn_zo.ops.spikes import Spikes


def fold_scale(x: Spikes, weight: Tensor) -> tuple[Spikes, Tensor]:
    """Spikes of value 1, and the weight with which they make the current that x makes with this one."""
    if not isinstance(x, Spikes) or x.scale == 1:
        return x, weight
    return x.scaled(1.0), weight * x.scale
