"""The equation of the regulariser, by autograd: the definition of correct."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import relu

from snn_zo.ops.spikes import Spikes
from snn_zo.regularizer import SpikeCount


def spike_count_penalty(x: Spikes, regularizer: SpikeCount) -> Tensor:
    """See `snn_zo.ops.spike_count_penalty.spike_count_penalty`."""
    count = x.count()
    above = relu(count.mean(1) - regularizer.at_most).mean()
    below = relu(regularizer.at_least - count).square().mean()
    return regularizer.upper * above + regularizer.lower * below
