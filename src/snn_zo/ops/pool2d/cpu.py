"""Pooling from events to events: a cell is looked up for each, and cells are sorted by a map of bits."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch

from snn_zo.ops.cpu.parts import Parts, drain, link_rows, mark, words_of
from snn_zo.ops.cpu.rows import RowArrays
from snn_zo.ops.cpu.threads import over_ranges, width_for
from snn_zo.ops.derived import active_rows, passed_on
from snn_zo.ops.pool2d import reference
from snn_zo.ops.pool2d.table import table
from snn_zo.ops.pooling import Pooling
from snn_zo.ops.spikes import EVERYWHERE, Spikes


def pool2d(x: Spikes, pooling: Pooling, channels_last: bool) -> Spikes:
    """See `snn_zo.ops.pool2d.pool2d`."""
    wants_gradient = torch.is_grad_enabled()
    if wants_gradient and x.active is EVERYWHERE:
        return reference.pool2d(x, pooling, channels_last)
    (b, t, _), cells = x.shape, table(pooling, x.channels_last, channels_last)
    events, active = RowArrays.of(x.events), RowArrays.of(active_rows(x))
    most = cells.cells.shape[1]
    made, made_active = (Parts.of(each.ptr[::t] * most, b * t) for each in (events, active))
    link = np.empty((len(active.col), most), np.int64)

    def run(first: int, last: int) -> None:
        _pool(
            events.ptr, events.col, active.ptr, active.col, cells.cells, cells.first, pooling.kind == "max", t, first,
            last, made.start, made.length, made.col, made_active.start, made_active.length, made_active.col, link,
        )  # fmt: skip

    over_ranges(run, b, width_for(b, 1))
    spikes = Spikes.from_events(
        (b, t, len(cells.first)), made.rows().tensors(), x.handle.dtype, pooling.out_shape, channels_last
    )
    if wants_gradient:
        rows = made_active.rows()
        link_rows(link, active.ptr, rows.ptr, t)
        spikes.active = rows.tensors()
        spikes.handle = passed_on(x.handle, torch.from_numpy(link), len(rows.col))
        spikes.g = torch.ones_like(spikes.handle.detach())
    return spikes


@numba.njit(nogil=True, cache=True)
def _pool(
    ptr: Any, col: Any, active_ptr: Any, active_col: Any, table: Any, first_of: Any, largest: bool, steps: int,
    first: int, last: int, start: Any, length: Any, out: Any, active_start: Any, active_length: Any, active_out: Any,
    link: Any,
) -> None:  # fmt: skip
    cells, most = len(first_of), table.shape[1]
    count, place = np.zeros(cells, np.int32), np.empty(cells, np.int32)
    winner = np.empty(cells if largest else 0, np.int32)
    bits = np.zeros(words_of(cells), np.uint64)
    marked, listed = np.zeros(words_of(len(bits)), np.uint64), np.empty(cells, np.int32)
    for b in range(first, last):
        at, active_at = start[b], active_start[b]
        for row in range(b * steps, (b + 1) * steps):
            e, end = ptr[row], ptr[row + 1]
            while e < end:
                n, begin = col[e], e
                while e < end and col[e] == n:
                    e += 1
                for j in range(most):
                    cell = table[n, j]
                    if cell < 0:
                        continue
                    if not largest:
                        count[cell] += e - begin
                    elif e - begin > count[cell]:
                        count[cell], winner[cell] = e - begin, n
                    mark(bits, marked, cell)
            found, begin = drain(bits, marked, listed), at
            for i in range(found):
                cell = listed[i]
                for _ in range(count[cell]):
                    out[at] = cell
                    at += 1
            length[row + 1] = at - begin
            for k in range(active_ptr[row], active_ptr[row + 1]):
                n = active_col[k]
                for j in range(most):
                    cell = table[n, j]
                    if largest and cell >= 0 and n != (winner[cell] if count[cell] > 0 else first_of[cell]):
                        cell = -1
                    link[k, j] = cell
                    if cell >= 0:
                        mark(bits, marked, cell)
            for i in range(found):
                count[listed[i]] = 0
            if active_ptr[row] == active_ptr[row + 1]:
                continue
            found = drain(bits, marked, listed)
            for i in range(found):
                active_out[active_at] = listed[i]
                place[listed[i]] = active_at - active_start[b]
                active_at += 1
            active_length[row + 1] = found
            for k in range(active_ptr[row], active_ptr[row + 1]):
                for j in range(most):
                    if link[k, j] >= 0:
                        link[k, j] = place[link[k, j]]
