"""Fully connected spiking network with a leaky readout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from snn_zo.layers import SpikingLinear
from snn_zo.layers.layer import Shape
from snn_zo.models.stack import Maker, OwnSettings, Stack
from snn_zo.neuron import CountReadout, Init, Neuron, NormName, Readout
from snn_zo.strategies import Strategy


class FeedForward(Stack):
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
        norm: normalisation of the hidden layers, `tdbn` or `weight`; see `snn_zo.layers.norm`.
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
        norm: NormName | None = None,
        layers: Mapping[str, OwnSettings] | None = None,
        backend: str = "auto",
        every_step: bool = False,
    ) -> None:
        maker = Maker(strategy, neuron, readout, init, gain, bias, norm, layers, backend, every_step)
        stack: list[SpikingLinear] = []
        for i, neurons in enumerate(hidden):
            stack.append(maker.linear(f"hidden{i + 1}", in_shape, neurons))
            in_shape = (neurons,)
        super().__init__(stack, maker.output(in_shape, outputs))
        maker.initialise(self.layers)
