"""torch's pooling of dense counts."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import adaptive_max_pool2d, avg_pool2d, max_pool2d

from snn_zo.ops.derived import active_mask, spikes_of
from snn_zo.ops.pooling import AdaptivePooling, Pooling, WindowPooling
from snn_zo.ops.spikes import Spikes


def pool2d(x: Spikes, pooling: Pooling, channels_last: bool) -> Spikes:
    """See `snn_zo.ops.pool2d.pool2d`; `channels_last` is how the result is to be numbered."""
    counts, active = x.to_dense().flatten(0, 1), active_mask(x)
    flat = None if active is None else active.flatten(0, 1)
    if pooling.kind == "max":
        made, place = _largest(counts, pooling)
        chosen = None if flat is None else flat.flatten(2).gather(2, place.flatten(2)).view(place.shape)
    else:
        made = _sums(counts, pooling)
        chosen = None if flat is None else _sums(flat.to(counts.dtype), pooling) > 0
    unflat = (*x.shape[:2], *pooling.out_shape)
    return spikes_of(made.view(unflat), None if chosen is None else chosen.view(unflat), channels_last)


def pooled(counts: Tensor, pooling: Pooling) -> Tensor:
    """[B, C, H_out, W_out] of dense counts [B, C, H, W]."""
    return _largest(counts, pooling)[0] if pooling.kind == "max" else _sums(counts, pooling)


def _largest(counts: Tensor, pooling: Pooling) -> tuple[Tensor, Tensor]:
    """The largest of each cell, and the place in its map of the first one that is as large."""
    if isinstance(pooling, WindowPooling):
        return max_pool2d(counts, pooling.kernel, pooling.stride, pooling.padding, return_indices=True)
    assert isinstance(pooling, AdaptivePooling)
    return adaptive_max_pool2d(counts, pooling.size, return_indices=True)


def _sums(counts: Tensor, pooling: Pooling) -> Tensor:
    if isinstance(pooling, WindowPooling):
        return avg_pool2d(counts, pooling.kernel, pooling.stride, pooling.padding, divisor_override=1)
    rows, columns = pooling.cells
    by_row = torch.stack([counts[..., first:last, :].sum(-2) for first, last in rows], -2)
    return torch.stack([by_row[..., first:last].sum(-1) for first, last in columns], -1)
