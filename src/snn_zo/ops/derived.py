"""Spikes that an operation makes of others without neurons in between."""

from __future__ import annotations

import torch
from torch import Tensor

from snn_zo.ops.spikes import EVERYWHERE, Rows, Spikes


def active_rows(x: Spikes) -> Rows:
    """The list of active elements that gradients may come back to: an empty one where gradients are disabled.

    Raises:
        ValueError: gradients are wanted, and there is no list, as EVERYWHERE stands in its place.
    """
    if not torch.is_grad_enabled():
        return Rows.empty(x.shape[0] * x.shape[1], x.handle.device)
    if x.active is EVERYWHERE:
        raise ValueError("where all elements are active, nobody lists them")
    return x.active


def active_mask(x: Spikes) -> Tensor | None:
    """[B, T, *features] bool, the active elements; None for EVERYWHERE."""
    if x.active is EVERYWHERE:
        return None
    listed = Spikes.from_events(x.shape, x.active, features=x.features, channels_last=x.channels_last)
    return listed.to_dense() > 0


def spikes_of(counts: Tensor, active: Tensor | None, channels_last: bool) -> Spikes:
    """Spikes from a dense tensor of counts.

    Args:
        counts: [B, T, *features] floating point, non-negative integers, with autograd's graph.
        active: bool of the same shape, the elements that a gradient passes through; None for EVERYWHERE. None are where
            gradients are disabled.
        channels_last: how the spikes are to be numbered.
    """
    (b, t), features = counts.shape[:2], tuple(counts.shape[2:])
    order = (0, 1, 3, 4, 2) if channels_last else tuple(range(counts.dim()))
    values = counts.permute(order).flatten()
    n = counts[0, 0].numel() if b else torch.Size(features).numel()
    found = values.detach().nonzero().squeeze(1)
    index = found.repeat_interleave(values.detach()[found].long())
    spikes = Spikes.from_events((b, t, n), Rows.from_flat(index, b * t, n), counts.dtype, features, channels_last)
    if not torch.is_grad_enabled():
        return spikes
    if active is None:
        spikes.active, spikes.handle = EVERYWHERE, values
    else:
        chosen = active.permute(order).flatten().nonzero().squeeze(1)
        spikes.active, spikes.handle = Rows.from_flat(chosen, b * t, n), values[chosen]
    spikes.g = torch.ones_like(spikes.handle.detach())
    return spikes


def passed_on(handle: Tensor, link: Tensor, size: int, factor: Tensor | None = None) -> Tensor:
    """[size] handle of derived spikes, whose gradients go back to where they came from.

    Args:
        handle: [K] of the spikes that they are derived from.
        link: [K] or [K, M] int64, the active elements of the result that each one is part of; -1 for none.
        size: number of active elements of the result.
        factor: of the shape of `link`, derivatives of the results; 1 where there is None.
    """
    spread = handle if link.dim() == 1 else handle.unsqueeze(1).expand(link.shape)
    if factor is not None:
        spread = spread * factor
    # a place of its own for what goes nowhere
    place = torch.where(link < 0, size, link).flatten()
    return handle.new_zeros(size + 1).index_add(0, place, spread.flatten())[:size]
