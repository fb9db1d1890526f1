"""Other implementations of the same training step, with a sigmoid surrogate; each is imported when it takes part."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from snn_zo.bench.contestants import Contestant, Entry, Forward, Inputs
from snn_zo.bench.network import features
from snn_zo.bench.settings import PEERS, BenchSettings
from snn_zo.network import Shape
from snn_zo.neuron import Neuron, Readout
from snn_zo.strategies import Surrogate


class Peer(Contestant):
    """Plain weights on dense input [T, B, N_in], which needs no gradient.

    Args:
        case, inputs: what is computed.
        channels_last: whether images, weights of convolutions and neurons have torch's memory format of that name.
    """

    def __init__(self, case: BenchSettings, inputs: Inputs, channels_last: bool = True) -> None:
        super().__init__(case, inputs)
        self.channels_last, self.neuron, self.readout = channels_last, case.neuron, case.readout
        self.x = features(inputs.x, channels_last)
        self.strategy = Surrogate("sigmoid", case.peer_slope)
        self.use([torch.nn.Parameter(self._empty(connection.weight_shape)) for connection in self.connections])
        self.given = [self.x, self.label]

    def _empty(self, shape: Shape) -> Tensor:
        convolves = len(shape) == 4 and self.channels_last
        memory_format = torch.channels_last if convolves else torch.contiguous_format
        return torch.empty(shape, device=self.case.device, memory_format=memory_format)

    def current(self, i: int, s: Tensor) -> Tensor:
        """[..., N] current of the i-th layer of neurons, the readout being the last, for its input [..., N_in]."""
        return self.connections[i].current(s, self.weights[i], self.channels_last)

    def zeros(self) -> list[Tensor]:
        """[B, N] of each hidden layer."""
        return [self.x.new_zeros(self.x.shape[1], connection.neurons) for connection in self.connections[:-1]]

    @abstractmethod
    def forward(self, step: int = 0) -> Forward:
        """See `Contestant.forward`."""

    def spikes(self, hidden: Tensor | list[Tensor]) -> Tensor:
        """See `Contestant.spikes`."""
        return (torch.stack(hidden) if isinstance(hidden, list) else hidden).detach().transpose(0, 1)


class Loop(Peer):
    """The network step by step in plain torch, all layers within a time step."""

    note = "plain torch, one time step of all layers after the other"

    def forward(self, step: int = 0) -> Forward:
        """See `Contestant.forward`."""
        v, spikes = self.zeros(), self.zeros()
        hidden: list[list[Tensor]] = [[] for _ in v]
        read = Reader(self.readout)
        for s in self.x:
            for i in range(len(v)):
                v[i] = membrane(v[i], spikes[i], self.current(i, s), self.neuron)
                s = spikes[i] = sigmoid_spike(v[i], self.neuron.v_th, self.case.peer_slope)
                hidden[i].append(s)
            read.step(self.current(-1, s))
        return Forward(read.result(), hidden)


class Unbind(Peer):
    """Layer by layer in plain torch: one GEMM or convolution over all time steps, then the neurons over `unbind`."""

    note = (
        "plain torch, layer by layer: one GEMM or convolution over all time steps, neurons over unbind, readout as one "
        "GEMM over time"
    )

    def forward(self, step: int = 0) -> Forward:
        """See `Contestant.forward`."""
        s, hidden = self.x, []
        for i in range(len(self.connections) - 1):
            s = self._layer(self.current(i, s))
            hidden.append(s)
        return Forward(read_all(self.current(-1, s), self.readout), hidden)

    def _layer(self, current: Tensor) -> Tensor:
        v = s = torch.zeros_like(current[0])
        steps = []
        for current_t in current.unbind(0):
            v = membrane(v, s, current_t, self.neuron)
            s = sigmoid_spike(v, self.neuron.v_th, self.case.peer_slope)
            steps.append(s)
        return torch.stack(steps)


class SnnTorch(Peer):
    """snnTorch's `Leaky`, step by step."""

    MECHANISMS = {"soft": "subtract", "hard": "zero", "none": "none"}  # noqa: RUF012

    def __init__(self, case: BenchSettings, inputs: Inputs) -> None:
        super().__init__(case, inputs)
        from snntorch import Leaky, SpikingNeuron

        if not self.neuron.detach_reset:
            raise ValueError("impossible: snnTorch always detaches the reset")
        self.note = (
            f"snnTorch {version('snntorch')} Leaky(reset_delay=True); spike_grad is a sigmoid that does not overflow, "
            "as its own is NaN far below the threshold"
        )
        spike = partial(sigmoid_spike, threshold=0.0, slope=case.peer_slope)
        settings: dict[str, Any] = {"beta": self.neuron.beta, "threshold": self.neuron.v_th, "spike_grad": spike}
        settings |= {"reset_mechanism": self.MECHANISMS[self.neuron.reset], "reset_delay": True}
        self.neurons = [Leaky(**settings).to(case.device) for _ in case.neurons]
        del SpikingNeuron.instances[-len(self.neurons) :]  # a global list that would keep them for ever

    def forward(self, step: int = 0) -> Forward:
        """See `Contestant.forward`."""
        v = [neuron.reset_mem() for neuron in self.neurons]
        hidden: list[list[Tensor]] = [[] for _ in v]
        read = Reader(self.readout)
        for s in self.x:
            for i, neuron in enumerate(self.neurons):
                s, v[i] = neuron(self.current(i, s), v[i])
                hidden[i].append(s)
            read.step(self.current(-1, s))
        return Forward(read.result(), hidden)


class SpikingJelly(Peer):
    """SpikingJelly's `LIFNode` over all time steps at once."""

    leaky_reset = True

    def __init__(self, case: BenchSettings, inputs: Inputs, channels_last: bool = True) -> None:
        super().__init__(case, inputs, channels_last)
        logging.getLogger("torch._library.triton").setLevel(logging.ERROR)  # it warns of every operator without triton
        from spikingjelly.activation_based import neuron, surrogate

        if self.neuron.reset == "none" or self.neuron.beta == 1:
            raise ValueError("impossible: SpikingJelly's LIFNode has a leak and a reset")
        operator = "the fastest of its operators" if case.device == "cuda" else "its torch operator sj_lif"
        self.note = (
            f"SpikingJelly {version('spikingjelly')} LIFNode(step_mode='m', decay_input=False), {operator}; "
            f"{self._connected} and readout over all time steps"
        )
        if self.neuron.reset == "soft":
            self.note += "; soft reset beta (v - v_th s), matched by spike rate"
        settings: dict[str, Any] = {"tau": 1 / (1 - self.neuron.beta), "decay_input": False, "step_mode": "m"}
        settings |= {"v_threshold": self.neuron.v_th, "v_reset": None if self.neuron.reset == "soft" else 0.0}
        settings |= {"detach_reset": self.neuron.detach_reset}
        sigmoid = surrogate.Sigmoid(alpha=case.peer_slope)
        self.neurons = [neuron.LIFNode(surrogate_function=sigmoid, **settings).to(case.device) for _ in case.neurons]

    @property
    def _connected(self) -> str:
        if len(self.case.in_shape) == 1:
            return "GEMMs"
        return f"convolutions in the memory format {'channels_last' if self.channels_last else 'contiguous'}"

    def forward(self, step: int = 0) -> Forward:
        """See `Contestant.forward`; neurons see [T, B, N], which is the format of the convolutions to them."""
        s, hidden = self.x, []
        for i, neuron in enumerate(self.neurons):
            neuron.reset()
            s = neuron(self.current(i, s))
            hidden.append(s)
        return Forward(read_all(self.current(-1, s), self.readout), hidden)


class SigmoidSpike(torch.autograd.Function):
    """s = 1(v > threshold), ds/dv = k p (1 - p) with p = sigmoid(-k |v - threshold|), which cannot overflow."""

    @staticmethod
    def forward(ctx: Any, v: Tensor, threshold: float, slope: float) -> Tensor:
        """Keeps v only."""
        ctx.save_for_backward(v)
        ctx.threshold, ctx.slope = threshold, slope
        return (v > threshold).to(v.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        """In place where it can be."""
        (v,) = ctx.saved_tensors
        p = (v - ctx.threshold).abs_().mul_(-ctx.slope).sigmoid_()
        return p.sub_(p * p).mul_(grad).mul_(ctx.slope), None, None


def sigmoid_spike(v: Tensor, threshold: float, slope: float) -> Tensor:
    """`SigmoidSpike` as a function."""
    return SigmoidSpike.apply(v, threshold, slope)


def membrane(v: Tensor, s: Tensor, current: Tensor, neuron: Neuron) -> Tensor:
    """v[t] from v[t-1] and s[t-1], in as few operations as torch has for it."""
    s = s.detach() if neuron.detach_reset else s
    if neuron.reset == "hard":
        return torch.addcmul(current, v, 1 - s, value=neuron.beta)
    if neuron.reset == "soft":
        current = torch.sub(current, s, alpha=neuron.v_th)
    return torch.add(current, v, alpha=neuron.beta)


class Reader:
    """The leaky readout step by step."""

    def __init__(self, readout: Readout) -> None:
        self.readout = readout
        self.steps: list[Tensor] = []

    def step(self, current: Tensor) -> None:
        """Take in the current [B, C] of a time step."""
        o = (1 - self.readout.beta) * current
        self.steps.append(torch.add(o, self.steps[-1], alpha=self.readout.beta) if self.steps else o)

    def result(self) -> Tensor:
        """[B, C] logits."""
        return self.readout.scale * reduce(torch.stack(self.steps), self.readout.reduce)


def read_all(current: Tensor, readout: Readout) -> Tensor:
    """[B, C] logits from the currents [T, B, C] of all time steps: o = D I with D[t, r] = (1 - beta) beta^(t - r)."""
    steps = torch.arange(len(current), device=current.device, dtype=current.dtype)
    lag = steps[:, None] - steps
    decay = torch.where(lag >= 0, (1 - readout.beta) * readout.beta ** lag.clamp(min=0), 0.0)
    if readout.reduce == "max":
        return readout.scale * reduce((decay @ current.flatten(1)).view_as(current), "max")
    return readout.scale * torch.tensordot(reduce(decay, readout.reduce), current, 1)


def reduce(o: Tensor, how: str) -> Tensor:
    """Reduction over time, the first axis."""
    if how == "last":
        return o[-1]
    return o.max(0).values if how == "max" else getattr(o, how)(0)


MAKERS: dict[str, Callable[[BenchSettings, Inputs], Contestant]] = dict(
    zip(PEERS, (Loop, Unbind, SnnTorch, SpikingJelly), strict=True)
)


def peers(names: Sequence[str] | None, images: bool = False) -> tuple[list[Entry], list[str]]:
    """The peers of these names (all, for None) that can take part, and those that are not installed.

    Where the input is images, plain torch and snnTorch have their channels last, and SpikingJelly takes part once in
    each memory format.
    """
    chosen = list(PEERS if names is None else names)
    missing = [name for name in chosen if name in ("snntorch", "spikingjelly") and not _installed(name)]
    return [entry for name in chosen if name not in missing for entry in _entries(name, images)], missing


def _entries(name: str, images: bool) -> list[Entry]:
    if name != "spikingjelly" or not images:
        return [Entry(name, MAKERS[name], peer=True)]
    formats = {"channels_last": True, "contiguous": False}
    return [
        Entry(f"{name}/{label}", partial(SpikingJelly, channels_last=last), peer=True)
        for label, last in formats.items()
    ]


def _installed(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False
