"""Events in, active gradients back, on a GPU; nothing here waits for it once a plan knows how long the lists become."""

from __future__ import annotations

from typing import Any, NamedTuple

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


def spiking_linear(
    x: Spikes, weight: Tensor, bias: Tensor | None, neuron: Neuron, strategy: Strategy, draw: Draw | None
) -> Spikes:
    """See `snn_zo.ops.spiking_linear.spiking_linear`."""
    b, t, _ = x.shape
    shape = (b, t, len(weight))
    wants_gradient = torch.is_grad_enabled()
    if wants_gradient and draw is None and strategy.stochastic:
        draw = Draw.fresh(b, weight.device)
    look = look_for(strategy, draw, weight.device) if wants_gradient else TritonLook()
    with torch.no_grad(), torch.autocast(weight.device.type, enabled=False):
        dense = gradients.is_dense(x)
        columns = weight.T.contiguous()
        driven = x.to_dense().to(weight.dtype) @ columns if dense else columns
        offset = None if bias is None else bias.contiguous()
        scanned = scan(shape, None if dense else x.events, driven, offset, neuron, look, neuron.reset == "hard")
        if not wants_gradient:
            return Spikes.from_events(shape, scanned.events, weight.dtype)
        active = active_set(scanned, look, strategy, draw, shape)
    wants_input = x.handle.requires_grad
    record = Record("dense" if dense else "events", to_input=wants_input, drawn=scanned.drawn)
    saved = _Saved(shape, x, scanned.events, active, neuron, record)
    handle = apply_first_order(_SpikingLinear, x.handle, weight, bias, saved)
    return Spikes(shape, scanned.events, active.rows, active.g, handle, record)


class _Saved(NamedTuple):
    """What the backward needs besides the weight.

    Attributes:
        shape: (B, T, N).
        x: the input.
        events: the layer's spikes.
        active: its active set.
        neuron: its settings.
        record: takes in the forms of the gradients.
    """

    shape: tuple[int, int, int]
    x: Spikes
    events: Rows
    active: ActiveSet
    neuron: Neuron
    record: Record


class _SpikingLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, handle: Tensor, weight: Tensor, bias: Tensor | None, saved: _Saved) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.saved = saved
        return handle_of(saved.active, saved.neuron.reset == "hard")

    @staticmethod
    @first_order
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        (weight,) = ctx.saved_tensors
        saved, wanted = ctx.saved, ctx.needs_input_grad
        ds = local_error(saved.active, grad)
        with torch.autocast(weight.device.type, enabled=False):
            backward = _dense if saved.active.rows is EVERYWHERE else _sparse
            grad_x, grad_weight, grad_bias = backward(saved, weight, ds, wanted)
        return None if grad_x is None else grad_x.to(saved.x.handle.dtype), grad_weight, grad_bias, None


Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]


def _sparse(saved: _Saved, weight: Tensor, ds: Tensor, wanted: tuple[bool, ...]) -> Gradients:
    """Gradients of x.handle, weight and bias from the active elements."""
    shape, x, neuron, (rows, g, u) = saved.shape, saved.x, saved.neuron, saved.active
    assert rows is not EVERYWHERE
    features = x.shape[2]
    found = gradients.errors(shape, rows, ds, g, u, saved.events, neuron)
    repeatable = torch.are_deterministic_algorithms_enabled()
    by_trace = repeatable or len(ds) * features <= len(x.events.col) * shape[2]
    if wanted[1]:
        saved.record.weight_gradient = "trace" if by_trace else "adjoint"
    everywhere = wanted[0] and x.active is EVERYWHERE
    if wanted[0]:
        saved.record.input_gradient = "dense" if everywhere else "gather"
    request = Requested(
        at=x.active if wanted[0] and x.active is not EVERYWHERE else None,
        events=x.events if wanted[1] and not by_trace else None,
        bias=wanted[2],
        everywhere=everywhere,
    )
    columns = weight.T.contiguous()
    swept = gradients.adjoint(shape, found, columns, neuron, request) if any(request) else None
    grad_x = grad_weight = grad_bias = None
    if wanted[0]:
        assert swept is not None
        grad_x = (swept.everywhere @ weight).flatten() if everywhere else swept.at
    if wanted[1]:
        trace = gradients.weight_by_trace
        grad_weight = trace(shape, x.events, features, found, neuron) if swept is None or by_trace else swept.weight.T
    if wanted[2]:
        assert swept is not None
        grad_bias = swept.bias
    return grad_x, grad_weight, grad_bias


def _dense(saved: _Saved, weight: Tensor, ds: Tensor, wanted: tuple[bool, ...]) -> Gradients:
    """Gradients of x.handle, weight and bias where every element is active."""
    shape, x, neuron, (_, g, u) = saved.shape, saved.x, saved.neuron, saved.active
    adjoint = ds.view(shape)
    gradients.adjoint_in_place(adjoint, g, u, neuron)
    if wanted[0]:
        saved.record.input_gradient = "dense" if x.active is EVERYWHERE else "gather"
    if wanted[1]:
        saved.record.weight_gradient = "dense" if gradients.weight_by_product(x) else "adjoint"
    return gradients.from_dense_adjoint(adjoint, x, weight, neuron, wanted)
