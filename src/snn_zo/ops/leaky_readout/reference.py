"""The equations of the readout, dense and by autograd: the definition of correct."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import linear

from snn_zo.neuron import Readout
from snn_zo.ops.record import Record
from snn_zo.ops.spikes import Spikes


def leaky_readout(x: Spikes, weight: Tensor, bias: Tensor | None, readout: Readout, record: Record) -> Tensor:
    """See `snn_zo.ops.leaky_readout.leaky_readout`."""
    current = linear(x.to_dense().to(weight.dtype), weight, bias)
    o = torch.zeros_like(current[:, 0])
    outputs = []
    for current_t in current.unbind(1):
        o = readout.beta * o + (1 - readout.beta) * current_t
        outputs.append(o)
    over_time = torch.stack(outputs, 1)
    if readout.reduce == "max":
        return over_time.gather(1, over_time.argmax(1, keepdim=True)).squeeze(1)
    if readout.reduce == "sum":
        return over_time.sum(1)
    if readout.reduce == "mean":
        return over_time.mean(1)
    return over_time[:, -1]
