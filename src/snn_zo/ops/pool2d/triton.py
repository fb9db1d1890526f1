"""Pooling on a GPU, by torch's sorting: there is no kernel for it, and nothing waits for the device."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from snn_zo.ops.lists import Entries, activate, once, rows_of
from snn_zo.ops.pool2d import reference
from snn_zo.ops.pool2d.table import table
from snn_zo.ops.pooling import Pooling
from snn_zo.ops.spikes import EVERYWHERE, Spikes


def pool2d(x: Spikes, pooling: Pooling, channels_last: bool) -> Spikes:
    """See `snn_zo.ops.pool2d.pool2d`."""
    b, t, _ = x.shape
    cells, first = _on_device(pooling, x.channels_last, channels_last, x.handle.device)
    width = len(first)
    total, largest = b * t * width, pooling.kind == "max"
    events = Entries.of(x.events)
    image = events.moved(cells[events.neuron], width, total)
    seen, count = _occurrences(events, x.shape[2])
    listed = _as_often_as_the_largest(image, seen, total) if largest else image.flatten()
    spikes = Spikes.from_events(
        (b, t, width), rows_of(listed, b * t, width), x.handle.dtype, pooling.out_shape, channels_last
    )
    if not torch.is_grad_enabled():
        return spikes
    if x.active is EVERYWHERE:
        pooled = reference.pooled(x.to_dense().flatten(0, 1), pooling)
        spikes.active, spikes.handle = EVERYWHERE, (pooled.permute(0, 2, 3, 1) if channels_last else pooled).flatten()
        spikes.g = torch.ones_like(spikes.handle.detach())
        return spikes
    active = Entries.of(x.active)
    own = active.moved(cells[active.neuron], width, total)
    if largest:
        found, winner = _winners(torch.where(seen.unsqueeze(1) == 0, image, total), count, events.neuron)
        # one place more, for cells behind the last one that has a spike
        at = torch.searchsorted(found, own)
        found, winner = (torch.nn.functional.pad(each, (0, 1), value=-1) for each in (found, winner))
        chosen = torch.where(found[at] == own, winner[at], first[own % width])
        own = torch.where(chosen == active.neuron.unsqueeze(1), own, total)
    return activate(spikes, once(own.flatten(), total), [(x.handle, own, None)])


@lru_cache(maxsize=64)
def _on_device(pooling: Pooling, last_in: bool, last_out: bool, device: torch.device) -> tuple[Tensor, Tensor]:
    """The table, brought there once."""
    cells, first = table(pooling, last_in, last_out)
    return torch.from_numpy(cells).long().to(device), torch.from_numpy(first).long().to(device)


def _occurrences(events: Entries, width: int) -> tuple[Tensor, Tensor]:
    """[K] events of the same element in front of each one, and [K] in all."""
    flat = events.row * width + events.neuron
    before = torch.searchsorted(flat, flat)
    return torch.arange(len(flat), device=flat.device) - before, torch.searchsorted(flat, flat, right=True) - before


def _as_often_as_the_largest(image: Tensor, seen: Tensor, total: int) -> Tensor:
    """Images of which each cell has as many as its largest element: one for each first, second, ... event."""
    times = len(seen) + 1
    pairs = once(
        (image * times + seen.unsqueeze(1)).masked_fill(image == total, total * times).flatten(), total * times
    )
    return torch.div(pairs, times, rounding_mode="floor")


def _winners(image: Tensor, count: Tensor, neuron: Tensor) -> tuple[Tensor, Tensor]:
    """Ascending cells, several times, and the neurons that are the largest of them where they stand first."""
    cell, most = image.flatten(), image.shape[1]
    by_count = count.repeat_interleave(most).sort(descending=True, stable=True).indices
    ordered = cell[by_count].sort(stable=True)
    return ordered.values, neuron.repeat_interleave(most)[by_count[ordered.indices]]
