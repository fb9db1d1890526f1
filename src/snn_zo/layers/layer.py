"""What every layer offers."""

from __future__ import annotations

import math
from abc import abstractmethod

from torch import nn

from snn_zo.energy import counts
from snn_zo.energy.activity import Activity, layer_activity
from snn_zo.energy.counts import FP32, Schedule, Search
from snn_zo.energy.inference import InferenceCounts
from snn_zo.energy.work import Work
from snn_zo.layers.recording import Done, note
from snn_zo.neuron import Neuron
from snn_zo.ops.spikes import Spikes
from snn_zo.strategies import Draw, Strategy

Shape = tuple[int, ...]
"""Of the features of one sample at one time step: (N,), or (C, H, W)."""


class Layer(nn.Module):
    """A part of a network that takes spikes in, and says what it did in a step and what that costs.

    A layer calls `snn_zo.layers.recording.note` in its `forward`.

    Args:
        name: by which tables, figures and logs know it; no two layers of a network share one.
        in_shape: feature shape of its input.
        out_shape: feature shape of its output.
    """

    def __init__(self, name: str, in_shape: Shape, out_shape: Shape) -> None:
        super().__init__()
        self.name, self.in_shape, self.out_shape = name, tuple(in_shape), tuple(out_shape)

    @property
    def inputs(self) -> int:
        """N_in, the product of `in_shape`."""
        return math.prod(self.in_shape)

    @property
    def neurons(self) -> int:
        """N, the product of `out_shape`."""
        return math.prod(self.out_shape)

    @property
    def products(self) -> int:
        """Multiply-adds of the dense product that makes the current of one sample at one time step."""
        return self.inputs * self.neurons

    @property
    def weights(self) -> int:
        """Number of weights, biases left out."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.dim() > 1)

    @property
    def search(self) -> Search:
        """How active elements are found."""
        return Search()

    @abstractmethod
    def activity(self, done: Done) -> Activity:
        """What happened in a training step, after its backward pass."""

    @abstractmethod
    def work(self, activity: Activity, plan: Schedule = FP32) -> dict[str, Work]:
        """Operations of that activity by phase, in the forms that were taken."""

    @abstractmethod
    def dense_work(self, activity: Activity, plan: Schedule = FP32) -> dict[str, Work]:
        """Operations by phase of full backpropagation on the same samples."""

    def inference(self, x: Spikes) -> InferenceCounts | None:
        """Synaptic operations of a batch, by the definitions of NeuroBench; None where a layer does not count them."""
        return None

    def extra_repr(self) -> str:
        """For `print`."""
        return f"{self.name}: {list(self.in_shape)} -> {list(self.out_shape)}"


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
    def forward(self, x: Spikes, draw: Draw | None = None) -> Spikes:
        """Spikes of the layer.

        Args:
            x: [B, T, *in_shape] input spikes.
            draw: randomness of the strategy in a training step, of this layer's own stream.
        """

    @property
    def has_bias(self) -> bool:
        """Whether something is added to every current."""
        return any(parameter.dim() == 1 for parameter in self.parameters())

    @property
    def search(self) -> Search:
        """That of the strategy."""
        return Search.of(self.strategy)

    def activity(self, done: Done) -> Activity:
        """From the lengths of index lists."""
        assert done.spikes is not None
        drawn = self.strategy.lookup == "drawn"
        found = layer_activity(done.x, done.spikes, self.neuron.reset, drawn)
        return found.of_connection(self.products, self.weights)

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
        note(self, x, record, spikes)
        return spikes


def layers_of(model: nn.Module) -> dict[str, Layer]:
    """The layers of a network by name, in the order in which it holds them.

    Raises:
        ValueError: it has none, or two layers share a name.
    """
    layers = [module for module in model.modules() if isinstance(module, Layer)]
    named = {layer.name: layer for layer in layers}
    if not layers:
        raise ValueError(f"{type(model).__name__} holds no snn_zo.layers.Layer that could say what it did")
    if len(named) < len(layers):
        raise ValueError(
            f"{type(model).__name__} has two layers of one name: {', '.join(each.name for each in layers)}"
        )
    return named
