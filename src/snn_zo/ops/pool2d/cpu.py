"""Pooling from events to events: a cell is looked up for each, and cells are sorted by a map of bits."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from numba.cpython.unsafe.numbers import trailing_zeros

from snn_zo.ops.cpu.rows import RowArrays
from snn_zo.ops.cpu.threads import over_ranges, width_for
from snn_zo.ops.derived import passed_on
from snn_zo.ops.pool2d import reference
from snn_zo.ops.pool2d.table import table
from snn_zo.ops.pooling import Pooling
from snn_zo.ops.spikes import EVERYWHERE, Rows, Spikes


def pool2d(x: Spikes, pooling: Pooling, channels_last: bool) -> Spikes:
    """See `snn_zo.ops.pool2d.pool2d`."""
    if x.active is EVERYWHERE and torch.is_grad_enabled():
        return reference.pool2d(x, pooling, channels_last)
    (b, t, _), cells = x.shape, table(pooling, x.channels_last, channels_last)
    wants_gradient = torch.is_grad_enabled() and x.active is not EVERYWHERE
    events = RowArrays.of(x.events)
    active = RowArrays.of(x.active if wants_gradient else Rows.empty(b * t))  # type: ignore[arg-type]
    most, rows = cells.cells.shape[1], b * t
    # lists with room for all; each sample fills its own part from the front
    found = [np.empty(len(each.col) * most, np.int32) for each in (events, active)]
    lengths = [np.zeros(rows + 1, np.int64) for _ in found]
    link = np.empty((len(active.col), most), np.int64)

    def run(first: int, last: int) -> None:
        _pool(
            events.ptr, events.col, active.ptr, active.col, cells.cells, cells.first, pooling.kind == "max", t, first,
            last, lengths[0], found[0], lengths[1], found[1], link,
        )  # fmt: skip

    over_ranges(run, b, width_for(b, 1))
    made = [
        _together(length, part, each.ptr, most, t)
        for length, part, each in zip(lengths, found, (events, active), strict=True)
    ]
    spikes = Spikes.from_events(
        (b, t, len(cells.first)), made[0].tensors(), x.handle.dtype, pooling.out_shape, channels_last
    )
    if wants_gradient:
        _globally(link, active.ptr, made[1].ptr, t)
        spikes.active = made[1].tensors()
        spikes.handle = passed_on(x.handle, torch.from_numpy(link), len(made[1].col))
        spikes.g = torch.ones_like(spikes.handle.detach())
    return spikes


def _together(length: Any, part: Any, ptr: Any, most: int, steps: int) -> RowArrays:
    """Rows from the filled fronts of the samples' parts, and the length of each row."""
    out = np.cumsum(length)
    if out[-1] == len(part):
        return RowArrays(out, part)
    col = np.empty(out[-1], np.int32)
    for first in range(0, len(out) - 1, steps):
        start, size = ptr[first] * most, out[first + steps] - out[first]
        col[out[first] : out[first + steps]] = part[start : start + size]
    return RowArrays(out, col)


def _globally(link: Any, ptr: Any, out: Any, steps: int) -> None:
    """Count links from the first element of all samples and not of their own."""
    for first in range(0, len(ptr) - 1, steps):
        own = link[ptr[first] : ptr[first + steps]]
        np.add(own, out[first], out=own, where=own >= 0)


@numba.njit(inline="always")
def _mark(bits: Any, marked: Any, cell: Any) -> None:
    word = cell >> 6
    bits[word] |= np.uint64(1) << np.uint64(cell & 63)
    marked[word >> 6] |= np.uint64(1) << np.uint64(word & 63)


@numba.njit(inline="always")
def _drain(bits: Any, marked: Any, cells: Any) -> Any:
    """Write the marked cells in ascending order, unmark them, and return how many there are."""
    found = 0
    for group in range(len(marked)):
        words = marked[group]
        marked[group] = 0
        while words != 0:
            word = (group << 6) + trailing_zeros(words)  # type: ignore[call-arg]
            words &= words - np.uint64(1)
            rest = bits[word]
            bits[word] = 0
            while rest != 0:
                cells[found] = (word << 6) + trailing_zeros(rest)
                found += 1
                rest &= rest - np.uint64(1)
    return found


@numba.njit(nogil=True, cache=True)
def _pool(
    ptr: Any, col: Any, active_ptr: Any, active_col: Any, table: Any, first_of: Any, largest: bool, steps: int,
    first: int, last: int, length: Any, out: Any, active_length: Any, active_out: Any, link: Any,
) -> None:  # fmt: skip
    cells, most = len(first_of), table.shape[1]
    count, place = np.zeros(cells, np.int32), np.empty(cells, np.int32)
    winner = np.empty(cells if largest else 0, np.int32)
    bits = np.zeros((cells + 63) // 64, np.uint64)
    marked = np.zeros((len(bits) + 63) // 64, np.uint64)
    listed = np.empty(cells, np.int32)
    for b in range(first, last):
        at, active_at = ptr[b * steps] * most, active_ptr[b * steps] * most
        active_start = active_at
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
                    _mark(bits, marked, cell)
            found, begin = _drain(bits, marked, listed), at
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
                        _mark(bits, marked, cell)
            for i in range(found):
                count[listed[i]] = 0
            if active_ptr[row] == active_ptr[row + 1]:
                continue
            found = _drain(bits, marked, listed)
            for i in range(found):
                active_out[active_at] = listed[i]
                place[listed[i]] = active_at - active_start
                active_at += 1
            active_length[row + 1] = found
            for k in range(active_ptr[row], active_ptr[row + 1]):
                for j in range(most):
                    if link[k, j] >= 0:
                        link[k, j] = place[link[k, j]]
