"""Every current, and torch's mean and variance of them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import linear

from snn_zo.ops.convolution import Convolution
from snn_zo.ops.spikes import Spikes
from snn_zo.ops.spiking_conv2d.reference import dense_current


def current_statistics(x: Spikes, weight: Tensor, convolution: Convolution | None) -> tuple[Tensor, Tensor]:
    """See `snn_zo.ops.current_statistics.current_statistics`."""
    if convolution is None:
        current = linear(x.to_dense().to(weight.dtype), weight)
    else:
        current = dense_current(x, weight, None, convolution)
    variance, mean = torch.var_mean(current.flatten(0, -2).to(weight.dtype), 0, correction=0)
    return mean, variance
