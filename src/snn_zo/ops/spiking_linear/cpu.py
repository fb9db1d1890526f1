"""Events in, active gradients back: no [B, T, N] array for the strategies whose active set is small."""

from __future__ import annotations

import torch
from torch import Tensor

from snn_zo.neuron import Neuron
from snn_zo.ops.cpu import gradients
from snn_zo.ops.cpu.connection import Connection, Errors, Shape, spikes_of
from snn_zo.ops.cpu.rows import RowArrays
from snn_zo.ops.cpu.scan import Drive
from snn_zo.ops.record import Forward, InputGradient, WeightGradient
from snn_zo.ops.spikes import EVERYWHERE, Spikes
from snn_zo.strategies import Draw, Strategy

GEMM_DENSITY = 0.12
"""Share of spiking inputs from which a dense product is faster than adding the rows of the spikes."""
ADDITION = 2.0
"""Time of one addition of the adjoint form (it loads and stores its target) in multiply-adds of the trace form."""


def spiking_linear(
    x: Spikes, weight: Tensor, bias: Tensor | None, neuron: Neuron, strategy: Strategy, draw: Draw | None
) -> Spikes:
    """See `snn_zo.ops.spiking_linear.spiking_linear`."""
    return spikes_of(Linear(), len(weight), x, weight, bias, neuron, strategy, draw)


class Linear(Connection):
    """I[t] = weight s_in[t] + bias; see `Connection`."""

    def drive(
        self, x: Spikes, shape: Shape, weight: Tensor, bias: Tensor | None, everywhere: bool
    ) -> tuple[Drive, Forward]:
        """A dense product where it is faster, and rows of the weight otherwise."""
        offset = None if bias is None else bias.numpy()
        if everywhere and _is_dense(x):
            return Drive.given((x.to_dense().to(weight.dtype) @ weight.T).numpy(), offset), "dense"
        return Drive.of_events(RowArrays.of(x.events), weight.T.contiguous().numpy(), shape[2], offset), "events"

    def weight_gradient(self, x: Spikes, shape: Shape, weight: Tensor, errors: Errors) -> tuple[Tensor, WeightGradient]:
        """In the form that takes less time."""
        (b, t, n), features = shape, x.shape[2]
        trace_cost = len(errors.eps) * features + b * t * features / 2
        adjoint_cost = ADDITION * len(x.events.col) * n + b * t * n / 2
        form: WeightGradient = "trace" if trace_cost <= adjoint_cost else "adjoint"
        compute = gradients.weight_by_trace if form == "trace" else gradients.weight_by_adjoint
        return torch.from_numpy(compute(shape, RowArrays.of(x.events), features, *errors)), form

    def input_gradient(self, x: Spikes, shape: Shape, weight: Tensor, errors: Errors) -> tuple[Tensor, InputGradient]:
        """By the scan."""
        active = None if x.active is EVERYWHERE else RowArrays.of(x.active)
        rows, eps, beta = errors
        found = gradients.input_at_active(shape, rows, eps, weight.contiguous().numpy(), active, beta)
        return torch.from_numpy(found), "scan"

    def bias_gradient(self, neurons: Tensor) -> Tensor:
        """Each neuron has its own."""
        return neurons

    def dense_weight_gradient(self, x: Spikes, adjoint: Tensor, weight: Tensor) -> tuple[Tensor, WeightGradient]:
        """By a dense product where it is faster, and at the input events otherwise."""
        adjoint = adjoint.flatten(0, 1)
        if _is_dense(x):
            return adjoint.T @ x.to_dense().to(adjoint.dtype).flatten(0, 1), "dense"
        found = gradients.weight_by_dense_adjoint(adjoint.numpy(), RowArrays.of(x.events), x.shape[2])
        return torch.from_numpy(found), "adjoint"

    def dense_input_gradient(self, x: Spikes, adjoint: Tensor, weight: Tensor) -> tuple[Tensor, InputGradient]:
        """By a dense product where many inputs are active, and at the active ones otherwise."""
        b, t, features = x.shape
        adjoint = adjoint.flatten(0, 1)
        if x.active is EVERYWHERE:
            return (adjoint @ weight).flatten(), "dense"
        if len(x.active.col) > GEMM_DENSITY * b * t * features:
            return (adjoint @ weight).flatten()[x.active.flat(features)], "dense"
        columns = weight.T.contiguous().numpy()
        return torch.from_numpy(gradients.input_from_dense(adjoint.numpy(), columns, RowArrays.of(x.active))), "gather"


def _is_dense(x: Spikes) -> bool:
    b, t, features = x.shape
    return len(x.events.col) > GEMM_DENSITY * b * t * features
