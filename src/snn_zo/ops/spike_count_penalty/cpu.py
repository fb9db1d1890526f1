"""The regulariser from event counts; its gradient is read off at the active elements."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

from snn_zo.ops.cpu.threads import over_ranges, width_for
from snn_zo.ops.first_order import apply_first_order, first_order
from snn_zo.ops.spikes import EVERYWHERE, Spikes
from snn_zo.regularizer import SpikeCount


def spike_count_penalty(x: Spikes, regularizer: SpikeCount) -> Tensor:
    """See `snn_zo.ops.spike_count_penalty.spike_count_penalty`."""
    return apply_first_order(_Penalty, x.handle, x, regularizer)


class _Penalty(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, handle: Tensor, x: Spikes, regularizer: SpikeCount) -> Tensor:
        b, t, n = x.shape
        count = np.zeros((b, n), torch.empty(0, dtype=handle.dtype).numpy().dtype)
        ptr, col = x.events.ptr.numpy(), x.events.col.numpy()
        over_ranges(lambda first, last: _count(ptr, col, t, first, last, count), b, width_for(b, 1))
        above = np.maximum(count.mean(1) - regularizer.at_most, 0)
        below = np.maximum(regularizer.at_least - count, 0)
        # d penalty / d count, [B, N]
        slope = -2 * regularizer.lower / (b * n) * below
        slope += (regularizer.upper / (b * n) * (above > 0))[:, None]
        ctx.x, ctx.slope = x, slope.astype(count.dtype, copy=False)
        penalty = regularizer.upper * above.mean() + regularizer.lower * np.square(below).mean()
        return torch.tensor(penalty, dtype=handle.dtype)

    @staticmethod
    @first_order
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        b, t, _ = ctx.x.shape
        slope = float(grad) * ctx.slope
        if ctx.x.active is EVERYWHERE:
            return torch.from_numpy(np.repeat(slope[:, None], t, 1).reshape(-1)), None, None
        ptr, col = ctx.x.active.ptr.numpy(), ctx.x.active.col.numpy()
        at_active = np.empty(len(col), slope.dtype)
        over_ranges(lambda first, last: _read(ptr, col, slope, t, first, last, at_active), b, width_for(b, 1))
        return torch.from_numpy(at_active), None, None


@numba.njit(nogil=True, cache=True)
def _count(ptr: Any, col: Any, steps: int, first: int, last: int, count: Any) -> None:
    for b in range(first, last):
        own = count[b]
        for e in range(ptr[b * steps], ptr[(b + 1) * steps]):
            own[col[e]] += 1


@numba.njit(nogil=True, cache=True)
def _read(ptr: Any, col: Any, slope: Any, steps: int, first: int, last: int, at_active: Any) -> None:
    for b in range(first, last):
        own = slope[b]
        for k in range(ptr[b * steps], ptr[(b + 1) * steps]):
            at_active[k] = own[col[k]]
