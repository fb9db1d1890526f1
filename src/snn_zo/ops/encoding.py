"""Spikes of the layer that takes an analogue input in."""

from __future__ import annotations

from torch import Tensor

from snn_zo.neuron import Neuron
from snn_zo.ops.analogue import Analogue
from snn_zo.ops.lif import lif
from snn_zo.ops.spikes import Spikes
from snn_zo.strategies import Draw, Strategy


def encoded(
    x: Analogue, current: Tensor, neuron: Neuron, strategy: Strategy, draw: Draw | None, backend: str
) -> Spikes:
    """Spikes of the neurons that an analogue input drives.

    Args:
        x: [B, T, N_in] the input.
        current: [B, 1, N] of all steps, or [B, T, N]: the product of its values with weights, plus a bias.
        neuron, strategy, draw, backend: as of `snn_zo.ops.lif`.

    Returns:
        [B, T, N] spikes.
    """
    b, t, _ = x.shape
    spikes = lif(current.expand(b, t, current.shape[2]), neuron, strategy, draw, backend)
    record = spikes.record
    record.forward = record.weight_gradient = "dense"
    record.to_input = x.values.requires_grad
    record.input_gradient = "dense" if record.to_input else None
    return spikes
