"""Neurons driven by a dense current: a fused scan forward, a fused scan backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from snn_zo.neuron import Neuron
from snn_zo.ops.active_set import ActiveSet
from snn_zo.ops.first_order import apply_first_order, first_order
from snn_zo.ops.record import Record
from snn_zo.ops.spikes import EVERYWHERE, Rows, Spikes
from snn_zo.ops.triton import gradients
from snn_zo.ops.triton.active import active_set, handle_of, local_error, look_for
from snn_zo.ops.triton.gradients import Requested
from snn_zo.ops.triton.scan import TritonLook, scan
from snn_zo.strategies import Draw, Strategy


def lif(current: Tensor, neuron: Neuron, strategy: Strategy, draw: Draw | None, steps: int) -> Spikes:
    """See `snn_zo.ops.lif.lif`; current [B, T, N], or [B, 1, N] where it is constant."""
    current = current.expand(-1, steps, -1)
    b, t, n = current.shape
    wants_gradient = torch.is_grad_enabled()
    if wants_gradient and draw is None and strategy.stochastic:
        draw = Draw.fresh(b, current.device)
    look = look_for(strategy, draw, current.device) if wants_gradient else TritonLook()
    with torch.no_grad():
        scanned = scan((b, t, n), None, current.detach().contiguous(), None, neuron, look, neuron.reset == "hard")
        if not wants_gradient:
            return Spikes.from_events((b, t, n), scanned.events, current.dtype)
        active = active_set(scanned, look, strategy, draw, (b, t, n))
    handle = apply_first_order(_Lif, current, scanned.events, active, neuron)
    return Spikes((b, t, n), scanned.events, active.rows, active.g, handle, Record(drawn=scanned.drawn))


class _Lif(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, current: Tensor, events: Rows, active: ActiveSet, neuron: Neuron) -> Tensor:
        ctx.shape, ctx.events, ctx.active, ctx.neuron = tuple(current.shape), events, active, neuron
        return handle_of(active, neuron.reset == "hard")

    @staticmethod
    @first_order
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        neuron, (rows, g, u) = ctx.neuron, ctx.active
        ds = local_error(ctx.active, grad)
        if rows is EVERYWHERE:
            adjoint = ds.view(ctx.shape)
            gradients.adjoint_in_place(adjoint, g, u, neuron)
        else:
            found = gradients.errors(ctx.shape, rows, ds, g, u, ctx.events, neuron)
            nothing = ds.new_empty(0, ctx.shape[2])
            adjoint = gradients.adjoint(ctx.shape, found, nothing, neuron, Requested(everywhere=True)).everywhere
        return adjoint, None, None, None
