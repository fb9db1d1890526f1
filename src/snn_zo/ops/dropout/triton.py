"""Dropout on a GPU, by torch's sorting: nothing waits for the device."""

from __future__ import annotations

import torch
from torch import Tensor

from snn_zo.ops.dropout.reference import kept
from snn_zo.ops.lists import Entries, activate, once, rows_of
from snn_zo.ops.spikes import EVERYWHERE, Rows, Spikes
from snn_zo.strategies import Draw


def dropout(x: Spikes, p: float, draw: Draw) -> Spikes:
    """See `snn_zo.ops.dropout.dropout`."""
    b, t, n = x.shape
    stays, total = kept(b, n, p, draw, x.handle.device), b * t * n

    def flat(rows: Rows) -> Tensor:
        entries = Entries.of(rows)
        sample = torch.div(entries.row, t, rounding_mode="floor").clamp(max=b - 1)
        return entries.moved(torch.where(stays[sample, entries.neuron], entries.neuron, -1), n, total)

    listed = rows_of(flat(x.events), b * t, n)
    spikes = Spikes.from_events(x.shape, listed, x.handle.dtype, x.features, x.channels_last)
    if not torch.is_grad_enabled():
        return spikes
    if x.active is EVERYWHERE:
        spikes.active, spikes.handle = EVERYWHERE, (x.handle.view(b, t, n) * stays.unsqueeze(1)).flatten()
        spikes.g = torch.ones_like(spikes.handle.detach())
        return spikes
    image = flat(x.active)
    return activate(spikes, once(image, total), [(x.handle, image, None)])
