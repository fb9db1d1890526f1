"""The leaky readout: from spikes to one value a class."""

from __future__ import annotations

from torch import Tensor

from snn_zo.neuron import Readout
from snn_zo.ops.backends import implementation
from snn_zo.ops.shapes import require_layer
from snn_zo.ops.spikes import Spikes


def leaky_readout(x: Spikes, weight: Tensor, bias: Tensor | None, readout: Readout, backend: str = "auto") -> Tensor:
    """o[t] = beta o[t-1] + (1 - beta) (weight s[t] + bias), reduced over time and scaled.

    Args:
        x: [B, T, N_in] spikes of the last hidden layer.
        weight: [C, N_in].
        bias: [C] or None.
        readout: time constant, reduction over time (`max` takes the first of equal maxima) and scale.
        backend: `auto` or one of `snn_zo.ops.backends.BACKENDS`.

    Returns:
        [B, C] logits.

    Raises:
        ValueError: shapes do not fit, or the backend does not run on this device.
    """
    require_layer(x, weight, bias)
    run = implementation("leaky_readout", backend, weight.device).leaky_readout
    return readout.scale * run(x, weight, bias, readout)
