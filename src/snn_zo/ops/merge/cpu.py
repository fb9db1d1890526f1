"""Merging of lists: a map of bits puts the elements of both in order."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import torch

from snn_zo.ops.cpu.parts import Parts, drain, link_rows, mark, words_of
from snn_zo.ops.cpu.rows import RowArrays
from snn_zo.ops.cpu.threads import over_ranges, width_for
from snn_zo.ops.derived import active_rows, passed_on
from snn_zo.ops.merge import reference
from snn_zo.ops.merge.numbers import numbers_in
from snn_zo.ops.spikes import EVERYWHERE, Spikes

ADD, AND, IAND = range(3)
MODES = {"add": ADD, "cat": ADD, "and": AND, "iand": IAND}
"""Behind one another, lists are added up whose elements have other numbers."""


def merge(a: Spikes, b: Spikes, how: str, features: tuple[int, ...]) -> Spikes:
    """See `snn_zo.ops.merge.merge`."""
    wants_gradient = torch.is_grad_enabled()
    if wants_gradient and EVERYWHERE in (a.active, b.active):
        return reference.merge(a, b, how, features)
    (samples, steps, _), n = a.shape, math.prod(features)
    numbers = numbers_in(a, how, features, 0), numbers_in(b, how, features, a.features[0] if how == "cat" else 0)
    (events_a, active_a), (events_b, active_b) = (
        (RowArrays.of(each.events), RowArrays.of(active_rows(each))) for each in (a, b)
    )
    links = [np.empty(len(each.col), np.int64) for each in (active_a, active_b)]
    factors = [np.empty(len(each), np.int32) for each in links]
    room = (events_a.ptr + events_b.ptr)[::steps]
    made_active = Parts.of((active_a.ptr + active_b.ptr)[::steps], samples * steps)

    def run(made: Parts, fill: bool) -> None:
        def part(first: int, last: int) -> None:
            _merge(
                events_a.ptr, events_a.col, events_b.ptr, events_b.col, active_a.ptr, active_a.col, active_b.ptr,
                active_b.col, numbers[0], numbers[1], n, MODES[how], steps, first, last, fill, made.start, made.length,
                made.col, made_active.start, made_active.length, made_active.col, links[0], links[1], factors[0],
                factors[1],
            )  # fmt: skip

        over_ranges(part, samples, width_for(samples, 1))

    if how == "and":
        # a product of counts may be more than both together
        counted = Parts.of(room, samples * steps)
        run(counted, fill=False)
        room = np.cumsum(counted.length)[::steps]
    made = Parts.of(room, samples * steps)
    run(made, fill=True)
    shape = (samples, steps, n)
    spikes = Spikes.from_events(shape, made.rows().tensors(), a.handle.dtype, features, a.channels_last)
    if wants_gradient:
        rows = made_active.rows()
        for link, active in zip(links, (active_a, active_b), strict=True):
            link_rows(link, active.ptr, rows.ptr, steps)
        spikes.active = rows.tensors()
        one, other = (
            passed_on(each.handle, torch.from_numpy(link), len(rows.col), torch.from_numpy(factor))
            for each, link, factor in zip((a, b), links, factors, strict=True)
        )
        spikes.handle = one + other
        spikes.g = torch.ones_like(spikes.handle.detach())
    return spikes


@numba.njit(nogil=True, cache=True)
def _merge(
    ptr_a: Any, col_a: Any, ptr_b: Any, col_b: Any, active_ptr_a: Any, active_a: Any, active_ptr_b: Any, active_b: Any,
    number_a: Any, number_b: Any, neurons: int, mode: int, steps: int, first: int, last: int, fill: bool, start: Any,
    length: Any, out: Any, active_start: Any, active_length: Any, active_out: Any, link_a: Any, link_b: Any,
    factor_a: Any, factor_b: Any,
) -> None:  # fmt: skip
    count_a, count_b, place = np.zeros(neurons, np.int32), np.zeros(neurons, np.int32), np.empty(neurons, np.int32)
    bits = np.zeros(words_of(neurons), np.uint64)
    marked, listed = np.zeros(words_of(len(bits)), np.uint64), np.empty(neurons, np.int32)
    for b in range(first, last):
        at, active_at = start[b], active_start[b]
        for row in range(b * steps, (b + 1) * steps):
            for e in range(ptr_a[row], ptr_a[row + 1]):
                n = number_a[col_a[e]]
                count_a[n] += 1
                mark(bits, marked, n)
            for e in range(ptr_b[row], ptr_b[row + 1]):
                n = number_b[col_b[e]]
                count_b[n] += 1
                mark(bits, marked, n)
            found, begin = drain(bits, marked, listed), at
            for i in range(found):
                n = listed[i]
                times = count_a[n] + count_b[n]
                if mode == AND:
                    times = count_a[n] * count_b[n]
                elif mode == IAND:
                    times = count_b[n] if count_a[n] == 0 else 0
                if fill:
                    for _ in range(times):
                        out[at] = n
                        at += 1
                else:
                    at += times
            length[row + 1] = at - begin
            if fill:
                for k in range(active_ptr_a[row], active_ptr_a[row + 1]):
                    n, by = number_a[active_a[k]], 1
                    if mode == AND:
                        by = count_b[n]
                    elif mode == IAND:
                        by = -count_b[n] if count_a[n] <= 1 else 0
                    factor_a[k], link_a[k] = by, n if by != 0 else -1
                    if by != 0:
                        mark(bits, marked, n)
                for k in range(active_ptr_b[row], active_ptr_b[row + 1]):
                    n, by = number_b[active_b[k]], 1
                    if mode == AND:
                        by = count_a[n]
                    elif mode == IAND:
                        by = 1 if count_a[n] == 0 else 0
                    factor_b[k], link_b[k] = by, n if by != 0 else -1
                    if by != 0:
                        mark(bits, marked, n)
            for i in range(found):
                count_a[listed[i]] = count_b[listed[i]] = 0
            if not fill or active_ptr_a[row] + active_ptr_b[row] == active_ptr_a[row + 1] + active_ptr_b[row + 1]:
                continue
            found = drain(bits, marked, listed)
            for i in range(found):
                active_out[active_at] = listed[i]
                place[listed[i]] = active_at - active_start[b]
                active_at += 1
            active_length[row + 1] = found
            for k in range(active_ptr_a[row], active_ptr_a[row + 1]):
                if link_a[k] >= 0:
                    link_a[k] = place[link_a[k]]
            for k in range(active_ptr_b[row], active_ptr_b[row + 1]):
                if link_b[k] >= 0:
                    link_b[k] = place[link_b[k]]
