"""Fully connected spiking network with a leaky readout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NotRequired, TypedDict, cast

from torch import nn

from snn_zo.layers import LeakyReadout, SpikeCounts, SpikingLinear
from snn_zo.layers.layer import Shape
from snn_zo.models.output import Output
from snn_zo.neuron import CountReadout, Init, Neuron, Readout
from snn_zo.ops import Spikes
from snn_zo.ops.leaky_readout import reduced
from snn_zo.strategies import Draw, Strategy


class OwnSettings(TypedDict):
    """What a layer has of its own: changes of the neuron by setting, and the strategy."""

    neuron: NotRequired[Mapping[str, object]]
    strategy: NotRequired[Strategy]


class FeedForward(nn.Module):
    """N_in -> hidden[0] -> ... -> hidden[-1] -> C, the architecture of the LocalZO and SSG papers.

    The defaults are those of `conf/model/feed_forward.yaml`, but for `dt` of neurons and readout, the time step
    of the data: `neuron=Neuron(dt=data.dt), readout=Readout(dt=data.dt, scale=7.0)`.

    Args:
        in_shape: feature shape of the input, with product N_in.
        outputs: values C of the readout.
        strategy: local derivative of the hidden layers' spikes.
        hidden: neurons of each hidden layer; the layers are called hidden1, hidden2 and so on.
        neuron: settings of the hidden neurons.
        readout: settings of the output; output neurons that spike have the strategy of the hidden layers.
        init: `uniform`: weights are drawn from U[-gain, gain] / sqrt(fan in); `normal`: from N(0, gain^2 / fan in).
        gain: of the initial weights.
        bias: whether layers have one; it starts at 0.
        layers: what a hidden layer, given by its name, has of its own.
        backend: `auto` or the name of a backend.
        every_step: whether the output holds the values of the readout at every time step as well.
    """

    def __init__(
        self,
        in_shape: Shape,
        outputs: int,
        strategy: Strategy,
        hidden: Sequence[int] = (200, 200),
        neuron: Neuron = Neuron(),  # noqa: B008
        readout: Readout | CountReadout = Readout(scale=7.0),  # noqa: B008
        init: Init = "uniform",
        gain: float = 3.0,
        bias: bool = False,
        layers: Mapping[str, OwnSettings] | None = None,
        backend: str = "auto",
        every_step: bool = False,
    ) -> None:
        super().__init__()
        stack: list[SpikingLinear | LeakyReadout] = []
        for i, neurons in enumerate(hidden):
            name = f"hidden{i + 1}"
            own = (layers or {}).get(name, {})
            own_neuron = replace(neuron, **own.get("neuron", {}))  # type: ignore[arg-type]
            own_strategy = own.get("strategy", strategy)
            stack.append(SpikingLinear(in_shape, neurons, own_neuron, own_strategy, name, bias, backend))
            in_shape = (neurons,)
        if isinstance(readout, CountReadout):
            stack.append(SpikeCounts(in_shape, outputs, readout, strategy, bias=bias, backend=backend))
        else:
            stack.append(LeakyReadout(in_shape, outputs, readout, bias=bias, backend=backend, every_step=every_step))
        for layer in stack:
            _initialise(layer, init, gain)
        self.layers = nn.ModuleList(stack)

    def forward(self, x: Spikes, draw: Draw | None = None) -> Output:
        """Values of the readout and hidden spikes.

        Args:
            x: [B, T, *in_shape] input spikes.
            draw: randomness of the strategies in a training step; layer i draws from stream i.
        """
        hidden = {}
        *layers, readout = self.layers
        for i, layer in enumerate(cast("list[SpikingLinear]", layers)):
            x = layer(x, draw.for_layer(i) if draw else None)
            hidden[layer.name] = x
        if isinstance(readout, SpikeCounts):
            return Output(readout(x, draw.for_layer(len(layers)) if draw else None), hidden)
        values = readout(x)
        if isinstance(readout, LeakyReadout) and readout.every_step:
            return Output(reduced(values, readout.readout.reduce), hidden, values)
        return Output(values, hidden)


def _initialise(layer: SpikingLinear | LeakyReadout, init: Init, gain: float) -> None:
    scale = gain / layer.inputs**0.5
    if init == "uniform":
        nn.init.uniform_(layer.weight, -scale, scale)
    else:
        nn.init.normal_(layer.weight, std=scale)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
