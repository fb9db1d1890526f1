"""The equations of the readout, dense and by autograd: the definition of correct."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import linear

from snn_zo.neuron import Readout
from snn_zo.ops.leaky_readout.reduction import reduced
from snn_zo.ops.record import Record
from snn_zo.ops.spikes import Spikes


def leaky_readout(
    x: Spikes, weight: Tensor, bias: Tensor | None, readout: Readout, record: Record, every_step: bool = False
) -> Tensor:
    """See `snn_zo.ops.leaky_readout.leaky_readout`."""
    current = linear(x.to_dense().to(weight.dtype), weight, bias)
    o = torch.zeros_like(current[:, 0])
    outputs = []
    for current_t in current.unbind(1):
        o = readout.beta * o + (1 - readout.beta) * current_t
        outputs.append(o)
    over_time = torch.stack(outputs, 1)
    return over_time if every_step else reduced(over_time, readout.reduce)
