"""The readout from events: C additions a spike, C multiply-adds an active element."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

from snn_zo.neuron import REDUCTIONS, Readout
from snn_zo.ops.cpu.gradients import column_sums
from snn_zo.ops.cpu.threads import over_ranges, width_for
from snn_zo.ops.first_order import apply_first_order, first_order
from snn_zo.ops.record import Record
from snn_zo.ops.spikes import EVERYWHERE, Spikes

MAX, LAST = REDUCTIONS.index("max"), REDUCTIONS.index("last")
EVERY = len(REDUCTIONS)
"""In the place of a reduction: the values of every step."""
PIECE = 16
"""Samples whose weight gradients are summed in one go; fixed, as the order of a sum is part of its result."""


def leaky_readout(
    x: Spikes, weight: Tensor, bias: Tensor | None, readout: Readout, record: Record, every_step: bool = False
) -> Tensor:
    """See `snn_zo.ops.leaky_readout.leaky_readout`."""
    record.forward, record.weight_gradient = "events", "adjoint"
    record.input_gradient = ("dense" if x.active is EVERYWHERE else "gather") if record.to_input else None
    mode = EVERY if every_step else REDUCTIONS.index(readout.reduce)
    return apply_first_order(_LeakyReadout, x.handle, weight, bias, x, readout, mode)


class _LeakyReadout(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, handle: Tensor, weight: Tensor, bias: Tensor | None, x: Spikes, readout: Readout, mode: int
    ) -> Tensor:
        (b, t, _), classes = x.shape, len(weight)
        rows = weight.detach().T.contiguous().numpy()
        values = np.empty((b * t if mode == EVERY else b, classes), rows.dtype)
        peak = np.zeros((b, classes), np.int32)
        offset = np.zeros(classes, rows.dtype) if bias is None else bias.detach().numpy()
        settings = _settings(readout, t, rows.dtype, mode)
        ptr, col = x.events.ptr.numpy(), x.events.col.numpy()
        over_ranges(
            lambda b0, b1: _forward(ptr, col, rows, offset, settings, mode, t, b0, b1, values, peak), b, width_for(b, 1)
        )
        ctx.save_for_backward(weight)
        ctx.x, ctx.readout, ctx.mode, ctx.peak = x, readout, mode, peak if mode == MAX else None
        return torch.from_numpy(values.reshape(b, t, classes) if mode == EVERY else values)

    @staticmethod
    @first_order
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None, None]:
        (weight,) = ctx.saved_tensors
        x, readout, mode, wanted = ctx.x, ctx.readout, ctx.mode, ctx.needs_input_grad
        (b, t, n), classes = x.shape, len(weight)
        rows, incoming = weight.T.contiguous().numpy(), grad.reshape(-1, classes).contiguous().numpy()
        settings = _settings(readout, t, rows.dtype, mode)
        everywhere = wanted[0] and x.active is EVERYWHERE
        # [B, T, C] only where every element is active, [B, C, N] sums in pieces otherwise
        adjoint = np.empty((b * t if everywhere else 0, classes), rows.dtype)
        sparse = wanted[0] and x.active is not EVERYWHERE
        active = (
            (x.active.ptr.numpy(), x.active.col.numpy()) if sparse else (np.zeros(0, np.int64), np.zeros(0, np.int32))
        )
        grad_x = np.empty(len(active[1]), rows.dtype)
        pieces = max(-(-b // PIECE), 1)  # one, of zeros, for an empty batch
        parts = np.zeros((pieces, n, classes), rows.dtype)
        biases = np.zeros((pieces, classes), rows.dtype)
        peak = ctx.peak if ctx.peak is not None else np.zeros((0, classes), np.int32)
        ptr, col = x.events.ptr.numpy(), x.events.col.numpy()

        def run(first: int, last: int) -> None:
            part = first // PIECE
            _backward(
                ptr, col, active[0], active[1], rows, incoming, peak, settings, mode, t, first, last, adjoint, grad_x,
                parts[part], biases[part],
            )  # fmt: skip

        over_ranges(run, b, PIECE)
        grad_handle = None
        if everywhere:
            grad_handle = (torch.from_numpy(adjoint) @ weight).flatten().to(x.handle.dtype)
        elif sparse:
            grad_handle = torch.from_numpy(grad_x).to(x.handle.dtype)
        grad_weight = torch.from_numpy(column_sums(parts.reshape(len(parts), -1)).reshape(n, classes).T)
        return grad_handle, grad_weight, torch.from_numpy(column_sums(biases)) if wanted[2] else None, None, None, None


def _settings(readout: Readout, steps: int, dtype: Any, mode: int) -> Any:
    """Leak, 1 - leak, and the share of each step in the result."""
    share = 1 / steps if mode == REDUCTIONS.index("mean") else 1.0
    return np.array([readout.beta, 1 - readout.beta, share], dtype)


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _forward(
    ptr: Any, col: Any, weight: Any, bias: Any, settings: Any, mode: int, steps: int, first: int, last: int,
    values: Any, peak: Any,
) -> None:  # fmt: skip
    classes = weight.shape[1]
    beta, gain, share = settings
    current, o, total = np.empty_like(bias), np.empty_like(bias), np.empty_like(bias)
    for b in range(first, last):
        o[:] = 0
        total[:] = -np.inf if mode == MAX else 0
        for t in range(steps):
            current[:] = bias
            row = b * steps + t
            for e in range(ptr[row], ptr[row + 1]):
                source = weight[col[e]]
                for c in range(classes):
                    current[c] += source[c]
            for c in range(classes):
                o[c] = beta * o[c] + gain * current[c]
            if mode == MAX:
                for c in range(classes):
                    # the first of equal maxima, and the first nan before all numbers
                    if total[c] == total[c] and not o[c] <= total[c]:
                        total[c], peak[b, c] = o[c], t
            elif mode == EVERY:
                values[row] = o
            elif mode != LAST:
                for c in range(classes):
                    total[c] += o[c]
        if mode != EVERY:
            for c in range(classes):
                values[b, c] = o[c] if mode == LAST else total[c] * share


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _backward(
    ptr: Any, col: Any, active_ptr: Any, active_col: Any, weight: Any, incoming: Any, peak: Any, settings: Any,
    mode: int, steps: int, first: int, last: int, adjoint: Any, grad_x: Any, grad_weight: Any, grad_bias: Any,
) -> None:  # fmt: skip
    classes = weight.shape[1]
    beta, gain, share = settings
    now, zero = np.empty(classes, weight.dtype), np.zeros(1, weight.dtype)[0]
    for b in range(first, last):
        now[:] = 0  # gain times the adjoint of o
        for t in range(steps - 1, -1, -1):
            row = b * steps + t
            source_row = row if mode == EVERY else b
            for c in range(classes):
                now[c] *= beta
                if (mode != LAST or t == steps - 1) and (mode != MAX or peak[b, c] == t):
                    now[c] += gain * share * incoming[source_row, c]
                grad_bias[c] += now[c]
            for e in range(ptr[row], ptr[row + 1]):
                target = grad_weight[col[e]]
                for c in range(classes):
                    target[c] += now[c]
            if len(active_ptr) > 0:
                for k in range(active_ptr[row], active_ptr[row + 1]):
                    source, total = weight[active_col[k]], zero
                    for c in range(classes):
                        total += source[c] * now[c]
                    grad_x[k] = total
            elif len(adjoint) > 0:
                adjoint[row] = now
