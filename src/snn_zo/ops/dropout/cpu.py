"""Dropout of events and of active elements, with one random word for each neuron of a sample."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch

from snn_zo.ops.cpu.parts import Parts, link_rows
from snn_zo.ops.cpu.philox import first_word
from snn_zo.ops.cpu.rows import RowArrays
from snn_zo.ops.cpu.threads import over_ranges, width_for
from snn_zo.ops.derived import active_rows, passed_on
from snn_zo.ops.kept import WORDS
from snn_zo.ops.spikes import EVERYWHERE, Spikes
from snn_zo.strategies import Draw


def dropout(x: Spikes, p: float, draw: Draw) -> Spikes:
    """See `snn_zo.ops.dropout.dropout`."""
    b, t, n = x.shape
    stays = _mask(b, n, p, draw)
    events = RowArrays.of(x.events)
    spikes = Spikes.from_events(
        x.shape, _chosen(events, stays, t)[0].tensors(), x.handle.dtype, x.features, x.channels_last
    )
    if not torch.is_grad_enabled():
        return spikes
    if x.active is EVERYWHERE:
        mask = torch.from_numpy(stays).unsqueeze(1)
        spikes.active, spikes.handle = EVERYWHERE, (x.handle.view(b, t, n) * mask).flatten()
    else:
        active = RowArrays.of(active_rows(x))
        rows, link = _chosen(active, stays, t)
        link_rows(link, active.ptr, rows.ptr, t)
        spikes.active = rows.tensors()
        spikes.handle = passed_on(x.handle, torch.from_numpy(link), len(rows.col))
    spikes.g = torch.ones_like(spikes.handle.detach())
    return spikes


def _mask(samples: int, neurons: int, p: float, draw: Draw) -> Any:
    """[B, N] bool, the neurons that stay."""
    stays = np.empty((samples, neurons), np.bool_)
    sample = draw.sample.cpu().numpy().astype(np.uint64)
    key = np.array([draw.seed, draw.layer, int(draw.step)], np.uint64)
    over_ranges(lambda first, last: _draw(key, sample, p, first, last, stays), samples, width_for(samples, 1))
    return stays


def _chosen(rows: RowArrays, stays: Any, steps: int) -> tuple[RowArrays, Any]:
    """The entries of neurons that stay, and which of its sample's each entry has become."""
    made = Parts.of(rows.ptr[::steps].copy(), len(rows.ptr) - 1)
    link = np.empty(len(rows.col), np.int64)

    def run(first: int, last: int) -> None:
        _choose(rows.ptr, rows.col, stays, steps, first, last, made.start, made.length, made.col, link)

    over_ranges(run, len(stays), width_for(len(stays), 1))
    return made.rows(), link


@numba.njit(nogil=True, cache=True)
def _draw(key: Any, sample: Any, p: float, first: int, last: int, stays: Any) -> None:
    seed, layer, step = key
    for b in range(first, last):
        own, number = stays[b], sample[b]
        for n in range(len(own)):
            word = first_word(np.uint64(n), number, step, seed, layer)
            own[n] = (WORDS - word) / WORDS > p


@numba.njit(nogil=True, cache=True)
def _choose(
    ptr: Any, col: Any, stays: Any, steps: int, first: int, last: int, start: Any, length: Any, out: Any, link: Any
) -> None:
    for b in range(first, last):
        own, at = stays[b], start[b]
        for row in range(b * steps, (b + 1) * steps):
            begin = at
            for e in range(ptr[row], ptr[row + 1]):
                stay = own[col[e]]
                link[e] = at - start[b] if stay else -1
                if stay:
                    out[at] = col[e]
                    at += 1
            length[row + 1] = at - begin
