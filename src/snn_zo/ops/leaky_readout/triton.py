"""The readout from events: their currents side by side, then one short scan over time.

The values of every step are a product of torch's with the matrix of all decays, [T, T], in place of the scan, and so is
the way back to the currents; currents and what follows from their gradients are those of the kernels.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from snn_zo.neuron import REDUCTIONS, Neuron, Readout
from snn_zo.ops.first_order import apply_first_order, first_order
from snn_zo.ops.record import Record
from snn_zo.ops.spikes import EVERYWHERE, Spikes
from snn_zo.ops.triton import gradients
from snn_zo.ops.triton.lanes import add_rows, group_for, lanes_for, warps_for

_MAX, _LAST = tl.constexpr(REDUCTIONS.index("max")), tl.constexpr(REDUCTIONS.index("last"))
CHUNK = 32
"""Time steps of a program that sums currents."""

_Gradients = tuple[Tensor | None, Tensor | None, Tensor | None, None, None]


def leaky_readout(
    x: Spikes, weight: Tensor, bias: Tensor | None, readout: Readout, record: Record, every_step: bool = False
) -> Tensor:
    """See `snn_zo.ops.leaky_readout.leaky_readout`."""
    record.forward = "dense" if gradients.is_dense(x) else "events"
    record.weight_gradient = "dense" if gradients.weight_by_product(x) else "adjoint"
    record.input_gradient = ("dense" if x.active is EVERYWHERE else "gather") if record.to_input else None
    return apply_first_order(_EveryStep if every_step else _LeakyReadout, x.handle, weight, bias, x, readout)


class _LeakyReadout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, handle: Tensor, weight: Tensor, bias: Tensor | None, x: Spikes, readout: Readout) -> Tensor:
        (b, t, _), classes = x.shape, len(weight)
        current, lanes = _current(x, weight, bias), lanes_for(classes)
        settings = _settings(readout, weight.dtype, weight.device)
        logits = weight.new_empty(b, classes)
        peak = torch.zeros(b, classes, dtype=torch.int32, device=weight.device)
        _integrate[(b,)](
            current, settings, logits, peak, t, classes, MODE=REDUCTIONS.index(readout.reduce), LANES=lanes,
            num_warps=warps_for(lanes),
        )  # fmt: skip
        ctx.save_for_backward(weight)
        ctx.x, ctx.readout, ctx.peak = x, readout, peak if readout.reduce == "max" else None
        return logits / t if readout.reduce == "mean" else logits

    @staticmethod
    @first_order
    def backward(ctx: Any, grad: Tensor) -> _Gradients:
        (weight,) = ctx.saved_tensors
        adjoint = (grad[:, None, :] * _share(ctx.readout, ctx.x.shape[1], ctx.peak, weight)).contiguous()
        return _from_adjoint(ctx, adjoint)


class _EveryStep(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, handle: Tensor, weight: Tensor, bias: Tensor | None, x: Spikes, readout: Readout) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.x, ctx.readout = x, readout
        return _decays(readout, x.shape[1], weight) @ _current(x, weight, bias)

    @staticmethod
    @first_order
    def backward(ctx: Any, grad: Tensor) -> _Gradients:
        (weight,) = ctx.saved_tensors
        return _from_adjoint(ctx, (_decays(ctx.readout, ctx.x.shape[1], weight).T @ grad).contiguous())


def _current(x: Spikes, weight: Tensor, bias: Tensor | None) -> Tensor:
    """weight s[t] + bias, [B, T, C]."""
    (b, t, _), classes = x.shape, len(weight)
    columns, lanes = weight.detach().T.contiguous(), lanes_for(classes)
    if gradients.is_dense(x):
        current = x.to_dense().to(weight.dtype) @ columns
    else:
        current = weight.new_empty(b, t, classes)
        _currents[(b, triton.cdiv(t, CHUNK))](
            *x.events,
            columns,
            current,
            t,
            classes,
            CHUNK=CHUNK,
            LANES=lanes,
            G=group_for(len(x.events.col), b * t),
            num_warps=warps_for(lanes),
        )
    if bias is not None:
        current += bias.detach()
    return current


def _from_adjoint(ctx: Any, adjoint: Tensor) -> _Gradients:
    """Gradients of the inputs from that of the currents, [B, T, C]."""
    (weight,) = ctx.saved_tensors
    # the readout's own leak is in the adjoint: nothing decays any more
    still = Neuron(tau=float("inf"), reset="none")
    grad_x, grad_weight, grad_bias = gradients.from_dense_adjoint(adjoint, ctx.x, weight, still, ctx.needs_input_grad)
    return None if grad_x is None else grad_x.to(ctx.x.handle.dtype), grad_weight, grad_bias, None, None


def _decays(readout: Readout, steps: int, like: Tensor) -> Tensor:
    """What the current of each step (column) is in the value of each step (row), [T, T]."""
    t = torch.arange(steps, device=like.device, dtype=like.dtype)
    lag = t[:, None] - t
    return torch.where(lag >= 0, (1 - readout.beta) * torch.exp(-readout.dt / readout.tau * lag), 0.0)


def _share(readout: Readout, steps: int, peak: Tensor | None, like: Tensor) -> Tensor:
    """What the current of each step is in the result, [1, T, 1], or for `max` [B, T, C]."""
    t = torch.arange(steps, device=like.device, dtype=like.dtype)[:, None]
    decay = readout.dt / readout.tau
    if readout.reduce == "last":
        return ((1 - readout.beta) * torch.exp(decay * (t - (steps - 1))))[None]
    if readout.reduce == "max":
        assert peak is not None
        lag = peak[:, None, :] - t
        return torch.where(lag >= 0, (1 - readout.beta) * torch.exp(-decay * lag), 0.0)
    share = -torch.expm1(decay * (t - steps))[None]
    return share / steps if readout.reduce == "mean" else share


@cache
def _settings(readout: Readout, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor([readout.beta, 1 - readout.beta], dtype=dtype, device=device)


@triton.jit
def _currents(
    ptr, col, weight, current, steps, classes, CHUNK: tl.constexpr, LANES: tl.constexpr,
    G: tl.constexpr,
):  # fmt: skip
    b, begin = tl.program_id(0).to(tl.int64), tl.program_id(1) * CHUNK
    c = tl.arange(0, LANES)
    real = c < classes
    for t in range(begin, tl.minimum(begin + CHUNK, steps)):
        row = b * steps + t
        total = tl.zeros([LANES], weight.dtype.element_ty)
        total = add_rows(total, weight, col, tl.load(ptr + row), tl.load(ptr + row + 1), c, real, classes, G)
        tl.store(current + row * classes + c, total, mask=real)


@triton.jit
def _integrate(
    current, settings, logits, peak, steps, classes, MODE: tl.constexpr,
    LANES: tl.constexpr,
):  # fmt: skip
    b, c = tl.program_id(0).to(tl.int64), tl.arange(0, LANES)
    real = c < classes
    beta, gain = tl.load(settings), tl.load(settings + 1)
    o = tl.zeros([LANES], beta.dtype)
    total, at = o, tl.zeros([LANES], tl.int32)
    if MODE == _MAX:
        total = o - float("inf")
    for t in tl.range(0, steps, num_stages=4):
        o = beta * o + gain * tl.load(current + (b * steps + t) * classes + c, mask=real, other=0)
        if MODE == _MAX:
            # the first of equal maxima, and the first nan before all numbers
            better = (total == total) & ((o > total) | (o != o))
            total = tl.where(better, o, total)
            at = tl.where(better, t, at)
        elif MODE == _LAST:
            total = o
        else:
            total += o
    tl.store(logits + b * classes + c, total, mask=real)
    if MODE == _MAX:
        tl.store(peak + b * classes + c, at, mask=real)
