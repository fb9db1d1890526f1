"""Who is timed: our strategies and backends here, other implementations in `snn_zo.bench.peers`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from snn_zo.bench.network import connections
from snn_zo.bench.settings import BenchSettings
from snn_zo.data.store import Batch
from snn_zo.layers import SpikingLayer, layers_of
from snn_zo.models import Conv
from snn_zo.ops import Spikes
from snn_zo.ops.backends import captured
from snn_zo.ops.spikes import EVERYWHERE
from snn_zo.strategies import Draw, Strategy
from snn_zo.training.replay import Replay, for_replay
from snn_zo.training.step import Step


class Inputs(NamedTuple):
    """A batch, made outside of every timing.

    Attributes:
        x: [T, B, N_in] or [T, B, C, H, W] float, 0 or 1: independent spikes at the rate asked for. Time first, as peers
            want it.
        label: [B] int64.
    """

    x: Tensor
    label: Tensor

    @classmethod
    def random(cls, case: BenchSettings) -> Inputs:
        """The same batch for the same seed and sizes, in every process."""
        generator = torch.Generator().manual_seed(case.seed)
        x = torch.rand(case.steps, case.batch, *case.in_shape, generator=generator) < case.input_rate
        label = torch.randint(case.classes, (case.batch,), generator=generator)
        return cls(x.float().to(case.device), label.to(case.device))


class Forward(NamedTuple):
    """Result of a forward pass.

    Attributes:
        logits: [B, C].
        hidden: of each hidden layer, its spikes in the contestant's own form.
    """

    logits: Tensor
    hidden: Sequence[Any]


class Contestant(ABC):
    """A network and its input, ready for training steps.

    Attributes:
        connections: what is in front of each layer of neurons, and of the readout.
        weights: of each connection.
        strategy: local derivative of its hidden layers.
        given: tensors that are there before a step begins, besides the weights.
        note: what was chosen among what the implementation offers.
        channels_last: how the neurons of a convolution are numbered, and so the inputs of a full connection behind it.
        leaky_reset: whether the soft reset is beta (v - v_th s) and not beta v - v_th s.
    """

    note = ""
    channels_last = True
    leaky_reset = False
    strategy: Strategy
    weights: list[torch.nn.Parameter]
    given: list[Tensor]

    def __init__(self, case: BenchSettings, inputs: Inputs) -> None:
        self.case, self.label = case, inputs.label
        self.connections = connections(case.in_shape, case.hidden, case.classes)

    def use(self, weights: Sequence[torch.nn.Parameter]) -> None:
        """Take these parameters, give them the initial values that all contestants share, and make the optimizer.

        At learning rate 0, Adam computes what it always computes, and the calibrated spike rates do not drift.
        """
        self.weights = list(weights)
        generator = torch.Generator().manual_seed(self.case.seed + 1)
        for weight in self.weights:
            values = torch.randn(weight.shape, generator=generator) / weight[0].numel() ** 0.5
            weight.data.copy_(values)
        self.make_optimizer = partial(torch.optim.Adam, lr=0.0, fused=self.case.device == "cuda")
        self.optimizer = self.make_optimizer(self.weights)

    whole_step: Callable[[int], None] | None = None
    """Does a training step in one piece, where it has no parts that could be timed apart."""

    def loss(self, step: int = 0) -> tuple[Tensor, Forward]:
        """Cross-entropy of a forward pass; step is the optimizer step that random draws are keyed by."""
        forward = self.forward(step)
        return cross_entropy(forward.logits, self.label), forward

    @abstractmethod
    def forward(self, step: int = 0) -> Forward:
        """The forward pass that is timed."""

    @abstractmethod
    def spikes(self, hidden: Any) -> Tensor:
        """[B, T, N] spikes of a hidden layer, in the contestant's order of neurons."""

    def carrier(self, hidden: Any) -> Tensor | None:
        """The tensor whose gradient a hidden layer's backward begins with, or None where there is no single one."""
        return hidden if isinstance(hidden, Tensor) else None

    def local(self, hidden: Any) -> Tensor | None:
        """[B, T, N] local derivative that the backward pass will use, in the same order; None where nobody sees it."""
        return None


class Ours(Contestant):
    """`snn_zo.models.Conv` with a strategy and a backend, on packed events."""

    def __init__(self, case: BenchSettings, inputs: Inputs, strategy: Strategy, backend: str) -> None:
        super().__init__(case, inputs)
        network = Conv(
            case.in_shape, case.classes, strategy, case.hidden,
            neuron=case.neuron, readout=case.readout, backend=backend,
        )  # fmt: skip
        self.network = network.to(case.device)
        self.use(list(self.network.parameters()))
        self.x = Spikes.from_dense(inputs.x.transpose(0, 1))
        self.sample = torch.arange(case.batch, device=case.device)
        self.given = [
            *self.x.events,
            *(() if self.x.active is EVERYWHERE else self.x.active),
            self.x.g,
            self.x.handle,
            self.sample,
            self.label,
        ]

    @property
    def strategy(self) -> Strategy:
        """That of every layer."""
        return self._spiking[0].strategy

    @strategy.setter
    def strategy(self, strategy: Strategy) -> None:
        for layer in self._spiking:
            layer.strategy = strategy

    @property
    def _spiking(self) -> list[SpikingLayer]:
        return [layer for layer in layers_of(self.network).values() if isinstance(layer, SpikingLayer)]

    def forward(self, step: int = 0) -> Forward:
        """See `Contestant.forward`."""
        output = self.network(self.x, Draw(self.case.seed, 0, step, self.sample))
        return Forward(output.readout, list(output.hidden.values()))

    def spikes(self, hidden: Spikes) -> Tensor:
        """See `Contestant.spikes`."""
        return hidden.detach().view(hidden.shape[2]).to_dense()

    def local(self, hidden: Spikes) -> Tensor:
        """See `Contestant.local`."""
        g = torch.zeros(hidden.shape, dtype=hidden.g.dtype, device=hidden.g.device)
        elements = hidden.active_elements()
        g.view(-1)[elements] = hidden.g[hidden.g != 0]
        return g

    def carrier(self, hidden: Spikes) -> Tensor:
        """See `Contestant.carrier`."""
        return hidden.handle


class Captured(Ours):
    """The same, its whole training step replayed from a CUDA graph."""

    def __init__(self, case: BenchSettings, inputs: Inputs, strategy: Strategy, backend: str) -> None:
        if case.device != "cuda":
            raise ValueError("impossible: a CUDA graph needs device=cuda")
        super().__init__(case, inputs, strategy, backend)
        self.batch = Batch(self.x, self.label, self.sample)
        optimizer = for_replay(self.make_optimizer, self.weights, self.label.device)
        self.replay = Replay(self._compute, optimizer)

    def _compute(self, batch: Batch, step: Tensor) -> Step:
        output = self.network(batch.spikes, Draw(self.case.seed, 0, step, batch.sample))
        loss = cross_entropy(output.readout, batch.target)
        return Step(loss, loss, None, output.readout, output.hidden, [])

    def whole_step(self, step: int) -> None:
        """See `Contestant.whole_step`."""
        self.replay(self.batch, step)


class Entry(NamedTuple):
    """Someone who takes part.

    Attributes:
        name: in tables.
        make: builds the contestant; can be pickled, as memory is measured in another process.
        peer: whether it is someone else's implementation.
    """

    name: str
    make: Callable[[BenchSettings, Inputs], Contestant]
    peer: bool = False


def ours(strategies: dict[str, Strategy], backends: Sequence[str], graph: bool = False) -> list[Entry]:
    """Every strategy on every backend; with `graph` also captured, on the backend that can be."""
    kinds: list[tuple[str, Callable[..., Ours]]] = [(backend, Ours) for backend in backends]
    if graph:
        kinds += [(f"{backend}+graph", Captured) for backend in backends if captured(backend)]
    return [
        Entry(f"{name}/{label}", partial(kind, strategy=strategy, backend=label.partition("+")[0]))
        for (name, strategy) in strategies.items()
        for (label, kind) in kinds
    ]
