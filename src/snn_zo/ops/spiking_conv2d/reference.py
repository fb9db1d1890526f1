"""torch's convolution and the reference neuron."""

from __future__ import annotations

from torch import Tensor

from snn_zo.neuron import Neuron
from snn_zo.ops.convolution import Convolution, convolved
from snn_zo.ops.lif.reference import lif
from snn_zo.ops.spikes import Spikes
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
    spikes.record.to_input = x.handle.requires_grad
    return spikes


def dense_current(x: Spikes, weight: Tensor, bias: Tensor | None, convolution: Convolution) -> Tensor:
    """[B, T, H_out, W_out, C_out] current of a convolutional layer."""
    return convolved(x.to_dense().to(weight.dtype), weight, bias, convolution)
