"""A mask times dense counts."""

from __future__ import annotations

import torch
from torch import Tensor

from snn_zo.ops.derived import active_mask, spikes_of
from snn_zo.ops.spikes import Spikes
from snn_zo.strategies import Draw


def dropout(x: Spikes, p: float, draw: Draw) -> Spikes:
    """See `snn_zo.ops.dropout.dropout`."""
    (b, _, n), active = x.shape, active_mask(x)
    stays = kept(b, n, p, draw, x.handle.device)
    if x.channels_last:
        channels, height, width = x.features
        mask = stays.view(b, 1, height, width, channels).permute(0, 1, 4, 2, 3)
    else:
        mask = stays.view(b, 1, *x.features)
    return spikes_of(x.to_dense() * mask, None if active is None else active & mask, x.channels_last)


def kept(samples: int, neurons: int, p: float, draw: Draw, device: torch.device) -> Tensor:
    """[B, N] bool, the neurons that stay."""
    element = torch.arange(samples * neurons, device=device)
    return draw.uniform(element, neurons, 0, 1).view(samples, neurons) > p
