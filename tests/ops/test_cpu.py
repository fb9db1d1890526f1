"""What is particular to the compiled CPU backend: its two sparse and dense paths, threads, draws, memory and cache.

`reference` is the definition of correct; the tests beside this one hold both backends to the equations.
"""

from __future__ import annotations

import itertools
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

import numba
import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from torch import Tensor

from snn_zo.config import build
from snn_zo.config.sources import root
from snn_zo.neuron import REDUCTIONS, RESETS, Neuron, Readout
from snn_zo.ops import Rows, Spikes, leaky_readout, lif, spike_count_penalty, spiking_linear
from snn_zo.ops.cpu import active, gradients, threads
from snn_zo.ops.cpu.philox import first_word
from snn_zo.ops.cpu.scan import DRAWN, NOTHING, scan
from snn_zo.ops.spikes import EVERYWHERE
from snn_zo.regularizer import SpikeCount
from snn_zo.strategies import (
    FUNCTIONS,
    Draw,
    Expectation,
    LocalZO,
    LocalZOConverse,
    SparseSurrogate,
    Strategy,
    Surrogate,
    ZerothOrder,
)
from snn_zo.strategies.draw import philox4x32
from tests.ops import oracle
from tests.ops.oracle import assert_near, twin

# `snn_zo.ops.spiking_linear` is the function: its folder is only to be had by name
OPS = {name: import_module(f"snn_zo.ops.{name}.cpu") for name in ("spiking_linear", "lif", "leaky_readout")}
LAYER = OPS["spiking_linear"]
LAST = 2**32 - 1

READOUT = Readout(tau=4.0, reduce="mean")
REGULARIZER = SpikeCount(upper=0.3, at_most=1.5, lower=0.1, at_least=3.0)
HALF = 1 / math.log(2)
"""tau with beta = 1/2 exactly."""
FORMS = ("weight_by_trace", "weight_by_adjoint", "weight_by_dense_adjoint")
INPUTS = ("input_at_active", "input_from_dense")


class Taught(Strategy):
    """What a third party has to write: `gradient`, and nothing that a compiled backend could go by."""

    def gradient(self, u, draw=None):
        return 1 / (1 + u.abs()).square()

    def expected(self, u):
        raise AssertionError("only `gradient` says what g is")

    activity = expected
    b_th = math.inf


class Given(Taught):
    """g is what one is told."""

    def __init__(self, g: Tensor) -> None:
        self.g = g

    def gradient(self, u, draw=None):
        return self.g.view(u.shape).to(u.dtype)


class First(Taught):
    """The first `count` elements of the batch are active."""

    def __init__(self, count: int) -> None:
        self.count = count

    def gradient(self, u, draw=None):
        return (torch.arange(u.numel()) < self.count).to(u.dtype).view(u.shape)


class Twice(Surrogate):
    """A known strategy whose subclass changes `gradient`."""

    def gradient(self, u, draw=None):
        return 2 * super().gradient(u, draw)


def converses() -> dict[str, Strategy]:
    """Every surrogate and exponent for which the converse exists."""
    found = {}
    for name in FUNCTIONS:
        for a in (1, 0, -1):
            try:
                found[f"converse_{name}_{a}"] = LocalZOConverse(Surrogate(name, 4.0), a)
            except ValueError:
                assert a == 1, name
    return found


def configured() -> dict[str, Strategy]:
    names = sorted(path.stem for path in (root() / "conf" / "strategy").glob("*.yaml"))
    with initialize_config_dir(str(root() / "conf"), version_base="1.3"):
        return {f"conf_{name}": build(compose(f"strategy/{name}").strategy, "strategy") for name in names}


DISTRIBUTED = ("normal", "uniform", "laplace")
SPARSE: dict[str, Strategy] = {
    **{f"local_zo_{z}_{m}": LocalZO(z, 0.4, m) for z in DISTRIBUTED for m in (1, 5)},
    **converses(),
    "converse_sigmoid_1_m5": LocalZOConverse(Surrogate("sigmoid", 4.0), 1, samples=5),
    "converse_triangular_0_m5": LocalZOConverse(Surrogate("triangular", 2.0), 0, samples=5),
    "expectation_uniform": Expectation(LocalZO("uniform", 0.4)),
    "triangular": Surrogate("triangular", 2.0),
    "rectangular": Surrogate("rectangular", 2.0),
    "ssg": SparseSurrogate(Surrogate("fast_sigmoid", 100.0), b_th=0.2),
    "ssg_matched": SparseSurrogate(Expectation(LocalZO("laplace", 0.4)), match=LocalZO("laplace", 0.4, 5)),
}
DENSE: dict[str, Strategy] = {
    **{name: Surrogate(name, 3.0) for name in FUNCTIONS if name not in SPARSE},
    "expectation_normal": Expectation(LocalZO("normal", 0.4)),
    "expectation_laplace": Expectation(LocalZO("laplace", 0.4)),
    "taught": Taught(),
}
EVERY = SPARSE | DENSE | configured()
FEW = {name: EVERY[name] for name in ("local_zo_normal_5", "ssg", "sigmoid")}
NEURONS = {
    f"{reset}-{'detached' if detach else 'attached'}": Neuron(tau=5.0, v_th=0.8, reset=reset, detach_reset=detach)
    for reset in RESETS
    for detach in (True, False)
}


def over(strategies: dict[str, Strategy]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("strategy", strategies.values(), ids=strategies)


def every_strategy_or_neuron() -> pytest.MarkDecorator:
    """Every strategy with the reset that asks for most, and every reset with a strategy of each kind."""
    cases = [(strategy, "hard-attached", name) for name, strategy in EVERY.items() if name not in FEW]
    cases += [(strategy, reset, name) for name, strategy in FEW.items() for reset in NEURONS]
    named = [pytest.param(strategy, NEURONS[reset], id=f"{name}-{reset}") for strategy, reset, name in cases]
    return pytest.mark.parametrize(("strategy", "neuron"), named)


class Leaves(NamedTuple):
    """Leaves of a network: x [B, T, N_in]; weights and biases of its layers and its readout."""

    x: Tensor
    weights: list[Tensor]
    biases: list[Tensor | None]

    def twin(self) -> Leaves:
        return Leaves(*twin(self.x), list(twin(*self.weights)), list(twin(*self.biases)))

    def grads(self) -> list[Tensor]:
        return [leaf.grad for leaf in (self.x, *self.weights, *self.biases) if leaf is not None]


class Step(NamedTuple):
    layers: list[Spikes]
    logits: Tensor
    penalty: Tensor
    grads: list[Tensor]

    def everything(self) -> list[Tensor]:
        """All that a training step comes out with, for comparison bit for bit."""
        rows = [part for s in self.layers for part in (*s.events, *(s.active or ()), s.g, s.handle)]
        return [part.detach() for part in (*rows, self.logits, self.penalty, *self.grads)]


def counts(b: int, t: int, n: int, share: float, dtype: torch.dtype = torch.float64) -> Tensor:
    """[B, T, N] spike counts, of which a share is not 0 and some are above 1."""
    return (torch.rand(b, t, n) < share).to(dtype) * torch.randint(1, 4, (b, t, n)).clamp(max=2).to(dtype)


def make(b=3, t=17, widths=(13, 11, 7, 3), bias=True, share=0.3, dtype=torch.float64) -> Leaves:
    x = counts(b, t, widths[0], share, dtype).requires_grad_()
    pairs = list(zip(widths[1:], widths[:-1], strict=True))
    weights = [(1.5 * torch.randn(n, m) / m**0.5).to(dtype).requires_grad_() for n, m in pairs]
    return Leaves(x, weights, [(torch.randn(n, dtype=dtype) / 5).requires_grad_() if bias else None for n, _ in pairs])


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


def draw_for(b: int) -> Draw:
    return Draw(seed=5, layer=0, step=11, sample=torch.arange(b) * 7 + 2)


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


def train(backend: str, leaves: Leaves, *args, **options) -> Step:
    """One training step from fresh leaves."""
    leaves = leaves.twin()
    layers, logits = forward(backend, leaves, *args, **options)
    penalty = sum(spike_count_penalty(spikes, REGULARIZER, backend) for spikes in layers)
    slope = torch.arange(1, logits.numel() + 1).sin().view(logits.shape).to(logits.dtype)
    ((logits * slope).sum() + penalty).backward()
    return Step(layers, logits, penalty, leaves.grads())


def assert_same_spikes(actual: list[Spikes], expected: list[Spikes], tolerance: float = 1e-10) -> None:
    for ours, theirs in zip(actual, expected, strict=True):
        assert torch.equal(ours.to_dense(), theirs.to_dense())
        assert torch.equal(ours.active_elements(), theirs.active_elements())
        assert_near(ours.g[ours.g != 0], theirs.g[theirs.g != 0], tolerance)


def assert_same(actual: Step, expected: Step, tolerance: float = 1e-10) -> None:
    assert_same_spikes(actual.layers, expected.layers, tolerance)
    assert_near(actual.logits, expected.logits, tolerance)
    assert_near(actual.penalty, expected.penalty, tolerance)
    for ours, theirs in zip(actual.grads, expected.grads, strict=True):
        assert_near(ours, theirs, tolerance)


def check(leaves: Leaves, *args, **options) -> Step:
    """A training step against the reference."""
    ours = train("cpu", leaves, *args, **options)
    assert_same(ours, train("reference", leaves, *args, **options))
    return ours


def equal(actual: list[Tensor], expected: list[Tensor]) -> bool:
    return all(torch.equal(ours, theirs) for ours, theirs in zip(actual, expected, strict=True))


def spiking(x: Spikes, weight: Tensor, strategy: Strategy, neuron: Neuron | None = None, bias=None) -> Spikes:
    return spiking_linear(x, weight, bias, neuron or Neuron(tau=5.0), strategy, draw_for(x.shape[0]), "cpu")


@pytest.fixture
def set_threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture(params=["trace", "adjoint"])
def form(request, monkeypatch):
    """The form of a weight's gradient, whatever it costs."""
    monkeypatch.setattr(LAYER, "ADDITION", 1e12 if request.param == "trace" else -1e12)
    return request.param


# against the reference


@over(EVERY)
def test_network_every_strategy(neuron, strategy):
    step = check(make(), neuron, strategy)
    assert all(0 < len(spikes.events.col) < spikes.handle.new_empty(spikes.shape).numel() for spikes in step.layers)
    assert all(spikes.active_count > 0 for spikes in step.layers)


@pytest.mark.parametrize("reduce", REDUCTIONS)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@over(FEW)
def test_network_every_readout(strategy, reduce, bias):
    check(make(bias=bias), Neuron(tau=5.0), strategy, readout=Readout(tau=3.0, reduce=reduce, scale=2.5))


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@over(FEW)
def test_network_bias(neuron, strategy, bias):
    check(make(bias=bias), neuron, strategy)


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
    check(make(b, t, widths), neuron, strategy)


@pytest.mark.parametrize("share", [0.0, 1.0])
@over(FEW)
def test_network_constant_input(neuron, strategy, share):
    """Empty recordings, and inputs that all spike at every step."""
    check(make(share=share), neuron, strategy)


@over(FEW)
def test_network_some_empty_recordings(neuron, strategy):
    leaves = make(b=5)
    with torch.no_grad():
        leaves.x[[0, 3]] = 0
    check(leaves, neuron, strategy)


@over(FEW)
def test_network_repeated_counts(neuron, strategy):
    leaves = make()
    with torch.no_grad():
        leaves.x.copy_(7 * (leaves.x > 0))
    check(leaves, neuron, strategy)


def test_network_nothing_active(neuron):
    step = check(make(), neuron, SparseSurrogate(Surrogate(), b_th=1e-12))
    assert [spikes.active_count for spikes in step.layers] == [0, 0]
    assert not any(grad.count_nonzero() for grad in (step.grads[0], *step.grads[1:3]))


@pytest.mark.parametrize("reach", [None, 1e3], ids=["everything", "window"])
def test_network_everything_active(neuron, reach):
    surrogate = Surrogate("fast_sigmoid", 1.0)
    step = check(make(), neuron, SparseSurrogate(surrogate, b_th=reach) if reach else surrogate)
    assert [spikes.active_count for spikes in step.layers] == [3 * 17 * 11, 3 * 17 * 7]
    assert [spikes.active is EVERYWHERE for spikes in step.layers] == [reach is None] * 2


@over(SPARSE)
def test_network_batch_split(strategy):
    """The same spikes and draws to the last bit, and gradients that add up."""
    leaves, parts = make(b=5), (slice(0, 2), slice(2, 5))
    neuron = NEURONS["hard-attached"]
    whole = train("cpu", leaves, neuron, strategy, draw_for(5))
    steps = []
    for part in parts:
        draw = Draw(5, 0, 11, draw_for(5).sample[part])
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
        _, logits = forward("cpu", fresh, neuron, strategy, Draw(5, 0, 11, draw_for(5).sample[part]))
        (logits * slope[part]).sum().backward()
        return fresh.grads()

    whole, first, second = grads(slice(0, 5)), grads(slice(0, 2)), grads(slice(2, 5))
    assert torch.equal(torch.cat([first[0], second[0]]), whole[0])
    for a, b, both in zip(first[1:], second[1:], whole[1:], strict=True):
        assert_near(a + b, both, 1e-12)


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


@pytest.mark.parametrize("strategy", [Twice("triangular", 2.0), Twice("sigmoid", 3.0)], ids=["window", "everything"])
def test_network_subclass_of_a_known_strategy(strategy):
    """`gradient` says what g is, also where it is not what the parent class says."""
    check(make(), Neuron(tau=5.0), strategy)


# float32


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
    double = Leaves(
        *([part.detach().double().requires_grad_() for part in parts] for parts in ([leaves.x], *leaves[1:]))
    )
    theirs = train("reference", double._replace(x=double.x[0]), neuron, given, readout=readout)
    for single, exact in zip(ours.layers, theirs.layers, strict=True):
        assert single.handle.dtype == single.g.dtype == torch.float32
        assert torch.equal(single.to_dense().double(), exact.to_dense())
    for single, exact in zip(ours.grads, theirs.grads, strict=True):
        assert single.dtype == torch.float32
        assert float((single - exact).norm()) <= 1e-5 * float(exact.norm())


# gradients from errors


class Errors(NamedTuple):
    """A layer's input and errors, sparse and dense."""

    x: Tensor
    eps: Tensor
    shape: tuple[int, int, int]
    events: tuple[np.ndarray, np.ndarray]
    rows: tuple[np.ndarray, np.ndarray]
    values: np.ndarray

    def adjoint(self, beta: float) -> Tensor:
        """lambda[t] = eps[t] + beta lambda[t+1]."""
        steps = [self.eps[:, -1]]
        for t in reversed(range(self.shape[1] - 1)):
            steps.append(self.eps[:, t] + beta * steps[-1])
        return torch.stack(steps[::-1], 1)


def arrays(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    return rows.ptr.numpy(), rows.col.numpy()


def errors(b=2, t=25, n=7, n_in=21, dtype=torch.float64, share=0.1) -> Errors:
    x = counts(b, t, n_in, share)
    eps = torch.randn(b, t, n, dtype=torch.float64).to(dtype).double() * (torch.rand(b, t, n) < share)
    place = eps.flatten().nonzero().squeeze(1)
    rows = arrays(Rows.from_flat(place, b * t, n))
    values = eps.flatten()[place].to(dtype).numpy()
    return Errors(x, eps, (b, t, n), arrays(Spikes.from_dense(x).events), rows, values)


def assert_close(actual: np.ndarray, expected: Tensor) -> None:
    """Within rounding of the type of `actual`, by norm."""
    assert actual.shape == tuple(expected.shape)
    tolerance = {"float64": 1e-12, "float32": 1e-5}[actual.dtype.name]
    assert float((torch.from_numpy(actual) - expected).norm()) <= tolerance * float(expected.norm())


TAUS = [math.inf, 1000.0, 20.0, 3.0, 0.0725, 0.07, 1e-3]
"""beta = 1, ..., one above and one below `SMALL`, 0."""


def test_taus_are_on_both_sides_of_small():
    betas = [Neuron(tau=tau).beta for tau in TAUS]
    assert betas[0] == 1
    assert betas[-3] > gradients.SMALL > betas[-2]
    assert betas[-1] == 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
@pytest.mark.parametrize("tau", TAUS)
@pytest.mark.parametrize(("t", "share"), [(25, 0.1), (2000, 0.1), (2000, 0.002)], ids=["short", "long", "rare"])
def test_weight_gradient_forms(tau, t, share, dtype):
    e, neuron = errors(t=t, dtype=dtype, share=share), Neuron(tau=tau)
    adjoint = e.adjoint(neuron.beta)
    expected = torch.einsum("btn,bti->ni", e.eps, oracle.trace(e.x, neuron))
    assert_near(torch.einsum("btn,bti->ni", adjoint, e.x), expected, 1e-10)
    arguments = (e.shape, e.events, 21, e.rows, e.values, neuron.beta)
    assert_close(gradients.weight_by_trace(*arguments), expected)
    assert_close(gradients.weight_by_adjoint(*arguments), expected)
    dense = adjoint.flatten(0, 1).to(dtype).numpy()
    assert_close(gradients.weight_by_dense_adjoint(dense, e.events, 21), expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
@pytest.mark.parametrize("tau", TAUS)
@pytest.mark.parametrize("t", [25, 2000])
def test_input_gradient(tau, t, dtype):
    """At all elements, at some, and at some from a dense lambda."""
    e, neuron = errors(t=t, dtype=dtype), Neuron(tau=tau)
    weight = torch.randn(7, 21, dtype=dtype)
    adjoint = e.adjoint(neuron.beta)
    everywhere = (adjoint @ weight.double()).flatten()
    some = (torch.rand(len(everywhere)) < 0.1).nonzero().squeeze(1)
    some_rows = arrays(Rows.from_flat(some, 2 * t, 21))
    arguments = (e.shape, e.rows, e.values, weight.numpy())
    assert_close(gradients.input_at_active(*arguments, None, neuron.beta), everywhere)
    assert_close(gradients.input_at_active(*arguments, some_rows, neuron.beta), everywhere[some])
    dense, columns = adjoint.flatten(0, 1).to(dtype).numpy(), weight.T.contiguous().numpy()
    assert_close(gradients.input_from_dense(dense, columns, some_rows), everywhere[some])


def test_input_gradient_at_nothing():
    e = errors()
    nothing = arrays(Rows.empty(50))
    found = gradients.input_at_active(e.shape, e.rows, e.values, np.ones((7, 21)), nothing, 0.5)
    assert found.shape == gradients.input_from_dense(np.ones((50, 7)), np.ones((21, 7)), nothing).shape == (0,)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
@pytest.mark.parametrize("tau", TAUS)
def test_bias_gradient(tau, dtype):
    e, beta = errors(t=2000, dtype=dtype), Neuron(tau=tau).beta
    adjoint = e.adjoint(beta).flatten(0, 1)
    assert_close(gradients.bias_gradient(e.shape, e.rows, e.values, beta), adjoint.sum(0))
    assert_close(gradients.column_sums(adjoint.to(dtype).numpy()), adjoint.sum(0))


@pytest.mark.parametrize("lag", [0, 1, 150, 277, 600])
@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["double", "single"])
def test_gradients_over_a_long_lag(lag, dtype):
    """One spike and one error, far apart: beta^lag keeps its digits however often the decay is brought up to date."""
    steps, beta = 800, dtype(math.exp(-1 / 20))
    t = steps - 3
    x, error = (arrays(Rows.from_flat(torch.tensor([at]), steps, 1)) for at in (t - lag, t))
    value, expected = np.array([3.0], dtype), 3.0 * float(beta) ** lag
    weight = np.ones((1, 1), dtype)
    found = (
        gradients.weight_by_trace((1, steps, 1), x, 1, error, value, beta),
        gradients.weight_by_adjoint((1, steps, 1), x, 1, error, value, beta),
        gradients.input_at_active((1, steps, 1), error, value, weight, x, beta),
    )
    rounding = np.finfo(dtype).eps * (10 + lag)
    assert [float(part.squeeze()) for part in found] == pytest.approx([expected] * 3, rel=float(rounding))


def test_network_both_forms(form, neuron):
    step = check(make(), neuron, LocalZO(delta=0.4, samples=5))
    assert [spikes.record.weight_gradient for spikes in step.layers] == [form, form]


@pytest.mark.parametrize("tau", [math.inf, 20.0, 1e-3])
def test_network_long(tau):
    check(make(b=1, t=2000, widths=(5, 4, 3, 2)), Neuron(tau=tau), LocalZO(delta=0.4))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.6, 1.0])
def test_errors_at_active_elements_and_spikes(share, neuron, dtype):
    shape = (3, 12, 7)
    s = (torch.rand(shape) < 0.4).double()
    g = torch.rand(shape, dtype=torch.float64) * (torch.rand(shape) < share)
    g, v, grad = (part.to(dtype).double() for part in (g, torch.randn(shape), torch.randn(shape)))
    _, expected = oracle.Layer(s, v, g).adjoint(grad, neuron)
    at = g.flatten().nonzero().squeeze(1)
    place = ((g != 0) | (s != 0)).flatten().nonzero().squeeze(1) if neuron.reset == "hard" else at
    values = [part.flatten()[at].to(dtype).numpy() for part in (g * grad, g, v)]
    events = Spikes.from_dense(s).events
    rows, eps = gradients.errors(shape, arrays(Rows.from_flat(at, 36, 7)), *values, arrays(events), neuron)
    for ours, theirs in zip(rows, arrays(Rows.from_flat(place, 36, 7)), strict=True):
        assert np.array_equal(ours, theirs)
    assert eps.dtype == values[0].dtype
    assert_near(
        torch.from_numpy(eps).double(), expected.flatten()[place], {"float64": 1e-12, "float32": 1e-5}[eps.dtype.name]
    )


def test_errors_read_nothing_behind_their_arrays():
    """After the last active element, a spike of the layer's own: what lies next in memory is not a gradient."""
    active_rows, events = (
        arrays(Rows.from_flat(torch.tensor([0]), 1, 2)),
        arrays(Rows.from_flat(torch.tensor([1]), 1, 2)),
    )
    memory = np.array([2.0, math.nan])
    ds, g = memory[:1], np.ones(1)
    (_, col), eps = gradients.errors((1, 1, 2), active_rows, ds, g, g, events, Neuron(reset="hard"))
    assert col.tolist() == [0, 1]
    assert eps.tolist() == [2.0, 0.0]


def test_errors_keep_elements_apart():
    """An infinite error is not the business of a spike of another neuron one step earlier."""
    active_rows, events = (arrays(Rows.from_flat(torch.tensor([at]), 2, 2)) for at in (2, 1))
    ds, g = np.array([math.inf]), np.ones(1)
    (_, col), eps = gradients.errors((1, 2, 2), active_rows, ds, g, g, events, Neuron(reset="hard"))
    assert col.tolist() == [1, 0]
    assert eps.tolist() == [0.0, math.inf]


# which path is taken


@pytest.mark.parametrize("above", [False, True])
def test_network_sparse_or_dense_at_the_share(above, neuron):
    """A strategy of which nothing is known is sparse up to a share `SPARSE` of active elements."""
    elements = [3 * 16 * 8, 3 * 16 * 4]
    strategies = [First(int(active.SPARSE * size) + above) for size in elements]
    step = check(make(t=16, widths=(13, 8, 4, 3)), neuron, strategies)
    assert [spikes.active is EVERYWHERE for spikes in step.layers] == [above, above]


@pytest.mark.parametrize("share", [-1.0, 1.0], ids=["dense", "sparse"])
@over(DENSE)
def test_network_sparse_or_dense(share, strategy, neuron, monkeypatch):
    monkeypatch.setattr(active, "SPARSE", share)
    step = check(make(), neuron, strategy)
    assert [spikes.active is EVERYWHERE for spikes in step.layers] == [share < 0] * 2


@pytest.mark.parametrize("gemm", [-1.0, 1e9], ids=["product", "events"])
@pytest.mark.parametrize("names", [("sigmoid", "ssg"), ("ssg", "sigmoid"), ("local_zo_normal_5", "sigmoid")])
def test_network_mixed(names, gemm, neuron, monkeypatch):
    """A sparse layer on a dense one and the other way round, the dense one with and without its product."""
    monkeypatch.setattr(LAYER, "GEMM_DENSITY", gemm)
    step = check(make(), neuron, [FEW[name] for name in names])
    assert [spikes.active is EVERYWHERE for spikes in step.layers] == [name == "sigmoid" for name in names]


@pytest.mark.parametrize("above", [False, True])
@pytest.mark.parametrize("wanted", [True, False], ids=["hidden", "data"])
def test_spiking_linear_product_or_events(above, wanted, neuron, monkeypatch):
    """On both sides of `GEMM_DENSITY`, to an event."""
    monkeypatch.setattr(LAYER, "GEMM_DENSITY", 0.25)
    x = torch.zeros(2 * 6 * 8, dtype=torch.float64)
    x[torch.randperm(len(x))[: len(x) // 4 + above]] = 1
    x = x.view(2, 6, 8).requires_grad_(wanted)
    found = []
    for backend in ("cpu", "reference"):
        leaf, weight = twin(x, torch.linspace(-1, 1.4, 40, dtype=torch.float64).view(5, 8).requires_grad_())
        spikes = spiking_linear(Spikes.from_dense(leaf), weight, None, neuron, FEW["sigmoid"], backend=backend)
        spikes.to_dense().square().sum().backward()
        found.append((spikes, weight.grad, leaf.grad))
    path = {"forward": "dense" if above else "events", "weight gradient": "dense" if above else "adjoint"}
    assert found[0][0].path == path | ({"input gradient": "dense"} if wanted else {})
    assert_same_spikes([found[0][0]], [found[1][0]])
    assert_near(found[0][1], found[1][1], 1e-12)
    assert not wanted or torch.allclose(found[0][2], found[1][2], rtol=0, atol=1e-12)


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


# threads


@over(SPARSE)
def test_network_bit_for_bit_in_any_number_of_threads(strategy, form, set_threads):
    neuron = NEURONS["hard-attached"]
    leaves = make(b=19, t=6, widths=(67, 53, 37, 5), dtype=torch.float32)
    steps = []
    for count in (1, 2, 3, 5):
        set_threads(count)
        steps.append(train("cpu", leaves, neuron, strategy).everything())
    assert all(equal(step, steps[0]) for step in steps[1:])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
@pytest.mark.parametrize("b", [1, 40])
@pytest.mark.parametrize("reset", ["soft-detached", "hard-attached"])
def test_network_bit_for_bit_wide(reset, b, dtype, form, set_threads):
    """More inputs than one range, and more than one piece of the readout."""
    strategy = LocalZO(delta=0.4, samples=5)
    leaves = make(b=b, t=5, widths=(1037, 131, 29, 5), share=0.1, dtype=dtype)
    steps = []
    for count in (1, 2, 3, 5):
        set_threads(count)
        steps.append(train("cpu", leaves, NEURONS[reset], strategy).everything())
    assert all(equal(step, steps[0]) for step in steps[1:])


@pytest.mark.parametrize("count", [1, 3])
def test_over_ranges_in_order(count, set_threads):
    set_threads(count)
    assert threads.over_ranges(lambda first, last: (first, last), 7, 3) == [(0, 3), (3, 6), (6, 7)]


@pytest.mark.parametrize("count", [1, 3])
def test_over_ranges_raises(count, set_threads):
    set_threads(count)
    with pytest.raises(ZeroDivisionError):
        threads.over_ranges(lambda first, last: 1 // (first - 2), 6, 1)
    assert threads.over_ranges(lambda first, last: first, 4, 1) == [0, 1, 2, 3]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_over_ranges_after_fork(set_threads):
    """A child process has none of its parent's threads: it must make its own, not wait for them."""
    set_threads(2)
    threads.over_ranges(lambda first, last: last, 8, 1)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(3)
        os._exit(threads.over_ranges(lambda first, last: last, 8, 1) != list(range(1, 9)))
    assert os.waitpid(child, 0)[1] == 0


# draws


def test_first_word_is_philox():
    generator, extremes = np.random.default_rng(0), [0, 1, 2**31, LAST]
    corners = np.array(np.meshgrid(extremes, extremes, extremes)).reshape(3, -1)
    counters = np.concatenate([generator.integers(0, LAST, (3, 100), endpoint=True), corners], axis=1)
    keys = [*generator.integers(0, LAST, (5, 2), endpoint=True).tolist(), *itertools.product(extremes, extremes)]
    for k0, k1 in keys:
        expected, *_ = philox4x32(
            (*torch.from_numpy(counters), torch.zeros(counters.shape[1], dtype=torch.int64)), (k0, k1)
        )
        found = [first_word(*(np.uint64(word) for word in (*counter, k0, k1))) for counter in counters.T.tolist()]
        assert list(map(int, found)) == expected.tolist()


NO_MEMORY = Neuron(tau=1e-3, reset="none")
"""beta = 0: u = current - v_th."""


def scanned(current: Tensor, look):
    driven = current.numpy()
    nothing, empty = (np.zeros(0, np.int64), np.zeros(0, np.int32)), np.empty((0, driven.shape[2]), driven.dtype)
    return scan(driven.shape, nothing, empty, driven, empty[:, 0], NO_MEMORY, look)


@pytest.mark.parametrize("value", [0, 12345, LAST])
def test_scan_draws_what_draw_says(value):
    """All the words of all elements, at both ends of what a draw can be keyed with."""
    b, t, n = 3, 21, 77
    sample = torch.tensor([0, value, LAST])
    draw, size = Draw(value, value, value, sample), t * n
    look = active.look_for(LocalZO(), draw)._replace(reach=1e3, bound=np.full(1, 1.1))
    found = scanned(torch.randn(b, t, n), look)
    assert np.array_equal(found.element, np.arange(b * size))
    v = (2.0**32 - torch.from_numpy(found.word.astype(np.float64))) * 2.0**-32
    assert torch.equal(v, draw.uniform(torch.arange(b * size), size, 0, 1).squeeze(1))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
@over({name: strategy for name, strategy in EVERY.items() if isinstance(strategy, ZerothOrder)})
def test_scan_keeps_all_that_are_active(strategy, dtype):
    b, t, n = 2, 30, 170
    spread = min(strategy.reach, 30 / strategy.scale) * torch.linspace(0, 1.01, t)[:, None]
    u = (spread * torch.randn(b, t, n).sign()).to(dtype)
    current = u + NO_MEMORY.v_th
    draw = Draw(7, 2, LAST, torch.tensor([LAST, 40]))
    look = active.look_for(strategy, draw)
    found = scanned(current, look)
    expected = strategy.gradient(current - NO_MEMORY.v_th, draw).flatten().nonzero().squeeze(1)
    assert look.kind == DRAWN
    assert len(expected)
    assert np.isin(expected.numpy(), found.element).all()
    assert np.array_equal(found.u, (current - NO_MEMORY.v_th).flatten().numpy()[found.element])


@pytest.mark.parametrize("m", [1, 5])
@pytest.mark.parametrize("z", DISTRIBUTED)
def test_scan_keeps_few_others(z, m):
    """The bound is tight: hardly an element is looked at in vain."""
    strategy, draw = LocalZO(z, 0.05, m), draw_for(4)
    current = NO_MEMORY.v_th + 0.3 * torch.randn(4, 50, 200)
    found = scanned(current, active.look_for(strategy, draw))
    assert len(found.element) <= 1.02 * int(strategy.gradient(current - NO_MEMORY.v_th, draw).count_nonzero()) + 5


# when nothing is wanted


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@over(FEW)
def test_network_eval_looks_at_nothing(mode, strategy, monkeypatch):
    """Nothing drawn, no active set, nothing kept of u."""
    leaves = make()
    trained, logits = forward("cpu", leaves, Neuron(tau=5.0), strategy)

    def forbidden(*args, **options):
        raise AssertionError("asked for")

    def only_spikes(*args):
        assert args[-1].kind == NOTHING
        return scan(*args)

    for op in ("spiking_linear", "lif"):
        monkeypatch.setattr(OPS[op], "active_set", forbidden)
        monkeypatch.setattr(OPS[op], "look_for", forbidden)
        monkeypatch.setattr(OPS[op], "scan", only_spikes)
    monkeypatch.setattr(Draw, "uniform", forbidden)
    monkeypatch.setattr(Draw, "fresh", forbidden)
    monkeypatch.setattr(type(strategy), "gradient", forbidden)
    with mode():
        spikes = Spikes.from_dense(leaves.x)
        for ours, weight, bias in zip(trained, leaves.weights, leaves.biases, strict=False):
            spikes = spiking_linear(spikes, weight, bias, Neuron(tau=5.0), strategy, backend="cpu")
            assert len(spikes.g) == len(spikes.handle) == len(spikes.active.col) == 0
            assert all(map(torch.equal, spikes.events, ours.events))
        assert torch.equal(leaky_readout(spikes, leaves.weights[-1], leaves.biases[-1], READOUT, "cpu"), logits)
        assert lif(leaves.x.detach(), Neuron(), strategy, backend="cpu").active_count == 0


@pytest.mark.parametrize("data", [True, False], ids=["data", "hidden"])
@over(FEW)
def test_spiking_linear_frozen_asks_for_nothing(strategy, data, monkeypatch):
    """Of a frozen weight, a frozen bias and an input that is data, no gradient is computed."""
    leaves, asked = make(), []
    x, above = leaves.x.detach().requires_grad_(not data), torch.randn(4, 11, dtype=torch.float64, requires_grad=data)
    spikes = spiking(Spikes.from_dense(x), leaves.weights[0].detach(), strategy, bias=leaves.biases[0].detach())
    upper = spiking(spikes, above, strategy)
    monkeypatch.setattr(LAYER, "GEMM_DENSITY", 1e9)
    for name in ("bias_gradient", "column_sums", *FORMS, *INPUTS):
        compute = getattr(gradients, name)
        monkeypatch.setattr(gradients, name, lambda *args, _name=name, _f=compute: asked.append(_name) or _f(*args))
    upper.count().sum().backward()
    assert set(asked) <= set(FORMS if data else INPUTS)
    assert len(asked) == 1 if data else x.grad.count_nonzero()
    assert (x.grad is None) == (above.grad is not None) == data


def test_leaky_readout_frozen_weight():
    leaves = make()
    x, weight = leaves.x, torch.randn(2, 13, dtype=torch.float64)
    leaky_readout(Spikes.from_dense(x), weight, None, READOUT, "cpu").sum().backward()
    assert weight.grad is None
    assert x.grad.count_nonzero()


# backward passes


@pytest.mark.parametrize("share", [0.05, 0.5], ids=["events", "product"])
@over(FEW)
def test_network_backward_twice(strategy, neuron, share):
    """Nothing that a backward pass reads is written by it."""
    leaves = make(share=share)
    layers, logits = forward("cpu", leaves, neuron, strategy)
    loss = logits.sin().sum() + sum(spike_count_penalty(spikes, REGULARIZER, "cpu") for spikes in layers)
    kept = [part.clone() for s in layers for part in (*s.events, *(s.active or ()), s.g, s.handle.detach())]
    grads = []
    for _ in range(2):
        loss.backward(retain_graph=True)
        grads.append([grad.clone() for grad in leaves.grads()])
        for leaf in (leaves.x, *leaves.weights, *leaves.biases):
            leaf.grad = None
    assert equal(*grads)
    assert equal([part for s in layers for part in (*s.events, *(s.active or ()), s.g, s.handle.detach())], kept)


@pytest.mark.parametrize("share", [0.05, 0.5], ids=["events", "product"])
@over(FEW)
def test_spiking_linear_leaves_the_incoming_gradient_alone(strategy, neuron, share):
    leaves = make(share=share)
    spikes = spiking(Spikes.from_dense(leaves.x), leaves.weights[0], strategy, neuron)
    grad = torch.randn_like(spikes.handle)
    before = grad.clone()
    spikes.handle.backward(grad)
    assert torch.equal(grad, before)


@over(FEW)
def test_lif_backward_twice(strategy, neuron):
    current = torch.randn(3, 11, 9, dtype=torch.float64, requires_grad=True)
    before = current.detach().clone()
    spikes = lif(current, neuron, strategy, draw_for(3), "cpu")
    grad = torch.randn_like(spikes.handle)
    first, second = (torch.autograd.grad(spikes.handle, current, grad, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(current.detach(), before)


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


# what it refuses


def operations(dtype: torch.dtype, backend: str) -> dict[str, Callable[[], object]]:
    x, weight = Spikes.from_dense(torch.ones(2, 3, 4, dtype=dtype)), torch.ones(5, 4, dtype=dtype)
    return {
        "spiking_linear": lambda: spiking_linear(x, weight, None, Neuron(), Surrogate(), backend=backend),
        "lif": lambda: lif(torch.ones(2, 3, 4, dtype=dtype), Neuron(), Surrogate(), backend=backend),
        "leaky_readout": lambda: leaky_readout(x, weight, None, READOUT, backend),
        "spike_count_penalty": lambda: spike_count_penalty(x, REGULARIZER, backend),
    }


@pytest.mark.parametrize("op", operations(torch.float32, "cpu"))
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_ops_refuse_short_types(op, dtype):
    with pytest.raises(ValueError, match=r"float32 and float64, not in b?float16.*reference") as error:
        operations(dtype, "cpu")[op]()
    assert "\n" not in str(error.value)
    operations(dtype, "reference")[op]()


# compiled once


def loops() -> dict[str, object]:
    """Every compiled loop that is called from Python."""
    names = ["cpu.gradients", "cpu.scan", "cpu.active", "spike_count_penalty.cpu", *(f"{op}.cpu" for op in OPS)]
    modules = [import_module(f"snn_zo.ops.{name}") for name in names]
    named = {f"{m.__name__}.{name}": value for m in modules for name, value in vars(m).items()}
    return {name: loop for name, loop in named.items() if numba.extending.is_jitted(loop) and loop is not first_word}


@pytest.mark.parametrize("name", loops())
def test_loops_are_cached_on_disk(name):
    assert loops()[name].stats.cache_path


FIRST_STEP = """
import sys, time, torch
from snn_zo.neuron import Neuron, Readout
from snn_zo.ops import Spikes, leaky_readout, spiking_linear
from snn_zo.ops.cpu import gradients, scan
from snn_zo.strategies import LocalZO

torch.set_num_threads(1)
x = Spikes.from_dense(torch.ones(2, 3, 4))
weights = [torch.ones(5, 4), torch.ones(3, 5), torch.ones(2, 3)]
weights = [weight.requires_grad_() for weight in weights]
start = time.process_time()
for weight in weights[:2]:
    x = spiking_linear(x, weight, None, Neuron(), LocalZO(), backend="cpu")
leaky_readout(x, weights[2], None, Readout(), "cpu").sum().backward()
seconds = time.process_time() - start
readout = sys.modules["snn_zo.ops.leaky_readout.cpu"]
loops = [scan._scan, gradients._input, readout._forward, readout._backward]
loops += [loop for loop in (gradients._trace, gradients._adjoint) if loop.signatures]
assert all(loop.signatures for loop in loops)
print(sum(sum(loop.stats.cache_misses.values()) for loop in loops), seconds)
"""


def first_step(**environment: str) -> tuple[int, float]:
    """Loops that a new process compiles for its first training step, and the seconds that the step takes."""
    command, variables = [sys.executable, "-c", FIRST_STEP], os.environ | {"OMP_NUM_THREADS": "1"} | environment
    out = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert out.returncode == 0, out.stderr
    return int(out.stdout.split()[0]), float(out.stdout.split()[1])


def test_network_compiled_once_for_all_processes():
    """A new process loads what this one has compiled or loaded."""
    exec(FIRST_STEP, {})
    compiled, seconds = first_step()
    assert compiled == 0
    assert seconds < 3


@pytest.mark.slow
def test_network_compiled_once_from_nothing(tmp_path):
    assert first_step(NUMBA_CACHE_DIR=str(tmp_path))[0] >= 5
    compiled, seconds = first_step(NUMBA_CACHE_DIR=str(tmp_path))
    assert compiled == 0
    assert seconds < 3


# memory

MEMORY = """
import torch
from snn_zo.neuron import Neuron, Readout
from snn_zo.ops import Spikes, leaky_readout, spike_count_penalty, spiking_linear
from snn_zo.regularizer import SpikeCount
from snn_zo.strategies import Draw, LocalZO, SparseSurrogate, Surrogate

def status(name):
    line = next(line for line in open("/proc/self/status") if line.startswith(name))
    return 1024 * int(line.split()[1])

def train(b, t, n, strategy, neuron):
    torch.manual_seed(0)
    x = spikes = Spikes.from_dense((torch.rand(b, t, 20) < 0.03).float())
    weights = [torch.randn(n, 20).mul(0.4), torch.randn(n, n).mul(0.08), torch.randn(3, n)]
    weights = [weight.requires_grad_() for weight in weights]
    open("/proc/self/clear_refs", "w").write("5")
    before = status("VmRSS")
    for i in range(2):
        spikes = spiking_linear(spikes, weights[i], None, neuron, strategy, Draw(0, i, 0, torch.arange(b)), "cpu")
    loss = leaky_readout(spikes, weights[2], None, Readout(), "cpu").sum()
    (loss + spike_count_penalty(spikes, SpikeCount(), "cpu")).backward()
    assert b < 64 or all(weight.grad.count_nonzero() for weight in weights)
    return (status("VmHWM") - before) / (4 * b * t * n)

torch.set_num_threads(1)
window = SparseSurrogate(Surrogate(), match=LocalZO(delta=0.01))
soft, hard = Neuron(), Neuron(reset="hard", detach_reset=False)
for strategy in (LocalZO(delta=0.01), LocalZO(delta=0.01, samples=5), window, Surrogate()):
    for neuron in (soft, hard) if strategy != Surrogate() else (hard,):
        train(2, 20, 90, strategy, neuron)
        print(train(64, 200, 300, strategy, neuron))
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="peak memory is read from Linux' /proc")
def test_network_makes_no_array_of_all_elements():
    """Peak memory of a step of two layers, in float32 arrays [B, T, N]; a surrogate shows that such arrays are seen."""
    # what is freed goes back at once: the next step cannot hide in it
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    command = [sys.executable, "-c", MEMORY]
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert out.returncode == 0, out.stderr
    *sparse, dense = map(float, out.stdout.split())
    assert dense > 3
    assert len(sparse) == 6
    assert max(sparse) < 0.5
