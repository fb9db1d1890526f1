"""Neurons driven by a dense current: a fused scan forward, a fused scan backward."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from snn_zo.neuron import Neuron
from snn_zo.ops.active_set import ActiveSet
from snn_zo.ops.cpu import gradients
from snn_zo.ops.cpu.active import active_set, look_for
from snn_zo.ops.cpu.rows import RowArrays
from snn_zo.ops.cpu.scan import CpuLook, Drive, scan
from snn_zo.ops.first_order import apply_first_order, first_order
from snn_zo.ops.record import Record
from snn_zo.ops.spikes import EVERYWHERE, Rows, Spikes
from snn_zo.strategies import Draw, Strategy


def lif(current: Tensor, neuron: Neuron, strategy: Strategy, draw: Draw | None, steps: int) -> Spikes:
    """See `snn_zo.ops.lif.lif`; current [B, T, N], or [B, 1, N] where it is constant."""
    (b, _, n), t = current.shape, steps
    wants_gradient = torch.is_grad_enabled()
    if wants_gradient and draw is None and strategy.stochastic:
        draw = Draw.fresh(b)
    look = look_for(strategy, draw) if wants_gradient else CpuLook()
    with torch.no_grad():
        scanned = scan((b, t, n), Drive.given(current.detach().contiguous().numpy()), neuron, look)
        events = scanned.events.tensors()
        if not wants_gradient:
            return Spikes.from_events((b, t, n), events, current.dtype)
        active = active_set(scanned, look, strategy, draw, (b, t, n))
    handle = apply_first_order(_Lif, current, events, active, neuron, t)
    return Spikes((b, t, n), events, active.rows, active.g, handle, Record(drawn=scanned.drawn))


class _Lif(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, current: Tensor, events: Rows, active: ActiveSet, neuron: Neuron, steps: int) -> Tensor:
        ctx.shape, ctx.constant = (len(current), steps, current.shape[2]), current.shape[1] < steps
        ctx.events, ctx.active, ctx.neuron = events, active, neuron
        return (active.u > 0).to(current.dtype)

    @staticmethod
    @first_order
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        ds, neuron, (rows, g, u) = grad * ctx.active.g, ctx.neuron, ctx.active
        if rows is EVERYWHERE:
            adjoint = ds.view(ctx.shape)
            gradients.adjoint_in_place(adjoint.numpy(), g.view(ctx.shape).numpy(), u.view(ctx.shape).numpy(), neuron)
            return adjoint.sum(1, keepdim=True) if ctx.constant else adjoint, None, None, None, None
        (b, t, n), v = ctx.shape, (u + neuron.v_th).numpy()
        events = RowArrays.of(ctx.events)
        at, eps = gradients.errors(ctx.shape, RowArrays.of(rows), ds.numpy(), g.numpy(), v, events, neuron)
        element, errors = at.tensors().flat(n), torch.from_numpy(eps)
        if ctx.constant:
            # an error at t reaches the current of all steps up to t
            sample, step = element // (t * n), element // n % t
            reached = torch.cumsum(neuron.beta ** torch.arange(t, dtype=torch.float64), 0)[step]
            total = grad.new_zeros(b * n, dtype=torch.float64)
            total.index_add_(0, sample * n + element % n, errors.double() * reached)
            return total.to(grad.dtype).view(b, 1, n), None, None, None, None
        adjoint = grad.new_zeros(ctx.shape)
        adjoint.view(-1)[element] = errors
        unread = np.empty((0, 0, 0), eps.dtype)
        gradients.adjoint_in_place(adjoint.numpy(), unread, unread, replace(neuron, reset="none"))
        return adjoint, None, None, None, None
