"""Layers of neurons behind a connection: one scan, one active set and one recursion of errors for all of them.

A connection says how events become current, and how errors become gradients; nothing else differs between layers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from snn_zo.neuron import Neuron
from snn_zo.ops.active_set import ActiveSet
from snn_zo.ops.cpu import gradients
from snn_zo.ops.cpu.active import active_set, look_for
from snn_zo.ops.cpu.rows import RowArrays
from snn_zo.ops.cpu.scan import CpuLook, Drive, scan
from snn_zo.ops.first_order import apply_first_order, first_order
from snn_zo.ops.kept import EVERYTHING
from snn_zo.ops.record import Forward, InputGradient, Record, WeightGradient
from snn_zo.ops.spikes import EVERYWHERE, Rows, Spikes
from snn_zo.strategies import Draw, Strategy

Shape = tuple[int, int, int]


class Errors(NamedTuple):
    """Where eps is not 0, its values, and the leak with which it decays into lambda."""

    rows: RowArrays
    eps: Any
    beta: float


class Connection(ABC):
    """What lies between the input spikes and the neurons of a layer."""

    @abstractmethod
    def drive(
        self, x: Spikes, shape: Shape, weight: Tensor, bias: Tensor | None, everywhere: bool
    ) -> tuple[Drive, Forward]:
        """What the current of neurons of `shape` (B, T, N) is made from, and in which form; a [B, T, N] current may be
        made only where the strategy keeps `everywhere`."""

    @abstractmethod
    def weight_gradient(self, x: Spikes, shape: Shape, weight: Tensor, errors: Errors) -> tuple[Tensor, WeightGradient]:
        """Gradient of the weight from errors, and the form that it was computed in."""

    @abstractmethod
    def input_gradient(self, x: Spikes, shape: Shape, weight: Tensor, errors: Errors) -> tuple[Tensor, InputGradient]:
        """[K] gradient of x.handle from errors, and the form that it was computed in."""

    @abstractmethod
    def bias_gradient(self, neurons: Tensor) -> Tensor:
        """Gradient of the bias from [N], that of what each neuron is added."""

    @abstractmethod
    def dense_weight_gradient(self, x: Spikes, adjoint: Tensor, weight: Tensor) -> tuple[Tensor, WeightGradient]:
        """Gradient of the weight from lambda [B, T, N], and the form that it was computed in."""

    @abstractmethod
    def dense_input_gradient(self, x: Spikes, adjoint: Tensor, weight: Tensor) -> tuple[Tensor, InputGradient]:
        """[K] gradient of x.handle from lambda [B, T, N], and the form that it was computed in."""


class _Saved(NamedTuple):
    """What the backward pass needs besides the weight."""

    connection: Connection
    shape: Shape
    x: Spikes
    events: Rows
    active: ActiveSet
    neuron: Neuron
    record: Record


def spikes_of(
    connection: Connection,
    neurons: int,
    x: Spikes,
    weight: Tensor,
    bias: Tensor | None,
    neuron: Neuron,
    strategy: Strategy,
    draw: Draw | None,
) -> Spikes:
    """[B, T, N] spikes of a layer of N neurons behind a connection."""
    shape = (*x.shape[:2], neurons)
    wants_gradient = torch.is_grad_enabled()
    if wants_gradient and draw is None and strategy.stochastic:
        draw = Draw.fresh(shape[0])
    look = look_for(strategy, draw) if wants_gradient else CpuLook()
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        drive, form = connection.drive(x, shape, weight, bias, look.kind == EVERYTHING)
        scanned = scan(shape, drive, neuron, look)
        events = scanned.events.tensors()
        if not wants_gradient:
            return Spikes.from_events(shape, events, weight.dtype)
        active = active_set(scanned, look, strategy, draw, shape)
    record = Record(form, to_input=x.handle.requires_grad, drawn=scanned.drawn)
    spiked = (active.u > 0).to(weight.dtype)
    # only what an attached hard reset, or a hard reset of all elements, reads of u is kept
    if neuron.reset != "hard" or (neuron.detach_reset and active.rows is not EVERYWHERE):
        active = active._replace(u=active.u.new_empty(0))
    saved = _Saved(connection, shape, x, events, active, neuron, record)
    handle = apply_first_order(_Layer, x.handle, weight, bias, saved, spiked)
    return Spikes(shape, events, active.rows, active.g, handle, record)


Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, handle: Tensor, weight: Tensor, bias: Tensor | None, saved: _Saved, spiked: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.saved = saved
        return spiked

    @staticmethod
    @first_order
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        (weight,) = ctx.saved_tensors
        saved = ctx.saved
        backward = _dense if saved.active.rows is EVERYWHERE else _sparse
        with torch.autocast("cpu", enabled=False):
            grad_x, grad_weight, grad_bias = backward(saved, weight, grad * saved.active.g, ctx.needs_input_grad)
        if grad_x is not None:
            grad_x = grad_x.to(saved.x.handle.dtype)
        return grad_x, grad_weight, grad_bias, None, None


def _sparse(saved: _Saved, weight: Tensor, ds: Tensor, wanted: tuple[bool, ...]) -> Gradients:
    """Gradients of x.handle, weight and bias from the active elements."""
    connection, shape, x, neuron, (rows, g, u) = saved.connection, saved.shape, saved.x, saved.neuron, saved.active
    assert rows is not EVERYWHERE
    v = u + neuron.v_th
    at, eps = gradients.errors(
        shape, RowArrays.of(rows), ds.numpy(), g.numpy(), v.numpy(), RowArrays.of(saved.events), neuron
    )
    errors = Errors(at, eps, neuron.beta)
    grad_x = grad_weight = grad_bias = None
    if wanted[0]:
        grad_x, saved.record.input_gradient = connection.input_gradient(x, shape, weight, errors)
    if wanted[1]:
        grad_weight, saved.record.weight_gradient = connection.weight_gradient(x, shape, weight, errors)
    if wanted[2]:
        neurons = gradients.bias_gradient(shape, at, eps, neuron.beta)
        grad_bias = connection.bias_gradient(torch.from_numpy(neurons))
    return grad_x, grad_weight, grad_bias


def _dense(saved: _Saved, weight: Tensor, ds: Tensor, wanted: tuple[bool, ...]) -> Gradients:
    """Gradients of x.handle, weight and bias where every element is active."""
    connection, shape, x = saved.connection, saved.shape, saved.x
    u = saved.active.u.view(shape if len(saved.active.u) else (0, 0, 0))
    adjoint = ds.view(shape)
    gradients.adjoint_in_place(adjoint.numpy(), saved.active.g.view(shape).numpy(), u.numpy(), saved.neuron)
    grad_x = grad_weight = grad_bias = None
    if wanted[0]:
        grad_x, saved.record.input_gradient = connection.dense_input_gradient(x, adjoint, weight)
    if wanted[1]:
        grad_weight, saved.record.weight_gradient = connection.dense_weight_gradient(x, adjoint, weight)
    if wanted[2]:
        neurons = gradients.column_sums(adjoint.view(-1, shape[2]).numpy())
        grad_bias = connection.bias_gradient(torch.from_numpy(neurons))
    return grad_x, grad_weight, grad_bias
