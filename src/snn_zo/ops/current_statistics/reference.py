"""Every current, and torch's mean and variance of them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import linear

from snn_zo.ops.analogue import Input
from snn_zo.ops.convolution import Convolution, convolved
from snn_zo.ops.spikes import Spikes


def current_statistics(x: Input, weight: Tensor, convolution: Convolution | None) -> tuple[Tensor, Tensor]:
    """See `snn_zo.ops.current_statistics.current_statistics`."""
    values = (x.to_dense() if isinstance(x, Spikes) else x.values).to(weight.dtype)
    current = linear(values.flatten(2), weight) if convolution is None else convolved(values, weight, None, convolution)
    variance, mean = torch.var_mean(current.flatten(0, -2).to(weight.dtype), 0, correction=0)
    return mean, variance
