"""What networks of layers have in common: settings, initial weights, readout, and one layer after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NotRequired, TypedDict, cast

from torch import nn

from snn_zo.layers import Layer, LeakyReadout, Pool2d, SpikeCounts, SpikingConv2d, SpikingLayer, SpikingLinear
from snn_zo.layers.layer import Shape
from snn_zo.models.output import Output
from snn_zo.network import Convolutional, Pooling, PoolKind
from snn_zo.neuron import CountReadout, Init, Neuron, NormName, Readout
from snn_zo.ops import Spikes
from snn_zo.ops.analogue import Input
from snn_zo.ops.leaky_readout import reduced
from snn_zo.strategies import Draw, Strategy


class OwnSettings(TypedDict):
    """What a layer has of its own: changes of the neuron by setting, and the strategy."""

    neuron: NotRequired[Mapping[str, object]]
    strategy: NotRequired[Strategy]


class Common(TypedDict, total=False):
    """The settings that all networks take; `Maker` says what they are, and has the defaults."""

    neuron: Neuron
    readout: Readout | CountReadout
    init: Init
    gain: float
    bias: bool
    norm: NormName | None
    layers: Mapping[str, OwnSettings] | None
    backend: str
    every_step: bool


@dataclass(frozen=True)
class Maker:
    """Makes the layers of a network.

    Attributes:
        strategy: local derivative of the spikes; output neurons that spike have it, too.
        neuron: settings of the hidden neurons.
        readout: settings of the output.
        init: `uniform`: weights are drawn from U[-gain, gain] / sqrt(fan in); `normal`: from N(0, gain^2 / fan in).
        gain: of the initial weights.
        bias: whether layers have one; it starts at 0.
        norm: normalisation of the hidden layers, `tdbn` or `weight`; see `snn_zo.layers.norm`.
        layers: what a hidden layer, given by its name, has of its own.
        backend: `auto` or the name of a backend.
        every_step: whether the output holds the values of the readout at every time step as well.
    """

    strategy: Strategy
    neuron: Neuron = field(default_factory=Neuron)
    readout: Readout | CountReadout = field(default_factory=lambda: Readout(scale=7.0))
    init: Init = "uniform"
    gain: float = 3.0
    bias: bool = False
    norm: NormName | None = None
    layers: Mapping[str, OwnSettings] | None = None
    backend: str = "auto"
    every_step: bool = False

    def linear(self, name: str, in_shape: Shape, neurons: int) -> SpikingLinear:
        """A fully connected hidden layer."""
        return SpikingLinear(in_shape, neurons, *self._own(name), name, self.bias, self.backend, self.norm)

    def conv(self, name: str, in_shape: Shape, of: Convolutional, pool: int = 1) -> SpikingConv2d:
        """A convolutional hidden layer, with a sum pooling over squares of side `pool` in front of it."""
        return SpikingConv2d(
            in_shape, of.channels, of.kernel, *self._own(name), name, of.stride, of.padding, of.groups, pool, self.bias,
            self.backend, self.norm,
        )  # fmt: skip

    def pool(self, name: str, in_shape: Shape, of: Pooling) -> Layer:
        """A pooling that is no part of a convolution; averages are sums, as initial weights tell them apart."""
        kind: PoolKind = "max" if of.kind == "max" else "sum"
        return Pool2d(in_shape, kind, of.side, name, stride=of.stride, backend=self.backend)

    def output(self, in_shape: Shape, outputs: int) -> LeakyReadout | SpikeCounts:
        """The readout."""
        settings, bias, backend = self.readout, self.bias, self.backend
        if isinstance(settings, CountReadout):
            return SpikeCounts(in_shape, outputs, settings, self.strategy, bias=bias, backend=backend)
        return LeakyReadout(in_shape, outputs, settings, bias=bias, backend=backend, every_step=self.every_step)

    def initialise(self, layers: Iterable[nn.Module], factors: Mapping[str, float] | None = None) -> None:
        """Give layers their initial weights.

        Args:
            layers: those without weights are left alone.
            factors: of the initial weights of single layers, by name.
        """
        for layer in layers:
            if not isinstance(layer, (SpikingLinear, SpikingConv2d, LeakyReadout)):
                continue
            scale = self.gain / layer.weight[0].numel() ** 0.5 * (factors or {}).get(layer.name, 1.0)
            if self.init == "uniform":
                nn.init.uniform_(layer.weight, -scale, scale)
            else:
                nn.init.normal_(layer.weight, std=scale)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def _own(self, name: str) -> tuple[Neuron, Strategy]:
        own = (self.layers or {}).get(name, {})
        neuron = replace(self.neuron, **own.get("neuron", {}))  # type: ignore[arg-type]
        return neuron, own.get("strategy", self.strategy)


class Stack(nn.Module):
    """Layers one after the other, and a readout behind the last.

    Args:
        hidden: the layers, from input to output.
        readout: the last one, which gives the values of the output.
    """

    def __init__(self, hidden: Sequence[Layer], readout: LeakyReadout | SpikeCounts) -> None:
        super().__init__()
        self.layers = nn.ModuleList([*hidden, readout])

    def forward(self, x: Input, draw: Draw | None = None) -> Output:
        """Values of the readout, and the spikes of the hidden layers.

        Args:
            x: [B, T, *in_shape] input spikes, or an analogue input of the first layer.
            draw: randomness of the strategies in a training step; layer i draws from stream i.
        """
        hidden: dict[str, Spikes] = {}
        *layers, readout = self.layers
        for i, layer in enumerate(layers):
            x = layer(x, draw.for_layer(i) if draw else None)
            if isinstance(layer, SpikingLayer):
                hidden[layer.name] = cast("Spikes", x)
        return read_out(readout, x, hidden, draw.for_layer(len(layers)) if draw else None)


def read_out(readout: nn.Module, x: Input, hidden: dict[str, Spikes], draw: Draw | None) -> Output:
    """The output of a network.

    Args:
        readout: its last layer.
        x: [B, T, N] input of that.
        hidden: spikes of the hidden layers.
        draw: randomness of output neurons that spike.
    """
    if isinstance(readout, SpikeCounts):
        return Output(readout(x, draw), hidden)
    values = readout(x)
    if isinstance(readout, LeakyReadout) and readout.every_step:
        return Output(reduced(values, readout.readout.reduce), hidden, values)
    return Output(values, hidden)
