"""From what a scan kept of u to the active set."""

from __future__ import annotations

from typing import Any, cast

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from snn_zo.ops.active_set import ActiveSet
from snn_zo.ops.cpu.scan import CpuLook, Scanned
from snn_zo.ops.cpu.threads import over_ranges
from snn_zo.ops.cpu.weighing import numbers, weigh, weighing
from snn_zo.ops.kept import DRAWN, EVERYTHING, REACH_MARGIN, WINDOW, WORDS
from snn_zo.ops.spikes import EVERYWHERE, Rows
from snn_zo.strategies import Deterministic, Draw, Strategy, ZerothOrder
from snn_zo.strategies.draw import pool

SPARSE = 0.25
"""Share of active elements up to which index lists are shorter and faster than dense tensors."""

PIECE = 2**15
"""Elements that an elementwise formula is evaluated at in one go."""


def look_for(strategy: Strategy, draw: Draw | None) -> CpuLook:
    """What a scan has to keep for a strategy."""
    reach = strategy.reach * REACH_MARGIN
    if strategy.lookup == "drawn":
        assert draw is not None
        near, activity, _ = cast("ZerothOrder", strategy).bounds
        sample = draw.sample.cpu().numpy().astype(np.int64, copy=False)
        look = CpuLook(DRAWN, reach, near, activity.most.numpy(), (draw.seed, draw.layer), int(draw.step), sample)
        size = cast("ZerothOrder", strategy).pool
        if size == 0:
            return look
        words, offset = pool(draw.seed, draw.layer, size), draw.offset(0, 1).squeeze(1)
        return look._replace(pool=words.numpy().astype(np.uint32), offset=offset.cpu().numpy())
    return CpuLook(WINDOW, reach) if strategy.lookup == "window" else CpuLook(EVERYTHING)


def active_set(
    scanned: Scanned, look: CpuLook, strategy: Strategy, draw: Draw | None, shape: tuple[int, int, int]
) -> ActiveSet:
    """The elements of a scan with g != 0, as the strategy itself says."""
    b, t, n = shape
    u, element = torch.from_numpy(scanned.u), scanned.element
    if look.kind == EVERYTHING:
        if isinstance(strategy, Deterministic) and strategy.elementwise:
            g = _expected(strategy, u)
        else:
            g = strategy.gradient(u.view(b, t, n), draw).flatten()
        if int(g.count_nonzero()) > SPARSE * len(g):
            return ActiveSet(EVERYWHERE, g, u)
        active = g.nonzero().squeeze(1)
        element, u, g = active.numpy(), u[active], g[active]
    elif look.kind == DRAWN:
        assert draw is not None
        g = _drawn(cast("ZerothOrder", strategy), scanned, t * n, draw)
    else:
        g = strategy.expected(u)
    return _where_not_0(element, g.contiguous(), u, b * t, n)


def _expected(strategy: Strategy, u: Tensor) -> Tensor:
    """g(u) in pieces that the temporaries of an elementwise formula fit into the cache with."""
    g = torch.empty_like(u)

    def run(first: int, last: int) -> None:
        with torch.no_grad():
            g[first:last] = strategy.expected(u[first:last])

    over_ranges(run, len(u), PIECE)
    return g


def _drawn(strategy: ZerothOrder, scanned: Scanned, size: int, draw: Draw) -> Tensor:
    """[K] g at the elements that a scan has kept, 0 where they are not active; a sample has `size` elements."""
    u, word, element, rule = scanned.u, scanned.word, scanned.element, weighing(strategy)
    if rule is None:
        return _decided(strategy, scanned, size, draw)
    source = numbers(strategy, draw, size)
    g, doubt = np.empty_like(u), np.empty(len(u), np.uint8)

    def run(first: int, last: int) -> None:
        here = slice(first, last)
        weigh(u[here], word[here], element[here], rule, source, g[here], doubt[here])

    over_ranges(run, len(u), PIECE)
    left = np.flatnonzero(doubt)
    g_left, exactly = g[left], rule.exactly(strategy, torch.from_numpy(u[left]))
    weigh(u[left], word[left], element[left], exactly, source, g_left, doubt)
    g[left] = g_left
    return torch.from_numpy(g)


def _decided(strategy: ZerothOrder, scanned: Scanned, size: int, draw: Draw) -> Tensor:
    """`_drawn` by the strategy itself, in such pieces."""
    u, element = torch.from_numpy(scanned.u), torch.from_numpy(scanned.element)
    g = torch.zeros_like(u)

    def run(first: int, last: int) -> None:
        v = (WORDS - torch.from_numpy(scanned.word[first:last].astype(np.float64))) / WORDS
        with torch.no_grad():
            active, values = strategy.active_among(u[first:last], v, element[first:last], size, draw)
        g[first + active] = values

    over_ranges(run, len(u), PIECE)
    return g


def _where_not_0(element: NDArray[np.int64], g: Tensor, u: Tensor, rows: int, width: int) -> ActiveSet:
    """The active set of those of K elements where g is not 0."""
    ptr, col = np.empty(rows + 1, np.int64), np.empty(len(element), np.int32)
    to_g, to_u = np.empty_like(g.numpy()), np.empty_like(u.numpy())
    size = _pack(element, g.numpy(), u.numpy(), width, ptr, col, to_g, to_u)
    col, to_g, to_u = (part if size == len(part) else part[:size].copy() for part in (col, to_g, to_u))
    return ActiveSet(Rows(torch.from_numpy(ptr), torch.from_numpy(col)), torch.from_numpy(to_g), torch.from_numpy(to_u))


@numba.njit(nogil=True, cache=True)
def _pack(element: Any, g: Any, u: Any, width: int, ptr: Any, col: Any, to_g: Any, to_u: Any) -> int:
    """Rows of the elements where g is not 0, and g and u there; how many there are."""
    k, size = 0, 0
    for row in range(len(ptr) - 1):
        ptr[row] = size
        end = (row + 1) * width
        while k < len(element) and element[k] < end:
            # the next one is written over it where g is 0
            col[size], to_g[size], to_u[size] = element[k] - row * width, g[k], u[k]
            size += g[k] != 0
            k += 1
    ptr[-1] = size
    return size
