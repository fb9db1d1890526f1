"""torch's convolution and the fused scan: there is no sparse kernel of a convolution for a GPU yet."""

from __future__ import annotations

from torch import Tensor

from snn_zo.neuron import Neuron
from snn_zo.ops.convolution import Convolution
from snn_zo.ops.lif.triton import lif
from snn_zo.ops.spikes import Spikes
from snn_zo.ops.spiking_conv2d.reference import dense_current
from snn_zo.strategies import Draw, Strategy


def spiking_conv2d(
    x: Spikes,
    weight: Tensor,
    bias: Tensor | None,
    convolution: Convolution,
    neuron: Neuron,
    strategy: Strategy,
    draw: Draw | None,
) -> Spikes:
    """See `snn_zo.ops.spiking_conv2d.spiking_conv2d`."""
    spikes = lif(dense_current(x, weight, bias, convolution).flatten(2), neuron, strategy, draw, x.shape[1])
    record = spikes.record
    record.to_input = x.handle.requires_grad
    record.forward = record.weight_gradient = "dense"
    record.input_gradient = "dense" if record.to_input else None
    return spikes
