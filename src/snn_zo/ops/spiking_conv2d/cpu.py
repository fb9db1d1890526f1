"""Events in, active gradients back: no [B, T, N] array for the strategies whose active set is small."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, pad

from snn_zo.neuron import Neuron
from snn_zo.ops.convolution import Convolution
from snn_zo.ops.cpu import patches
from snn_zo.ops.cpu.connection import Connection, Errors, Shape, spikes_of
from snn_zo.ops.cpu.patches import Patches, patches_of
from snn_zo.ops.cpu.rows import RowArrays
from snn_zo.ops.cpu.scan import Drive
from snn_zo.ops.record import Forward, InputGradient, WeightGradient
from snn_zo.ops.spikes import EVERYWHERE, Spikes
from snn_zo.strategies import Draw, Strategy

DENSE_INPUT = 0.4
"""Share of spiking or of active inputs from which torch's convolution is faster than patches, where there is a
[B, T, N] array anyway. Its gradient of the weight is summed in an order that depends on the number of threads."""
ADJOINT, GATHER = 1.0, 1.0
"""Time of these forms for a number of a patch, in that of the trace form and that of the scan form."""


def spiking_conv2d(
    x: Spikes,
    weight: Tensor,
    bias: Tensor | None,
    convolution: Convolution,
    neuron: Neuron,
    strategy: Strategy,
    draw: Draw | None,
) -> Spikes:
    """See `snn_zo.ops.spiking_conv2d.spiking_conv2d`."""
    connection = Conv2d(convolution, patches_of(convolution, x.channels_last))
    return spikes_of(connection, math.prod(convolution.out_shape), x, weight, bias, neuron, strategy, draw)


@dataclass(frozen=True)
class Conv2d(Connection):
    """I[t] = conv2d(sum_pool2d(s_in[t]), weight) + bias; see `Connection`."""

    made: Convolution
    patches: Patches

    def drive(
        self, x: Spikes, shape: Shape, weight: Tensor, bias: Tensor | None, everywhere: bool
    ) -> tuple[Drive, Forward]:
        """torch's convolution where it is faster, and patches of the kernel otherwise."""
        offset = None if bias is None else bias.repeat(shape[2] // len(bias)).numpy()
        if everywhere and _is_dense(x):
            made = self.made
            current = conv2d(self._pooled(x, weight.dtype), weight, None, made.stride, made.padding, groups=made.groups)
            return Drive.given(current.permute(0, 2, 3, 1).contiguous().view(shape).numpy(), offset), "dense"
        kernel = patches.by_input(weight, self.made).numpy()
        return Drive.of_events(RowArrays.of(x.events), kernel, shape[2], offset, self.patches), "events"

    def weight_gradient(self, x: Spikes, shape: Shape, weight: Tensor, errors: Errors) -> tuple[Tensor, WeightGradient]:
        """In the form that takes less time."""
        tables = self.patches
        trace_cost = len(errors.eps) * tables.patch_time
        adjoint_cost = ADJOINT * len(x.events.col) * tables.reached_time
        form: WeightGradient = "trace" if trace_cost <= adjoint_cost else "adjoint"
        compute = patches.weight_by_trace if form == "trace" else patches.weight_by_adjoint
        return compute(shape, RowArrays.of(x.events), tables, *errors, self.made), form

    def input_gradient(self, x: Spikes, shape: Shape, weight: Tensor, errors: Errors) -> tuple[Tensor, InputGradient]:
        """In the form that takes less time."""
        tables, (rows, eps, beta) = self.patches, errors
        active = None if x.active is EVERYWHERE else RowArrays.of(x.active)
        scan_cost = len(eps) * tables.patch_time
        if active is None or scan_cost <= GATHER * len(active.col) * tables.reached_time:
            return torch.from_numpy(patches.input_by_scan(shape, tables, rows, eps, weight, active, beta)), "scan"
        found = patches.input_by_gather(shape, tables, rows, eps, weight, active, beta, self.made)
        return torch.from_numpy(found), "gather"

    def bias_gradient(self, neurons: Tensor) -> Tensor:
        """Each channel has its own."""
        return neurons.view(-1, self.made.channels).sum(0)

    def dense_weight_gradient(self, x: Spikes, adjoint: Tensor, weight: Tensor) -> tuple[Tensor, WeightGradient]:
        """By torch's convolution where it is faster, and at the input events otherwise."""
        if _is_dense(x):
            gradient = self._backward(adjoint, self._pooled(x, weight.dtype), weight, (False, True, False))[1]
            return gradient, "dense"
        shape, made = (adjoint.shape[0], adjoint.shape[1], adjoint.shape[2]), self.made
        events, flat = RowArrays.of(x.events), adjoint.flatten().numpy()
        return patches.weight_by_adjoint(shape, events, self.patches, RowArrays.none(), flat, 0.0, made), "adjoint"

    def dense_input_gradient(self, x: Spikes, adjoint: Tensor, weight: Tensor) -> tuple[Tensor, InputGradient]:
        """By torch's convolution where many inputs are active, and at the active ones otherwise."""
        shape, made = (adjoint.shape[0], adjoint.shape[1], adjoint.shape[2]), self.made
        if x.active is not EVERYWHERE and len(x.active.col) <= DENSE_INPUT * math.prod(x.shape):
            flat, active = adjoint.flatten().numpy(), RowArrays.of(x.active)
            found = patches.input_by_gather(shape, self.patches, RowArrays.none(), flat, weight, active, 0.0, made)
            return torch.from_numpy(found), "gather"
        pooled = adjoint.new_empty(()).expand(shape[0] * shape[1], *made.pooled_shape)
        gradient = self._unpooled(self._backward(adjoint, pooled, weight, (True, False, False))[0])
        if x.channels_last:
            gradient = gradient.permute(0, 2, 3, 1)
        gradient = gradient.flatten()
        return gradient if x.active is EVERYWHERE else gradient[x.active.flat(x.shape[2])], "dense"

    def _pooled(self, x: Spikes, dtype: torch.dtype) -> Tensor:
        """[B * T, C_in, H, W] pooled counts, channels last in memory."""
        (b, t, _), (channels, height, width) = x.shape, self.made.in_shape
        if x.active is EVERYWHERE:  # the handle has the counts of all elements
            order = (b * t, height, width, channels) if x.channels_last else (b * t, channels, height, width)
            counts = x.handle.detach().view(order)
            counts = counts.permute(0, 3, 1, 2) if x.channels_last else counts
        else:
            counts = x.to_dense().flatten(0, 1)
        counts = counts.to(dtype).contiguous(memory_format=torch.channels_last)
        return counts if self.made.pool == (1, 1) else avg_pool2d(counts, self.made.pool, divisor_override=1)

    def _unpooled(self, gradient: Tensor) -> Tensor:
        """[B * T, C_in, H, W] gradient of what was pooled."""
        (rows, columns), (_, height, width) = self.made.pool, self.made.in_shape
        if (rows, columns) != (1, 1):
            gradient = gradient.repeat_interleave(rows, 2).repeat_interleave(columns, 3)
            gradient = pad(gradient, (0, width - gradient.shape[3], 0, height - gradient.shape[2]))
        return gradient

    def _backward(
        self, adjoint: Tensor, pooled: Tensor, weight: Tensor, wanted: tuple[bool, bool, bool]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of torch's convolution."""
        made = self.made
        channels, height, width = made.out_shape
        incoming = adjoint.view(-1, height, width, channels).permute(0, 3, 1, 2)
        found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
            incoming, pooled, weight, None, made.stride, made.padding, (1, 1), False, (0, 0), made.groups, wanted
        )
        return found


def _is_dense(x: Spikes) -> bool:
    return len(x.events.col) > DENSE_INPUT * math.prod(x.shape)
