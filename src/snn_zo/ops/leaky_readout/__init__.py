"""The leaky readout: from spikes to one value a class, or to its value at every time step."""

from __future__ import annotations

from torch import Tensor

from snn_zo.neuron import Readout
from snn_zo.ops.backends import implementation
from snn_zo.ops.leaky_readout.reduction import reduced
from snn_zo.ops.record import Record
from snn_zo.ops.scale import fold_scale
from snn_zo.ops.shapes import require_layer
from snn_zo.ops.spikes import Spikes

__all__ = ["leaky_readout", "reduced"]


def leaky_readout(
    x: Spikes,
    weight: Tensor,
    bias: Tensor | None,
    readout: Readout,
    backend: str = "auto",
    record: Record | None = None,
    every_step: bool = False,
) -> Tensor:
    """o[t] = beta o[t-1] + (1 - beta) (weight s[t] + bias), scaled, and reduced over time or at every step.

    Args:
        x: [B, T, N_in] spikes of the last hidden layer.
        weight: [C, N_in].
        bias: [C] or None.
        readout: time constant, reduction over time (`max` takes the first of equal maxima) and scale.
        backend: `auto` or the name of a backend.
        record: takes in what was done.
        every_step: whether to leave out the reduction over time, which `reduced` does.

    Returns:
        [B, C], or [B, T, C] of every step.

    Raises:
        ValueError: shapes do not fit, or the backend does not run here or does not support this.
    """
    x, weight = fold_scale(x, weight)
    require_layer(x, weight, bias)
    run = implementation("leaky_readout", backend, weight, len(weight))
    record = Record() if record is None else record
    record.to_input = x.handle.requires_grad
    values: Tensor = run(x.view(x.shape[2]), weight, bias, readout, record, every_step)
    return readout.scale * values
