"""A fully connected layer of spiking neurons."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from snn_zo.energy.inference import InferenceCounts, linear_counts
from snn_zo.layers.layer import Shape
from snn_zo.layers.norm import make_norm
from snn_zo.layers.weighted_layer import WeightedLayer
from snn_zo.neuron import Neuron, NormName
from snn_zo.ops import Spikes, spiking_linear
from snn_zo.ops.analogue import Input
from snn_zo.strategies import Draw, Strategy


class SpikingLinear(WeightedLayer):
    """Leaky integrate-and-fire neurons with input current I[t] = weight s_in[t] + bias.

    Weight [N, N_in] and bias [N] start as those of torch.nn.Linear.

    Args:
        in_shape: feature shape of the input; its product is N_in.
        neurons: N.
        neuron: leak, threshold and reset.
        strategy: local derivative of the spikes.
        name: of the layer.
        bias: whether there is one.
        backend: `auto` or the name of a backend.
        norm: `tdbn`: currents are batch normalised; `weight`: weights are standardised; see `snn_zo.layers.norm`.
    """

    def __init__(
        self,
        in_shape: Shape,
        neurons: int,
        neuron: Neuron,
        strategy: Strategy,
        name: str,
        bias: bool = False,
        backend: str = "auto",
        norm: NormName | None = None,
    ) -> None:
        super().__init__(name, in_shape, (neurons,), neuron, strategy, backend)
        self.weight, self.bias = linear_parameters(self.inputs, neurons, bias)
        self.norm = make_norm(norm, neurons, neuron.v_th, bias, self.inputs)

    def forward(self, x: Input, draw: Draw | None = None) -> Spikes:
        """See `SpikingLayer.forward`."""
        weight, bias = self.normalised(x)
        spikes = spiking_linear(x, weight, bias, self.neuron, self.strategy, draw, self.backend)
        self.note(x, spikes.record, spikes)
        return spikes

    def inference(self, x: Input) -> InferenceCounts:
        """See `Layer.inference`."""
        return linear_counts(x, self.folded()[0])


def linear_parameters(inputs: int, neurons: int, bias: bool) -> tuple[nn.Parameter, nn.Parameter | None]:
    """Weight [N, N_in] and bias [N] of a fully connected layer, with the initial values of torch.nn.Linear."""
    weight = nn.Parameter(torch.empty(neurons, inputs))
    nn.init.kaiming_uniform_(weight, a=math.sqrt(5))
    if not bias:
        return weight, None
    bound = 1 / math.sqrt(inputs) if inputs else 0
    values: Tensor = torch.empty(neurons).uniform_(-bound, bound)
    return weight, nn.Parameter(values)
