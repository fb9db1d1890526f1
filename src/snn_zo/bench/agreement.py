"""Whether a contestant computes what it should: its gradients against a dense float64 network on the same spikes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from snn_zo.bench.contestants import Contestant, Inputs
from snn_zo.bench.network import features
from snn_zo.bench.peers import read_all
from snn_zo.ops import Spikes
from snn_zo.strategies import Draw

TOLERANCE = 1e-3
"""Largest relative norm error of a weight gradient, and largest share of spikes or active elements that differ."""

FEW = 3
"""Elements that may differ in any case: rounding decides on which side of a threshold an element is."""

CHUNK = 2_000_000
"""Elements of a float64 network that exist at a time: samples are taken in chunks."""


@dataclass
class Agreement:
    """What the comparison found.

    Attributes:
        spike_rate: of each hidden layer.
        active: fraction of elements with g != 0, of each hidden layer.
        gradient_error: |dW - dW64| / |dW64| of each weight.
        flipped: spikes on the other side of the threshold in float64, over all spikes.
        differs: local derivatives more than 1 % off, over all active elements.
        forms: of each hidden layer, as `Record.forms` has them; none of peers.
        reason: why the contestant must not be compared; None where it may.
    """

    spike_rate: list[float] = field(default_factory=list)
    active: list[float] = field(default_factory=list)
    gradient_error: list[float] = field(default_factory=list)
    flipped: float = 0.0
    differs: float = 0.0
    forms: list[dict[str, str]] = field(default_factory=list)
    reason: str | None = None


class _Forced(torch.autograd.Function):
    """The given spikes, with the local derivative g, which may be filled in until the backward runs."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, s: Tensor, g: Tensor) -> Tensor:
        ctx.g = g
        return s.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return grad * ctx.g, None, None


def compare(contestant: Contestant, inputs: Inputs) -> Agreement:
    """Run the contestant's step and the float64 network, and say what is dead, wrong or fine.

    The float64 network is given the contestant's spikes, so that one spike more or less does not hide what the
    backward pass does with them, and at elements whose g differs also its g. How many those are is checked apart.
    """
    loss, forward = contestant.loss()
    gradients = torch.autograd.grad(loss, contestant.weights)
    with torch.no_grad():
        spikes = [contestant.spikes(hidden) for hidden in forward.hidden]
        local = [contestant.local(hidden) for hidden in forward.hidden]
    forms = [hidden.record.forms() if isinstance(hidden, Spikes) else {} for hidden in forward.hidden]
    del loss, forward
    reference = Reference(contestant, inputs, spikes, local)
    size = max(1, CHUNK // max(1, sum(s[0].numel() for s in spikes)))
    for first in range(0, len(inputs.label), size):
        reference.add(slice(first, first + size))
    found = Agreement([float(s.mean()) for s in spikes], forms=forms)
    elements = [s.numel() for s in spikes]
    found.active = [active / n for active, n in zip(reference.active, elements, strict=True)]
    found.gradient_error = [
        float((g.double() - g64).norm() / g64.norm()) for g, g64 in zip(gradients, reference.gradients, strict=True)
    ]
    spiked, active = int(sum(s.sum() for s in spikes)), sum(reference.active)
    found.flipped, found.differs = reference.flipped / max(1, spiked), reference.differs / max(1, active)
    found.reason = _reason(found, reference, spiked, active)
    return found


def _reason(found: Agreement, reference: Reference, spiked: int, active: int) -> str | None:
    for i, (rate, fraction) in enumerate(zip(found.spike_rate, found.active, strict=True)):
        if rate == 0 or fraction == 0:
            return f"dead: hidden{i + 1} has no {'spike' if rate == 0 else 'active neuron'}"
    if reference.flipped > TOLERANCE * spiked + FEW:
        return f"wrong spikes: {reference.flipped} differ from the float64 neuron's, of {spiked}"
    if reference.differs > TOLERANCE * active + FEW:
        return f"wrong local derivative at {reference.differs} elements, of {active} active"
    for i, error in enumerate(found.gradient_error):
        if not error <= TOLERANCE:
            return f"wrong gradient: weight {i + 1} is off by {error:.2g} of its norm"
    return None


class Reference:
    """The network in float64, accumulated over chunks of samples.

    Attributes:
        gradients: of each weight.
        active: number of active elements of each hidden layer.
        flipped: number of spikes that float64 sees on the other side of the threshold.
        differs: number of elements at which g differs by more than 1 %.
    """

    def __init__(
        self, contestant: Contestant, inputs: Inputs, spikes: list[Tensor], local: list[Tensor | None]
    ) -> None:
        self.contestant, self.inputs, self.spikes, self.local = contestant, inputs, spikes, local
        self.weights = [weight.detach().double().requires_grad_() for weight in contestant.weights]
        self.gradients = [torch.zeros_like(weight) for weight in self.weights]
        self.active, self.flipped, self.differs = [0] * len(spikes), 0, 0

    def add(self, chunk: slice) -> None:
        """Add what these samples contribute."""
        last = self.contestant.channels_last
        s = features(self.inputs.x[:, chunk].double(), last)
        for i, (connection, weight) in enumerate(zip(self.contestant.connections, self.weights, strict=True)):
            current = connection.current(s, weight, last)
            if i < len(self.spikes):
                s = self._layer(i, chunk, current)
        logits = read_all(current, self.contestant.case.readout)
        loss = cross_entropy(logits, self.inputs.label[chunk], reduction="sum") / len(self.inputs.label)
        for total, gradient in zip(self.gradients, torch.autograd.grad(loss, self.weights), strict=True):
            total += gradient

    def _layer(self, i: int, chunk: slice, current: Tensor) -> Tensor:
        """[T, b, N] spikes of layer i for its current [T, b, N]."""
        neuron = self.contestant.case.neuron
        given = self.spikes[i][chunk].double().transpose(0, 1)
        g = torch.zeros_like(current)
        v = s = torch.zeros_like(current[0])
        us, out = [], []
        for current_t, given_t, g_t in zip(current, given, g, strict=True):
            reset = s.detach() if neuron.detach_reset else s
            if neuron.reset == "hard":
                v = neuron.beta * v * (1 - reset) + current_t
            elif neuron.reset == "soft":
                v = neuron.beta * v + current_t - self._subtracted() * reset
            else:
                v = neuron.beta * v + current_t
            us.append(v.detach() - neuron.v_th)
            s = _Forced.apply(v, given_t, g_t)
            out.append(s)
        u = torch.stack(us)
        self.flipped += int(((u > 0) != (given > 0)).sum())
        g.copy_(self._local(i, chunk, u))
        return torch.stack(out)

    def _subtracted(self) -> float:
        neuron = self.contestant.case.neuron
        return neuron.v_th * (neuron.beta if self.contestant.leaky_reset else 1.0)

    def _local(self, i: int, chunk: slice, u: Tensor) -> Tensor:
        """[T, b, N] the strategy's g at u, or the contestant's where rounding has decided otherwise."""
        case, seen = self.contestant.case, self.local[i]
        stream = self.contestant.connections[i].place
        sample = torch.arange(case.batch, device=u.device)[chunk]
        by_sample = u.transpose(0, 1).contiguous()
        expected = self.contestant.strategy.gradient(by_sample, Draw(case.seed, stream, 0, sample))
        if seen is None:
            self.active[i] += int((expected.float() != 0).sum())
            return expected.transpose(0, 1)
        given = seen[chunk].double()
        self.active[i] += int((given != 0).sum())
        scale = torch.maximum(expected.abs(), given.abs())
        differs = (expected - given).abs() > 1e-2 * scale + 1e-6 * expected.abs().max()
        self.differs += int(differs.sum())
        return torch.where(differs, given, expected).transpose(0, 1)
