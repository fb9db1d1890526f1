"""Training steps of networks and layers of the `cpu` backend against the reference: spikes and all gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from snn_zo.neuron import REDUCTIONS, Neuron, Readout
from snn_zo.ops import Spikes, leaky_readout, lif, spike_count_penalty, spiking_linear
from snn_zo.strategies import LocalZO, SparseSurrogate, Surrogate
from tests.ops.cpu.cases import EVERY, FEW, SPARSE, Given, Twice, every_strategy_or_neuron, over
from tests.ops.harness import (
    NEURONS,
    READOUT,
    REGULARIZER,
    Leaves,
    assert_near,
    assert_same_spikes,
    check,
    counts,
    draw_for,
    forward,
    is_sparse,
    make,
    spiking,
    train,
)


@over(EVERY)
def test_network_every_strategy(neuron, strategy):
    step = check("cpu", make(), neuron, strategy)
    assert all(0 < len(spikes.events.col) < spikes.handle.new_empty(spikes.shape).numel() for spikes in step.layers)
    assert all(spikes.active_count > 0 for spikes in step.layers)


@pytest.mark.parametrize("reduce", REDUCTIONS)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@over(FEW)
def test_network_every_readout(strategy, reduce, bias):
    check("cpu", make(bias=bias), Neuron(tau=5.0), strategy, readout=Readout(tau=3.0, reduce=reduce, scale=2.5))


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@over(FEW)
def test_network_bias(neuron, strategy, bias):
    check("cpu", make(bias=bias), neuron, strategy)


SHAPES = {
    "ones": (1, 1, (1, 1, 1, 1)),
    "one step": (4, 1, (5, 6, 7, 2)),
    "one sample": (1, 13, (5, 6, 7, 2)),
    "words of flags": (2, 7, (3, 8, 9, 2)),
    "more words of flags": (2, 5, (3, 63, 65, 1)),
    "wider than a block": (2, 3, (4, 530, 9, 2)),
    "inputs in several ranges": (2, 4, (1100, 33, 5, 2)),
    "pieces of the readout": (33, 3, (5, 6, 7, 2)),
}


@pytest.mark.parametrize(("b", "t", "widths"), SHAPES.values(), ids=SHAPES)
@over(FEW)
def test_network_shapes(neuron, strategy, b, t, widths):
    check("cpu", make(b, t, widths), neuron, strategy)


@pytest.mark.parametrize("share", [0.0, 1.0])
@over(FEW)
def test_network_constant_input(neuron, strategy, share):
    """Empty recordings, and inputs that all spike at every step."""
    check("cpu", make(share=share), neuron, strategy)


@over(FEW)
def test_network_some_empty_recordings(neuron, strategy):
    leaves = make(b=5)
    with torch.no_grad():
        leaves.x[[0, 3]] = 0
    check("cpu", leaves, neuron, strategy)


@over(FEW)
def test_network_repeated_counts(neuron, strategy):
    leaves = make()
    with torch.no_grad():
        leaves.x.copy_(7 * (leaves.x > 0))
    check("cpu", leaves, neuron, strategy)


def test_network_nothing_active(neuron):
    step = check("cpu", make(), neuron, SparseSurrogate(Surrogate(), b_th=1e-12))
    assert [spikes.active_count for spikes in step.layers] == [0, 0]
    assert not any(grad.count_nonzero() for grad in (step.grads[0], *step.grads[1:3]))


@pytest.mark.parametrize("reach", [None, 1e3], ids=["everything", "window"])
def test_network_everything_active(neuron, reach):
    surrogate = Surrogate("fast_sigmoid", 1.0)
    step = check("cpu", make(), neuron, SparseSurrogate(surrogate, b_th=reach) if reach else surrogate)
    assert [spikes.active_count for spikes in step.layers] == [3 * 17 * 11, 3 * 17 * 7]
    assert [is_sparse(spikes) for spikes in step.layers] == [reach is not None] * 2


@over(SPARSE)
def test_network_batch_split(strategy):
    """The same spikes and draws to the last bit, and gradients that add up."""
    leaves, parts = make(b=5), (slice(0, 2), slice(2, 5))
    neuron = NEURONS["hard-attached"]
    whole = train("cpu", leaves, neuron, strategy, draw_for(5))
    steps = []
    for part in parts:
        draw = replace(draw_for(5), sample=draw_for(5).sample[part])
        steps.append(train("cpu", leaves._replace(x=leaves.x[part].detach().requires_grad_()), neuron, strategy, draw))
    for layer, spikes in enumerate(whole.layers):
        halves = [step.layers[layer] for step in steps]
        shift = 2 * spikes.shape[1] * spikes.shape[2]
        assert torch.equal(torch.cat([half.to_dense() for half in halves]), spikes.to_dense())
        elements = torch.cat([halves[0].active_elements(), halves[1].active_elements() + shift])
        assert torch.equal(elements, spikes.active_elements())
        assert torch.equal(torch.cat([half.g for half in halves]), spikes.g)
    assert torch.equal(torch.cat([step.logits for step in steps]), whole.logits)


def test_network_batch_split_sums(neuron):
    leaves = make(b=5)
    strategy, slope = LocalZO(delta=0.4, samples=5), torch.randn(5, 3, dtype=torch.float64)

    def grads(part: slice) -> list[Tensor]:
        fresh = leaves._replace(x=leaves.x[part].detach().requires_grad_()).twin()
        _, logits = forward("cpu", fresh, neuron, strategy, replace(draw_for(5), sample=draw_for(5).sample[part]))
        (logits * slope[part]).sum().backward()
        return fresh.grads()

    whole, first, second = grads(slice(0, 5)), grads(slice(0, 2)), grads(slice(2, 5))
    assert torch.equal(torch.cat([first[0], second[0]]), whole[0])
    for a, b, both in zip(first[1:], second[1:], whole[1:], strict=True):
        assert_near(a + b, both, 1e-12)


@pytest.mark.parametrize("tau", [math.inf, 20.0, 1e-3])
def test_network_long(tau):
    check("cpu", make(b=1, t=2000, widths=(5, 4, 3, 2)), Neuron(tau=tau), LocalZO(delta=0.4))


@pytest.mark.parametrize("strategy", [Twice("triangular", 2.0), Twice("sigmoid", 3.0)], ids=["window", "everything"])
def test_network_subclass_of_a_known_strategy(strategy):
    """`gradient` says what g is, also where it is not what the parent class says."""
    check("cpu", make(), Neuron(tau=5.0), strategy)


HALF = 1 / math.log(2)
"""tau with beta = 1/2 exactly."""


def dyadic(b=3, t=9, widths=(13, 11, 7, 3), dtype=torch.float32) -> Leaves:
    """Weights so short that v is exact in float32 where beta = 1/2: no order of a sum can change a spike."""

    def rounded(x: Tensor, scale: float) -> Tensor:
        return ((8 * scale * x).round() / 8).to(dtype).requires_grad_()

    x, weights, biases = make(b, t, widths)
    return Leaves(
        x.detach().to(dtype).requires_grad_(),
        [rounded(weight.detach(), 1.0) for weight in weights],
        [rounded(bias.detach(), 1.0) for bias in biases],
    )


@every_strategy_or_neuron()
def test_network_float32(strategy, neuron):
    """Against float64 with the same spikes, which short weights make sure of, and the same g."""
    neuron = Neuron(tau=HALF, v_th=0.75, reset=neuron.reset, detach_reset=neuron.detach_reset)
    readout, leaves = Readout(tau=HALF, reduce="max"), dyadic()
    ours = train("cpu", leaves, neuron, strategy, readout=readout)
    given = []
    for spikes in ours.layers:
        g = torch.zeros(spikes.shape, dtype=torch.float64)
        g.view(-1)[spikes.active_elements()] = spikes.g[spikes.g != 0].double()
        given.append(Given(g))
    theirs = train("reference", leaves.double(), neuron, given, readout=readout)
    for single, exact in zip(ours.layers, theirs.layers, strict=True):
        assert single.handle.dtype == single.g.dtype == torch.float32
        assert torch.equal(single.to_dense().double(), exact.to_dense())
    for single, exact in zip(ours.grads, theirs.grads, strict=True):
        assert single.dtype == torch.float32
        assert float((single - exact).norm()) <= 1e-5 * float(exact.norm())


@pytest.mark.parametrize("share", [0.02, 0.9])
@over(FEW)
def test_network_under_autocast(strategy, share):
    """The loops compute in the type of the weights, and so does a product in their place."""
    leaves = make(share=share, dtype=torch.float32)
    plain, logits = forward("cpu", leaves, Neuron(tau=5.0), strategy)
    with torch.autocast("cpu", torch.bfloat16):
        mixed, others = forward("cpu", leaves, Neuron(tau=5.0), strategy)
    assert_same_spikes(mixed, plain, 0.0)
    assert torch.equal(others, logits)
    others.sum().backward()
    assert {grad.dtype for grad in leaves.grads()} == {torch.float32}


def views(n: int, m: int) -> dict[str, tuple[Tensor, Callable[[Tensor], Tensor]]]:
    """Leaves, and how a weight [n, m] is read from each."""
    return {
        "transposed": (torch.randn(m, n), lambda leaf: leaf.t()),
        "part": (torch.randn(n * m + 5), lambda leaf: leaf[3 : 3 + n * m].view(n, m)),
        "strided": (torch.randn(2 * n, 2 * m), lambda leaf: leaf[::2, ::2]),
        "expanded": (torch.randn(n, 1), lambda leaf: leaf.expand(n, m)),
    }


@pytest.mark.parametrize("share", [0.05, 0.5], ids=["events", "product"])
@pytest.mark.parametrize("name", views(1, 1))
@over(FEW)
def test_network_weight_is_a_view(strategy, name, share):
    x, found = counts(3, 9, 13, share), []
    made = [views(11, 13)[name], views(2, 11)[name]]
    for backend in ("cpu", "reference"):
        own = [leaf.double().requires_grad_() for leaf, _ in made]
        (first, last), neuron = [read(leaf) for leaf, (_, read) in zip(own, made, strict=True)], Neuron(tau=5.0)
        spikes = spiking_linear(Spikes.from_dense(x), first, first[:, 0], neuron, strategy, draw_for(3), backend)
        leaky_readout(spikes, last, last[:, 1], READOUT, backend).sin().sum().backward()
        found.append((spikes, [leaf.grad for leaf in own]))
    assert_same_spikes([found[0][0]], [found[1][0]])
    for ours, theirs in zip(found[0][1], found[1][1], strict=True):
        assert_near(ours, theirs, 1e-10)


@over(FEW)
def test_spikes_with_many_consumers(strategy, neuron):
    leaves, found = make(), []
    upper = torch.randn(2, 5, 11, dtype=torch.float64)
    for backend in ("cpu", "reference"):
        x, (weight, *_), (bias, *_) = mine = leaves.twin()
        spikes = spiking_linear(Spikes.from_dense(x), weight, bias, neuron, strategy, draw_for(3), backend)
        above = [spiking_linear(spikes, part, None, neuron, strategy, draw_for(3), backend) for part in upper]
        loss = sum((part.to_dense() * (i + 1.5)).sum() for i, part in enumerate(above))
        loss = loss + leaky_readout(spikes, upper[0], None, READOUT, backend).sin().sum()
        loss = loss + spikes.to_dense().sum() + spikes.count().square().sum()
        (loss + spike_count_penalty(spikes, REGULARIZER, backend)).backward()
        found.append((spikes, [grad for grad in mine.grads() if grad is not None]))
    assert_same_spikes([found[0][0]], [found[1][0]])
    for ours, theirs in zip(found[0][1], found[1][1], strict=True):
        assert_near(ours, theirs, 1e-10)


@pytest.mark.parametrize("reduce", REDUCTIONS)
@pytest.mark.parametrize("at", ["first step", "last step"])
def test_leaky_readout_shows_nan(reduce, at):
    """A weight that diverged is not hidden: logits are NaN where the reference's are."""
    x = torch.zeros(2, 5, 3)
    x[:, 2, 1] = 1
    x[0, 0 if at == "first step" else 4, 0] = 1
    weight = torch.ones(2, 3)
    weight[0, 0] = math.nan
    logits = leaky_readout(Spikes.from_dense(x), weight, None, Readout(tau=3.0, reduce=reduce), "cpu")
    assert logits.isnan().tolist() == [[True, False], [False, False]]


@pytest.mark.parametrize("strategy", [LocalZO(delta=0.4), Surrogate("sigmoid", 3.0)], ids=["local_zo", "sigmoid"])
def test_spiking_linear_no_samples(strategy):
    """A batch of none, as the reference takes it."""
    x, weight = torch.zeros(0, 5, 4), torch.randn(3, 4, requires_grad=True)
    spikes = spiking(Spikes.from_dense(x), weight, strategy)
    spikes.count().sum().backward()
    assert spikes.shape == (0, 5, 3)
    assert not weight.grad.count_nonzero()


def test_spiking_linear_no_inputs():
    """A layer of biases alone."""
    bias = torch.full((3,), 2.0, requires_grad=True)
    weight = torch.zeros(3, 0, requires_grad=True)
    spikes = spiking(Spikes.from_dense(torch.zeros(2, 5, 0)), weight, LocalZO(delta=2.0), bias=bias)
    spikes.count().sum().backward()
    assert len(spikes.events.col) > 0
    assert weight.grad.shape == (3, 0)
    assert bias.grad.count_nonzero()


@every_strategy_or_neuron()
def test_lif_reference(strategy, neuron):
    current = torch.randn(3, 11, 9, dtype=torch.float64)
    slope, found = torch.randn(3, 11, 9, dtype=torch.float64), []
    for backend in ("cpu", "reference"):
        leaf = current.clone().requires_grad_()
        spikes = lif(leaf, neuron, strategy, draw_for(3), backend)
        (spikes.to_dense() * slope).sum().backward()
        found.append((spikes, leaf.grad))
    assert_same_spikes([found[0][0]], [found[1][0]])
    assert_near(found[0][1], found[1][1], 1e-10)


def test_lif_not_contiguous(neuron):
    base = torch.randn(9, 11, 3, dtype=torch.float64)
    spikes = lif(base.permute(2, 1, 0), neuron, FEW["ssg"], backend="cpu")
    assert_same_spikes([spikes], [lif(base.permute(2, 1, 0), neuron, FEW["ssg"], backend="reference")])
