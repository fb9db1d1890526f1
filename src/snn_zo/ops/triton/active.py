"""What a scan has to keep of u, and from there to the active set."""

from __future__ import annotations

from functools import cache
from typing import cast

import torch
from torch import Tensor

from snn_zo.ops.active_set import ActiveSet
from snn_zo.ops.kept import DRAWN, EVERYTHING, REACH_MARGIN, WINDOW, WORDS
from snn_zo.ops.spikes import EVERYWHERE
from snn_zo.ops.triton.scan import FORMULAS, Scanned, TritonLook
from snn_zo.strategies import Draw, Strategy, Surrogate, ZerothOrder
from snn_zo.strategies.draw import pool


def look_for(strategy: Strategy, draw: Draw | None, device: torch.device) -> TritonLook:
    """What a scan has to keep for a strategy."""
    reach = strategy.reach * REACH_MARGIN
    if strategy.lookup == "drawn":
        assert draw is not None
        known = cast("ZerothOrder", strategy)
        near, limit = _limits(known, device)
        words = pool(draw.seed, draw.layer, known.pool, device) if known.pool else None
        return TritonLook(DRAWN, reach, near, limit, draw, words)
    if strategy.lookup == "window":
        return TritonLook(WINDOW, reach)
    if type(strategy) is Surrogate and strategy.function in FORMULAS:
        formula = FORMULAS.index(strategy.function)
        return TritonLook(EVERYTHING, formula=formula, slope=strategy.slope, amplitude=strategy.g.amplitude)
    return TritonLook(EVERYTHING)


def active_set(
    scanned: Scanned, look: TritonLook, strategy: Strategy, draw: Draw | None, shape: tuple[int, int, int]
) -> ActiveSet:
    """The elements of a scan that may be active, with g as the strategy itself says."""
    b, t, n = shape
    if look.kind == EVERYTHING:
        if look.formula >= 0:
            return ActiveSet(EVERYWHERE, scanned.g, scanned.u)
        g = strategy.gradient(scanned.u.view(b, t, n), draw).flatten()
        return ActiveSet(EVERYWHERE, g, scanned.u)
    if look.kind == DRAWN:
        assert draw is not None
        v = (WORDS - scanned.word.double()) / WORDS
        g = cast("ZerothOrder", strategy).estimate(scanned.u, v, scanned.element, t * n, draw)
    else:
        g = strategy.expected(scanned.u)
    assert scanned.kept is not None
    return ActiveSet(scanned.kept, g, scanned.u)


@cache
def _limits(strategy: ZerothOrder, device: torch.device) -> tuple[float, Tensor]:
    """Upper bounds of `ZerothOrder.bounds` in random words."""
    near, activity, _ = strategy.bounds
    return near, (WORDS * (1 - activity.most.clamp(max=1))).long().to(device)


def handle_of(active: ActiveSet, hard: bool) -> Tensor:
    """[K] what autograd carries: 1 at active elements that spiked where a hard reset has them counted, else zeros."""
    if hard and active.rows is not EVERYWHERE:
        return ((active.u > 0) & active.u.isfinite()).to(active.g.dtype)
    return active.g.new_zeros(()).expand(len(active.g))


def local_error(active: ActiveSet, grad: Tensor) -> Tensor:
    """[K] g times the gradient of the handle, contiguous; where g = 0 the gradient does not matter, nan included."""
    return torch.where(active.g != 0, active.g * grad, 0.0).to(active.g.dtype)
