"""What every layer offers, and how what the layers of a network did is gathered."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from torch import nn

from snn_zo.energy.activity import Activity
from snn_zo.energy.counts import FP32, Schedule, Search
from snn_zo.energy.inference import InferenceCounts
from snn_zo.energy.work import Work
from snn_zo.ops.analogue import Input
from snn_zo.ops.record import Record
from snn_zo.ops.spikes import Spikes

Shape = tuple[int, ...]
"""Of the features of one sample at one time step: (N,), or (C, H, W)."""


class Layer(nn.Module):
    """A part of a network that takes spikes in, and says what it did in a step and what that costs.

    A layer calls `note` in its `forward`.

    Args:
        name: by which tables, figures and logs know it; no two layers of a network share one.
        in_shape: feature shape of its input.
        out_shape: feature shape of its output.

    Raises:
        ValueError: one of these is no shape.
    """

    def __init__(self, name: str, in_shape: Shape, out_shape: Shape) -> None:
        super().__init__()
        for what, shape in (("in_shape", in_shape), ("out_shape", out_shape)):
            if not isinstance(shape, Sequence) or not all(isinstance(size, int) and size > 0 for size in shape):
                raise ValueError(f"{what} of {name} must be a shape such as (784,) or (2, 34, 34), got {shape!r}")
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

    def note(self, x: Input, record: Record, spikes: Spikes | None = None) -> None:
        """Say what the layer has just done, to whoever is `recording`.

        Args:
            x: its input.
            record: of its operation.
            spikes: what it emitted; None for a readout.
        """
        done = _recording.get()
        if done is not None:
            done.append(Done(self, x.detach(), record, None if spikes is None else spikes.detach()))

    @abstractmethod
    def activity(self, done: Done) -> Activity:
        """What happened in a training step, after its backward pass."""

    @abstractmethod
    def work(self, activity: Activity, plan: Schedule = FP32) -> dict[str, Work]:
        """Operations of that activity by phase, in the forms that were taken."""

    @abstractmethod
    def dense_work(self, activity: Activity, plan: Schedule = FP32) -> dict[str, Work]:
        """Operations by phase of full backpropagation on the same samples."""

    def inference(self, x: Input) -> InferenceCounts | None:
        """Synaptic operations of a batch, by the definitions of NeuroBench; None where a layer does not count them."""
        return None

    def extra_repr(self) -> str:
        """For `print`."""
        return f"{self.name}: {list(self.in_shape)} -> {list(self.out_shape)}"


class Done(NamedTuple):
    """What a layer did, without the autograd graph.

    Attributes:
        layer: that did it.
        x: its input.
        record: of its operation; complete after the backward pass.
        spikes: what it emitted; None for a readout.
    """

    layer: Layer
    x: Input
    record: Record
    spikes: Spikes | None


_recording: ContextVar[list[Done] | None] = ContextVar("recording", default=None)


@contextmanager
def recording() -> Iterator[list[Done]]:
    """Gather what the layers that are called inside do, in the order of the calls."""
    done: list[Done] = []
    token = _recording.set(done)
    try:
        yield done
    finally:
        _recording.reset(token)


def counted_layers(model: nn.Module) -> dict[str, Layer]:
    """The layers of a network by name, which together account for all of it.

    Raises:
        ValueError: it has none, two share a name, or a parameter belongs to none of them.
    """
    layers = layers_of(model)
    known = {id(parameter) for layer in layers.values() for parameter in layer.parameters()}
    for name, parameter in model.named_parameters():
        if id(parameter) not in known:
            raise ValueError(f"parameter {name} of {type(model).__name__} belongs to no snn_zo.layers.Layer")
    return layers


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
