"""A dense product and the reference neuron."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import linear

from snn_zo.neuron import Neuron
from snn_zo.ops.lif.reference import lif
from snn_zo.ops.spikes import Spikes
from snn_zo.strategies import Draw, Strategy


def spiking_linear(
    x: Spikes, weight: Tensor, bias: Tensor | None, neuron: Neuron, strategy: Strategy, draw: Draw | None
) -> Spikes:
    """See `snn_zo.ops.spiking_linear.spiking_linear`."""
    spikes = lif(linear(x.to_dense().to(weight.dtype), weight, bias), neuron, strategy, draw, x.shape[1])
    spikes.record.to_input = x.handle.requires_grad
    return spikes
