"""The spike-count regulariser of one layer."""

from __future__ import annotations

from torch import Tensor

from snn_zo.ops.backends import implementation
from snn_zo.ops.spikes import Spikes
from snn_zo.regularizer import SpikeCount


def spike_count_penalty(x: Spikes, regularizer: SpikeCount, backend: str = "auto") -> Tensor:
    """What a layer's spike counts add to the loss (`SpikeCount` has the equation).

    Args:
        x: [B, T, N] spikes of the layer.
        regularizer: bounds and weights.
        backend: `auto` or the name of a backend.

    Returns:
        A scalar.

    Raises:
        ValueError: the backend does not run here or does not support this.
    """
    run = implementation("spike_count_penalty", backend, x.handle, x.shape[2])
    penalty: Tensor = run(x, regularizer)
    return penalty
