"""Events in, active gradients back: no [B, T, N] array for the strategies whose active set is small."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from snn_zo.neuron import Neuron
from snn_zo.ops.cpu import gradients
from snn_zo.ops.cpu.active import active_set, look_for
from snn_zo.ops.cpu.rows import RowArrays
from snn_zo.ops.cpu.scan import CpuLook, scan
from snn_zo.ops.first_order import apply_first_order, first_order
from snn_zo.ops.kept import EVERYTHING
from snn_zo.ops.record import Record, WeightGradient
from snn_zo.ops.spikes import EVERYWHERE, Spikes
from snn_zo.ops.spiking_linear.saved import Saved
from snn_zo.strategies import Draw, Strategy

GEMM_DENSITY = 0.12
"""Share of spiking inputs from which a dense product is faster than adding the rows of the spikes."""
ADDITION = 2.0
"""Time of one addition of the adjoint form (it loads and stores its target) in multiply-adds of the trace form."""


def spiking_linear(
    x: Spikes, weight: Tensor, bias: Tensor | None, neuron: Neuron, strategy: Strategy, draw: Draw | None
) -> Spikes:
    """See `snn_zo.ops.spiking_linear.spiking_linear`."""
    b, t, n_in = x.shape
    shape = (b, t, len(weight))
    wants_gradient = torch.is_grad_enabled()
    if wants_gradient and draw is None and strategy.stochastic:
        draw = Draw.fresh(b)
    look = look_for(strategy, draw) if wants_gradient else CpuLook()
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        dense = look.kind == EVERYTHING and len(x.events.col) > GEMM_DENSITY * b * t * n_in
        current = x.to_dense().to(weight.dtype) @ weight.T if dense else weight.new_empty(0, t, len(weight))
        rows = weight.T.contiguous().numpy() if not dense else np.empty((0, len(weight)), current.numpy().dtype)
        offset = weight.new_empty(0) if bias is None else bias
        scanned = scan(shape, RowArrays.of(x.events), rows, current.numpy(), offset.numpy(), neuron, look)
        events = scanned.events.tensors()
        if not wants_gradient:
            return Spikes.from_events(shape, events, weight.dtype)
        active = active_set(scanned, look, strategy, draw, shape)
    wants_input = x.handle.requires_grad
    record = Record("dense" if dense else "events", to_input=wants_input, drawn=scanned.drawn)
    saved = Saved(shape, x, events, active, neuron, record)
    handle = apply_first_order(_SpikingLinear, x.handle, weight, bias, saved)
    return Spikes(shape, events, active.rows, active.g, handle, record)


class _SpikingLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, handle: Tensor, weight: Tensor, bias: Tensor | None, saved: Saved) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.saved = saved
        return (saved.active.u > 0).to(weight.dtype)

    @staticmethod
    @first_order
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        (weight,) = ctx.saved_tensors
        backward = _dense if ctx.saved.active.rows is EVERYWHERE else _sparse
        wanted = ctx.needs_input_grad
        with torch.autocast("cpu", enabled=False):
            found = backward(ctx.saved, weight, grad * ctx.saved.active.g, wanted)
        grad_x, grad_weight, grad_bias = (None if part is None else torch.from_numpy(part) for part in found)
        if grad_x is not None:
            grad_x = grad_x.to(ctx.saved.x.handle.dtype)
        return grad_x, grad_weight, grad_bias, None


def _sparse(saved: Saved, weight: Tensor, ds: Tensor, wanted: tuple[bool, ...]) -> tuple[Any, Any, Any]:
    """Gradients of x.handle, weight and bias from the active elements."""
    (b, t, n), neuron, x = saved.shape, saved.neuron, saved.x
    assert saved.active.rows is not EVERYWHERE
    v = saved.active.u + neuron.v_th
    rows, eps = gradients.errors(
        saved.shape, RowArrays.of(saved.active.rows), ds.numpy(), saved.active.g.numpy(), v.numpy(),
        RowArrays.of(saved.events), neuron,
    )  # fmt: skip
    features, beta = x.shape[2], neuron.beta
    grad_x = grad_weight = grad_bias = None
    if wanted[0]:
        saved.record.input_gradient = "scan"
        active = None if x.active is EVERYWHERE else RowArrays.of(x.active)
        grad_x = gradients.input_at_active(saved.shape, rows, eps, weight.contiguous().numpy(), active, beta)
    if wanted[1]:
        trace_cost = len(eps) * features + b * t * features / 2
        adjoint_cost = ADDITION * len(x.events.col) * n + b * t * n / 2
        form: WeightGradient = "trace" if trace_cost <= adjoint_cost else "adjoint"
        saved.record.weight_gradient = form
        compute = gradients.weight_by_trace if form == "trace" else gradients.weight_by_adjoint
        grad_weight = compute(saved.shape, RowArrays.of(x.events), features, rows, eps, beta)
    if wanted[2]:
        grad_bias = gradients.bias_gradient(saved.shape, rows, eps, beta)
    return grad_x, grad_weight, grad_bias


def _dense(saved: Saved, weight: Tensor, ds: Tensor, wanted: tuple[bool, ...]) -> tuple[Any, Any, Any]:
    """Gradients of x.handle, weight and bias where every element is active."""
    (b, t, n), x = saved.shape, saved.x
    g, u = (part.view(saved.shape).numpy() for part in saved.active[1:])
    gradients.adjoint_in_place(ds.view(saved.shape).numpy(), g, u, saved.neuron)
    adjoint = ds.view(b * t, n)
    grad_x = grad_weight = grad_bias = None
    if wanted[0]:
        if x.active is EVERYWHERE or len(x.active.col) > GEMM_DENSITY * b * t * x.shape[2]:
            saved.record.input_gradient = "dense"
            everywhere = (adjoint @ weight).flatten()
            grad_x = (everywhere if x.active is EVERYWHERE else everywhere[x.active.flat(x.shape[2])]).numpy()
        else:
            saved.record.input_gradient = "gather"
            columns = weight.T.contiguous().numpy()
            grad_x = gradients.input_from_dense(adjoint.numpy(), columns, RowArrays.of(x.active))
    if wanted[1]:
        gemm = len(x.events.col) > GEMM_DENSITY * b * t * x.shape[2]
        saved.record.weight_gradient = "dense" if gemm else "adjoint"
        if gemm:
            with torch.no_grad():
                grad_weight = (adjoint.T @ x.to_dense().to(ds.dtype).flatten(0, 1)).numpy()
        else:
            grad_weight = gradients.weight_by_dense_adjoint(adjoint.numpy(), RowArrays.of(x.events), x.shape[2])
    if wanted[2]:
        grad_bias = gradients.column_sums(adjoint.numpy())
    return grad_x, grad_weight, grad_bias
