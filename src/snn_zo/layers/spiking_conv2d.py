"""A convolutional layer of spiking neurons."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from snn_zo.energy.connection import Connection
from snn_zo.energy.inference import InferenceCounts, conv_counts
from snn_zo.layers.layer import Shape
from snn_zo.layers.norm import make_norm
from snn_zo.layers.weighted_layer import WeightedLayer
from snn_zo.neuron import Neuron, NormName
from snn_zo.ops import Spikes, spiking_conv2d
from snn_zo.ops.analogue import Input
from snn_zo.ops.convolution import Convolution, Pair, fan_out, pair
from snn_zo.strategies import Draw, Strategy


class SpikingConv2d(WeightedLayer):
    """Leaky integrate-and-fire neurons with input current I[t] = conv2d(sum_pool2d(s_in[t]), weight) + bias.

    Weight [C_out, C_in / groups, rows, columns] and bias [C_out] start as those of torch.nn.Conv2d. The pooling costs
    nothing: it is in the tables that say which weight belongs to which event.

    Args:
        in_shape: (C_in, H, W) of the input.
        channels: C_out.
        kernel: its side, or (rows, columns).
        neuron: leak, threshold and reset.
        strategy: local derivative of the spikes.
        name: of the layer.
        stride, padding, groups: as of torch.nn.Conv2d.
        pool: side of the squares without overlap over which the input is summed first.
        bias: whether there is one.
        backend: `auto` or the name of a backend.
        norm: `tdbn`: currents are batch normalised; `weight`: weights are standardised; see `snn_zo.layers.norm`.
    """

    convolution: Convolution

    def __init__(
        self,
        in_shape: Shape,
        channels: int,
        kernel: int | Pair,
        neuron: Neuron,
        strategy: Strategy,
        name: str,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        groups: int = 1,
        pool: int | Pair = 1,
        bias: bool = False,
        backend: str = "auto",
        norm: NormName | None = None,
    ) -> None:
        shape = (in_shape[0], *in_shape[1:])
        convolution = Convolution(
            shape, channels, pair(kernel), pair(stride), pair(padding), groups, pair(pool)  # type: ignore[arg-type]
        )  # fmt: skip
        super().__init__(name, in_shape, convolution.out_shape, neuron, strategy, backend)
        self.convolution = convolution
        self.weight = nn.Parameter(torch.empty(convolution.weight_shape))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        bound = 1 / math.sqrt(self.weight[0].numel())
        self.bias = nn.Parameter(torch.empty(channels).uniform_(-bound, bound)) if bias else None
        self.norm = make_norm(norm, channels, neuron.v_th, bias, self.weight[0].numel())

    @property
    def products(self) -> int:
        """See `Layer.products`."""
        return self.convolution.products

    def connected(self) -> Connection:
        """See `SpikingLayer.connected`."""
        return Connection.convolved(self.convolution)

    def fan_out(self, x: Spikes) -> Tensor:
        """See `SpikingLayer.fan_out`."""
        return fan_out(self.convolution, x.channels_last, x.events.col.device)

    def forward(self, x: Input, draw: Draw | None = None) -> Spikes:
        """[B, T, C_out, H_out, W_out] spikes; see `SpikingLayer.forward`."""
        made, (weight, bias) = self.convolution, self.normalised(x)
        spikes = spiking_conv2d(
            x, weight, bias, self.neuron, self.strategy, draw, self.backend, stride=made.stride,
            padding=made.padding, groups=made.groups, pool=made.pool,
        )  # fmt: skip
        self.note(x, spikes.record, spikes)
        return spikes

    def inference(self, x: Input) -> InferenceCounts:
        """See `Layer.inference`."""
        return conv_counts(x, self.folded()[0], self.convolution)
