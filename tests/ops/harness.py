"""Networks of random spikes, training steps of them on a backend, and comparisons of all that comes out of a step.

`check` holds a backend to the reference; `check_layer` holds a layer, of any backend, to the equations of `oracle`.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from snn_zo.neuron import RESETS, Neuron, Readout
from snn_zo.ops import Rows, Spikes, leaky_readout, spike_count_penalty, spiking_linear
from snn_zo.regularizer import SpikeCount
from snn_zo.strategies import Draw, LocalZO, Strategy
from tests.ops import oracle

if TYPE_CHECKING:
    from snn_zo.ops.triton.capacity import Plan

READOUT = Readout(tau=4.0, reduce="mean")
REGULARIZER = SpikeCount(upper=0.3, at_most=1.5, lower=0.1, at_least=3.0)
NEURONS = {
    f"{reset}-{'detached' if detach else 'attached'}": Neuron(tau=5.0, v_th=0.8, reset=reset, detach_reset=detach)
    for reset in RESETS
    for detach in (True, False)
}


# what a test puts above or inside a layer to see what it asks for


class Silent(LocalZO):
    """A strategy that must not be asked."""

    def gradient(self, u, draw=None):
        raise AssertionError("a gradient was made")


class Poison(torch.autograd.Function):
    """Identity whose gradient is NaN off the mask."""

    @staticmethod
    def forward(ctx, x, mask):
        ctx.save_for_backward(mask)
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        (mask,) = ctx.saved_tensors
        return grad.masked_fill(~mask, float("nan")), None


# networks


class Leaves(NamedTuple):
    """Leaves of a network: x [B, T, N_in]; weights and biases of its layers and its readout."""

    x: Tensor
    weights: list[Tensor]
    biases: list[Tensor | None]

    def twin(self) -> Leaves:
        return Leaves(*twin(self.x), list(twin(*self.weights)), list(twin(*self.biases)))

    def double(self) -> Leaves:
        x, weights, biases = (double(*parts) for parts in ((self.x,), self.weights, self.biases))
        return Leaves(*x, list(weights), list(biases))

    def grads(self) -> list[Tensor]:
        return [leaf.grad for leaf in (self.x, *self.weights, *self.biases) if leaf is not None and leaf.requires_grad]


class Step(NamedTuple):
    """What a training step comes out with."""

    layers: list[Spikes]
    logits: Tensor
    penalty: Tensor
    grads: list[Tensor]

    def everything(self) -> list[Tensor]:
        """All of it, for comparison bit for bit."""
        return [*parts_of(self.layers), *(part.detach() for part in (self.logits, self.penalty, *self.grads))]


def is_sparse(spikes: Spikes) -> bool:
    """Whether the active elements are listed, and not all elements are."""
    return isinstance(spikes.active, Rows)


def parts_of(layers: list[Spikes]) -> list[Tensor]:
    """All tensors of some spikes."""
    rows = [part for s in layers for part in (*s.events, *(s.active if is_sparse(s) else ()), s.g, s.handle)]
    return [part.detach() for part in rows]


def counts(b: int, t: int, n: int, share: float, dtype: torch.dtype = torch.float64) -> Tensor:
    """[B, T, N] spike counts, of which a share is not 0 and some are above 1."""
    return (torch.rand(b, t, n) < share).to(dtype) * torch.randint(1, 4, (b, t, n)).clamp(max=2).to(dtype)


def make(b=3, t=17, widths=(13, 11, 7, 3), bias=True, share=0.3, dtype=torch.float64, data=False) -> Leaves:
    """Two hidden layers and a readout; x is data, which wants no gradient, or a leaf like all others."""
    x = counts(b, t, widths[0], share, dtype).requires_grad_(not data)
    pairs = list(zip(widths[1:], widths[:-1], strict=True))
    weights = [(1.5 * torch.randn(n, m) / m**0.5).to(dtype).requires_grad_() for n, m in pairs]
    return Leaves(x, weights, [(torch.randn(n, dtype=dtype) / 5).requires_grad_() if bias else None for n, _ in pairs])


def make_layer(b=3, t=9, n=5, n_in=4, bias=True, dtype=torch.float64) -> tuple[Tensor, Tensor, Tensor | None]:
    """x, weight and bias of one layer, all leaves that want a gradient."""
    x = torch.randint(0, 3, (b, t, n_in)).to(dtype).requires_grad_()
    weight = (torch.randn(n, n_in, dtype=dtype) / 2).requires_grad_()
    return x, weight, (torch.randn(n, dtype=dtype) / 5).requires_grad_() if bias else None


def draw_for(b: int, layer: int = 0) -> Draw:
    return Draw(seed=3, layer=layer, step=20, sample=torch.arange(b) * 7 + 1)


# a step


def forward(
    backend: str, leaves: Leaves, neuron: Neuron, strategies: Strategy | list[Strategy], draw: Draw | None = None,
    readout: Readout = READOUT,
) -> tuple[list[Spikes], Tensor]:  # fmt: skip
    """Hidden spikes and logits."""
    x, weights, biases = leaves
    hidden = len(weights) - 1
    strategies = strategies if isinstance(strategies, list) else [strategies] * hidden
    draw = draw or draw_for(len(x))
    spikes, layers = Spikes.from_dense(x), []
    for i in range(hidden):
        spikes = spiking_linear(spikes, weights[i], biases[i], neuron, strategies[i], draw.for_layer(i), backend)
        layers.append(spikes)
    return layers, leaky_readout(spikes, weights[-1], biases[-1], readout, backend)


def train(backend: str, leaves: Leaves, *args, plan: Plan | None = None, **options) -> Step:
    """One training step from fresh leaves."""
    leaves = leaves.twin()
    with plan.step() if plan else nullcontext():
        layers, logits = forward(backend, leaves, *args, **options)
    penalty = sum(spike_count_penalty(spikes, REGULARIZER, backend) for spikes in layers)
    slope = torch.arange(1, logits.numel() + 1).sin().view(logits.shape).to(logits.dtype)
    ((logits * slope).sum() + penalty).backward()
    return Step(layers, logits, penalty, leaves.grads())


def spiking(x: Spikes, weight: Tensor, strategy: Strategy, neuron: Neuron | None = None, bias=None) -> Spikes:
    """One layer on the `cpu` backend."""
    return spiking_linear(x, weight, bias, neuron or Neuron(tau=5.0), strategy, draw_for(x.shape[0]), "cpu")


# comparisons


def twin(*tensors: Tensor | None) -> tuple[Tensor | None, ...]:
    """Fresh leaves of the same values and the same need of a gradient."""
    return tuple(None if x is None else x.detach().clone().requires_grad_(x.requires_grad) for x in tensors)


def double(*tensors: Tensor | None) -> tuple[Tensor | None, ...]:
    """The same in float64."""
    return tuple(None if x is None else x.detach().double().requires_grad_(x.requires_grad) for x in tensors)


def equal(actual: list[Tensor], expected: list[Tensor]) -> bool:
    return all(torch.equal(ours, theirs) for ours, theirs in zip(actual, expected, strict=True))


def assert_near(actual: Tensor, expected: Tensor, tolerance: float = 1e-12) -> None:
    """Equal but for rounding, measured against the largest element (at least 1)."""
    scale = max([1.0, *expected.abs().flatten().tolist()])
    torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance * scale)


def assert_grads_near(actual, expected, tolerance: float = 1e-12) -> None:
    """`assert_near` for the gradients of two lists of leaves, of which None and frozen ones are passed over."""
    for ours, theirs in zip(actual, expected, strict=True):
        if theirs is not None and theirs.requires_grad:
            assert ours.grad is not None
            assert_near(ours.grad.to(theirs.dtype), theirs.grad, tolerance)


def assert_same_spikes(actual: list[Spikes], expected: list[Spikes], tolerance: float = 1e-10) -> None:
    for ours, theirs in zip(actual, expected, strict=True):
        assert torch.equal(ours.to_dense(), theirs.to_dense())
        assert torch.equal(ours.active_elements(), theirs.active_elements())
        assert torch.equal(ours.by_neuron(), theirs.by_neuron())
        assert ours.event_count == theirs.event_count
        assert ours.record.drawn == theirs.record.drawn
        assert_near(ours.g[ours.g != 0], theirs.g[theirs.g != 0], tolerance)


def assert_same(actual: Step, expected: Step, tolerance: float = 1e-10) -> None:
    assert_same_spikes(actual.layers, expected.layers, tolerance)
    assert_near(actual.logits, expected.logits, tolerance)
    assert_near(actual.penalty, expected.penalty, tolerance)
    for ours, theirs in zip(actual.grads, expected.grads, strict=True):
        assert_near(ours, theirs, tolerance)


def check(backend: str, leaves: Leaves, *args, plan: Plan | None = None, **options) -> Step:
    """A training step against the reference."""
    ours = train(backend, leaves, *args, plan=plan, **options)
    assert_same(ours, train("reference", leaves, *args, **options))
    return ours


def check_layer(spikes: Spikes, leaves, expected: oracle.Layer, others, tolerance: float = 1e-12) -> Spikes:
    """A layer and the gradients of its leaves against the oracle's, which has the same leaves or more exact ones."""
    grad = torch.randn(expected.s.shape, dtype=expected.s.dtype)
    (spikes.to_dense() * grad.to(spikes.handle.dtype)).sum().backward()
    (expected.s * grad).sum().backward()
    assert torch.equal(spikes.to_dense().to(grad.dtype), expected.s)
    assert torch.equal(spikes.active_elements(), expected.active)
    assert_near(spikes.g[spikes.g != 0].to(grad.dtype), expected.g.flatten()[expected.active], tolerance)
    assert_grads_near(leaves, others, tolerance)
    return spikes
