"""From what a scan kept of u to the active set."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from snn_zo.ops.cpu.scan import DRAWN, EVERYTHING, WINDOW, Look, Scanned
from snn_zo.ops.spikes import Rows
from snn_zo.strategies import Deterministic, Draw, Strategy, ZerothOrder

SPARSE = 0.25
"""Share of active elements up to which index lists are shorter and faster than dense tensors."""


class ActiveSet(NamedTuple):
    """Active elements of a layer.

    Attributes:
        rows: rows (b, t) of the active neurons; None for every element.
        g: [K] local derivative, [B * T * N] where every element is meant.
        u: [K] distance to threshold, likewise.
    """

    rows: Rows | None
    g: Tensor
    u: Tensor


def look_for(strategy: Strategy, draw: Draw | None) -> Look:
    """What a scan has to keep for a strategy."""
    # a little more than the reach: the strategy itself decides, after rounding
    reach = strategy.reach * (1 + 1e-6)
    if isinstance(strategy, ZerothOrder):
        assert draw is not None
        sample = draw.sample.cpu().numpy().astype(np.int64, copy=False)
        return Look(DRAWN, reach, strategy.activity_bound.numpy(), (draw.seed, draw.layer), draw.step, sample)
    if isinstance(strategy, Deterministic) and strategy.reach < float("inf"):
        return Look(WINDOW, reach)
    return Look(EVERYTHING)


def active_set(
    scanned: Scanned, look: Look, strategy: Strategy, draw: Draw | None, shape: tuple[int, int, int]
) -> ActiveSet:
    """The elements of a scan with g != 0, as the strategy itself says."""
    b, t, n = shape
    u, element = torch.from_numpy(scanned.u), torch.from_numpy(scanned.element)
    if look.kind == EVERYTHING:
        g = strategy.gradient(u.view(b, t, n), draw).flatten()
        if int(g.count_nonzero()) > SPARSE * len(g):
            return ActiveSet(None, g, u)
        active = element = g.nonzero().squeeze(1)
    elif isinstance(strategy, ZerothOrder):
        assert draw is not None
        v = (2.0**32 - torch.from_numpy(scanned.word.astype(np.float64))) * 2.0**-32
        g = strategy.gradient_at(u, v, element, t * n, draw)
        active = g.nonzero().squeeze(1)
        element = element[active]
    else:
        g = strategy.expected(u)
        active = g.nonzero().squeeze(1)
        element = element[active]
    return ActiveSet(Rows.from_flat(element, b * t, n), g[active], u[active])
