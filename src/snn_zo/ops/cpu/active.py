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
        near, bound = cast("ZerothOrder", strategy).activity_bound
        sample = draw.sample.cpu().numpy().astype(np.int64, copy=False)
        look = CpuLook(DRAWN, reach, near, bound.numpy(), (draw.seed, draw.layer), int(draw.step), sample)
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
    u, element = torch.from_numpy(scanned.u), torch.from_numpy(scanned.element)
    if look.kind == EVERYTHING:
        if isinstance(strategy, Deterministic) and strategy.elementwise:
            g = _expected(strategy, u)
        else:
            g = strategy.gradient(u.view(b, t, n), draw).flatten()
        if int(g.count_nonzero()) > SPARSE * len(g):
            return ActiveSet(EVERYWHERE, g, u)
        active = element = g.nonzero().squeeze(1)
        g = g[active]
    elif look.kind == DRAWN:
        assert draw is not None
        active, g = _active_among(cast("ZerothOrder", strategy), u, scanned.word, element, t * n, draw)
        element = element[active]
    else:
        g = strategy.expected(u)
        active = g.nonzero().squeeze(1)
        element, g = element[active], g[active]
    return ActiveSet(_rows(element, b * t, n), g, u[active])


def _expected(strategy: Strategy, u: Tensor) -> Tensor:
    """g(u) in pieces that the temporaries of an elementwise formula fit into the cache with."""
    g = torch.empty_like(u)

    def run(first: int, last: int) -> None:
        with torch.no_grad():
            g[first:last] = strategy.expected(u[first:last])

    over_ranges(run, len(u), PIECE)
    return g


def _active_among(
    strategy: ZerothOrder, u: Tensor, word: NDArray[np.uint32], element: Tensor, size: int, draw: Draw
) -> tuple[Tensor, Tensor]:
    """`ZerothOrder.active_among` in such pieces."""

    def run(first: int, last: int) -> tuple[Tensor, Tensor]:
        v = (WORDS - torch.from_numpy(word[first:last].astype(np.float64))) / WORDS
        with torch.no_grad():
            active, g = strategy.active_among(u[first:last], v, element[first:last], size, draw)
        return active + first, g

    active, g = zip(*over_ranges(run, len(u), PIECE), strict=True)
    return torch.cat(active), torch.cat(g)


def _rows(element: Tensor, rows: int, width: int) -> Rows:
    """`Rows.from_flat` in one pass."""
    ptr, col = np.empty(rows + 1, np.int64), np.empty(len(element), np.int32)
    _pack(element.numpy(), width, ptr, col)
    return Rows(torch.from_numpy(ptr), torch.from_numpy(col))


@numba.njit(nogil=True, cache=True)
def _pack(element: Any, width: int, ptr: Any, col: Any) -> None:
    k, size = 0, len(element)
    for row in range(len(ptr) - 1):
        ptr[row] = k
        end = (row + 1) * width
        while k < size and element[k] < end:
            col[k] = element[k] - row * width
            k += 1
    ptr[-1] = size
