"""Layers of spiking neurons that an analogue input drives."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import linear

from snn_zo.neuron import Neuron
from snn_zo.ops.analogue import Analogue
from snn_zo.ops.convolution import Convolution, convolved
from snn_zo.ops.lif import lif
from snn_zo.ops.spikes import Spikes
from snn_zo.strategies import Draw, Strategy


def encode_linear(
    x: Analogue,
    weight: Tensor,
    bias: Tensor | None,
    neuron: Neuron,
    strategy: Strategy,
    draw: Draw | None,
    backend: str,
) -> Spikes:
    """As `snn_zo.ops.spiking_linear`, [B, T, N] spikes."""
    if weight.dim() != 2 or weight.shape[1] != x.shape[2]:
        raise ValueError(f"weight must be [N, {x.shape[2]}] for values {list(x.shape)}, got {list(weight.shape)}")
    return _encoded(x, linear(x.values.flatten(2), weight, bias), neuron, strategy, draw, backend)


def encode_conv2d(
    x: Analogue,
    weight: Tensor,
    bias: Tensor | None,
    convolution: Convolution,
    neuron: Neuron,
    strategy: Strategy,
    draw: Draw | None,
    backend: str,
) -> Spikes:
    """As `snn_zo.ops.spiking_conv2d`, [B, T, C_out, H_out, W_out] spikes, channels last."""
    current = convolved(x.values, weight, bias, convolution).flatten(2)
    spikes = _encoded(x, current, neuron, strategy, draw, backend)
    return spikes.view(*convolution.out_shape, channels_last=True)


def _encoded(
    x: Analogue, current: Tensor, neuron: Neuron, strategy: Strategy, draw: Draw | None, backend: str
) -> Spikes:
    """Spikes of neurons with a current [B, 1, N] that stays as it is, or [B, T, N]."""
    if current.shape[1] < x.steps:
        spikes = lif(current[:, 0], neuron, strategy, draw, backend, steps=x.steps)
    else:
        spikes = lif(current, neuron, strategy, draw, backend)
    record = spikes.record
    record.forward = record.weight_gradient = "dense"
    record.to_input = x.values.requires_grad
    record.input_gradient = "dense" if record.to_input else None
    return spikes
