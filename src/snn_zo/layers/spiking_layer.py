"""What layers of spiking neurons have in common, whatever drives them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace

from torch import Tensor, nn

from snn_zo.energy import counts
from snn_zo.energy.activity import Activity, layer_activity
from snn_zo.energy.connection import Connection
from snn_zo.energy.counts import FP32, Schedule, Search
from snn_zo.energy.work import Work
from snn_zo.layers.layer import Done, Layer, Shape
from snn_zo.neuron import Neuron
from snn_zo.ops.analogue import Analogue, Input
from snn_zo.ops.spikes import Spikes
from snn_zo.strategies import Draw, Strategy


class SpikingLayer(Layer):
    """A connection in front of leaky integrate-and-fire neurons.

    A subclass makes the current and the spikes in `forward`. Where it makes the current with torch's own dense
    operations and the spikes with `lif`, it says so by `dense_current`.

    Args:
        name, in_shape, out_shape: as of `Layer`.
        neuron: leak, threshold and reset.
        strategy: local derivative of the spikes.
        backend: `auto` or the name of a backend.
    """

    def __init__(
        self, name: str, in_shape: Shape, out_shape: Shape, neuron: Neuron, strategy: Strategy, backend: str = "auto"
    ) -> None:
        super().__init__(name, in_shape, out_shape)
        self.neuron, self.strategy, self.backend = neuron, strategy, backend

    @abstractmethod
    def forward(self, x: Input, draw: Draw | None = None) -> Spikes:
        """Spikes of the layer.

        Args:
            x: [B, T, *in_shape] input spikes, or an analogue input where the layer encodes one.
            draw: randomness of the strategy in a training step, of this layer's own stream.
        """

    @property
    def sizes(self) -> list[nn.Parameter]:
        """Parameters that the currents grow in proportion to, a bias left aside."""
        return [parameter for parameter in self.parameters() if parameter.dim() > 1]

    @property
    def has_bias(self) -> bool:
        """Whether something is added to every current."""
        return any(parameter.dim() == 1 for parameter in self.parameters())

    @property
    def search(self) -> Search:
        """That of the strategy."""
        return Search.of(self.strategy)

    def connected(self) -> Connection:
        """What is connected to what, as far as operations are counted from it."""
        full = Connection.full(self.inputs, self.neurons)
        return replace(full, products=self.products, weights=self.weights)

    def fan_out(self, x: Spikes) -> Tensor | None:
        """[N_in] how many neurons each input of x reaches; None where each reaches all."""
        return None

    def activity(self, done: Done) -> Activity:
        """From the lengths of index lists."""
        assert done.spikes is not None
        drawn = self.strategy.lookup == "drawn"
        x, encoded = (done.x.silent(), done.x.products) if isinstance(done.x, Analogue) else (done.x, 0)
        found = layer_activity(x, done.spikes, self.neuron.reset, drawn, self.connected(), self.fan_out(x))
        return replace(found, encoded=encoded)

    def work(self, activity: Activity, plan: Schedule = FP32) -> dict[str, Work]:
        """See `Layer.work`."""
        return counts.layer(activity, self.neuron, self.search, self.has_bias, plan)

    def dense_work(self, activity: Activity, plan: Schedule = FP32) -> dict[str, Work]:
        """See `Layer.dense_work`."""
        return counts.dense_layer(activity, self.neuron, self.has_bias, plan)

    def dense_current(self, x: Spikes, spikes: Spikes) -> Spikes:
        """Note that torch's dense operations made the current of `spikes`, and will make its gradients."""
        record = spikes.record
        record.forward = record.weight_gradient = record.input_gradient = "dense"
        record.to_input = x.handle.requires_grad
        self.note(x, record, spikes)
        return spikes
