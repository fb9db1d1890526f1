"""The leaky readout: from spikes to one value a class."""

from __future__ import annotations

from torch import Tensor

from snn_zo.neuron import Readout
from snn_zo.ops.backends import implementation
from snn_zo.ops.record import Record
from snn_zo.ops.shapes import require_layer
from snn_zo.ops.spikes import Spikes


def leaky_readout(
    x: Spikes,
    weight: Tensor,
    bias: Tensor | None,
    readout: Readout,
    backend: str = "auto",
    record: Record | None = None,
) -> Tensor:
    """o[t] = beta o[t-1] + (1 - beta) (weight s[t] + bias), reduced over time and scaled.

    Args:
        x: [B, T, N_in] spikes of the last hidden layer.
        weight: [C, N_in].
        bias: [C] or None.
        readout: time constant, reduction over time (`max` takes the first of equal maxima) and scale.
        backend: `auto` or the name of a backend.
        record: takes in what was done.

    Returns:
        [B, C] logits.

    Raises:
        ValueError: shapes do not fit, or the backend does not run here or does not support this.
    """
    require_layer(x, weight, bias)
    run = implementation("leaky_readout", backend, weight, len(weight))
    record = Record() if record is None else record
    record.to_input = x.handle.requires_grad
    values: Tensor = run(x.view(x.shape[2]), weight, bias, readout, record)
    return readout.scale * values
