"""The Triton kernels in their interpreter, at small sizes, against the reference; chunks and blocks are made small so
that several of each take part. The other tests here run over this backend too, on demand (`-m slow -k triton`)."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

triton = pytest.importorskip("triton")

from snn_zo.neuron import REDUCTIONS, RESETS, Neuron, Readout  # noqa: E402
from snn_zo.ops import Spikes, leaky_readout, lif, spike_count_penalty, spiking_linear  # noqa: E402
from snn_zo.ops.backends import INTERPRETED  # noqa: E402
from snn_zo.ops.spikes import EVERYWHERE  # noqa: E402
from snn_zo.ops.triton import gradients, scan  # noqa: E402
from snn_zo.ops.triton.capacity import Plan  # noqa: E402
from snn_zo.regularizer import SpikeCount  # noqa: E402
from snn_zo.strategies import Draw, Expectation, LocalZO, SparseSurrogate, Surrogate  # noqa: E402
from tests.ops.harness import assert_near  # noqa: E402

pytestmark = pytest.mark.skipif(not INTERPRETED, reason="TRITON_INTERPRET=1 runs these on a CPU")

ZO = LocalZO(delta=0.3)
WINDOW = SparseSurrogate(Surrogate("sigmoid", 5.0), b_th=0.3)
SIGMOID = Surrogate("sigmoid", 5.0)
SOFT = Neuron(tau=5.0, v_th=0.8)
NEURONS = [Neuron(5.0, v_th=0.8, reset=reset, detach_reset=detach) for reset in RESETS for detach in (True, False)]
READOUT = Readout(tau=4.0, reduce="mean")


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(gradients, "CHUNK", 2)
    monkeypatch.setattr(gradients, "GEMM_DENSITY", 2.0)  # rows everywhere, no matrix product
    monkeypatch.setattr(scan, "BLOCK", 16)


@dataclass(frozen=True)
class Network:
    """Two layers, a readout and a regulariser on random spikes."""

    b: int = 2
    t: int = 5
    widths: tuple[int, ...] = (6, 19, 5, 3)
    rate: float = 0.3
    dtype: torch.dtype = torch.float64
    bias: bool = True

    def run(self, backend, strategy, neuron=SOFT, readout=READOUT, plan=None, data=True):
        """Spikes of both layers, the logits and all gradients."""
        generator = torch.Generator().manual_seed(1)

        def random(*shape):
            values = torch.randn(*shape, generator=generator, dtype=torch.float64)
            return values.to(self.dtype).requires_grad_()

        x = torch.poisson(torch.full((self.b, self.t, self.widths[0]), self.rate), generator=generator).to(self.dtype)
        x.requires_grad_(not data)
        weights = [random(*size) for size in zip(self.widths[1:], self.widths, strict=False)]
        biases = [random(n) if self.bias else None for n in self.widths[1:]]
        draw, layers, spikes = Draw(3, 0, 20, torch.arange(self.b) * 7 + 1), [], Spikes.from_dense(x)
        with plan.step() if plan else nullcontext():
            for i in range(2):
                spikes = spiking_linear(spikes, weights[i], biases[i], neuron, strategy, draw.for_layer(i), backend)
                layers.append(spikes)
        logits = leaky_readout(spikes, weights[2], biases[2], readout, backend)
        penalty = spike_count_penalty(layers[0], SpikeCount(upper=0.3, at_most=0.5, lower=0.1, at_least=3.0), backend)
        ((logits * torch.arange(logits.numel()).view_as(logits)).sum() + penalty).backward()
        leaves = [*weights, *(bias for bias in biases if bias is not None), *([] if data else [x])]
        return layers, [logits.detach(), *(leaf.grad for leaf in leaves)]


def check(network, strategy, neuron=SOFT, tolerance=1e-10, **settings):
    layers, found = network.run("triton", strategy, neuron, **settings)
    expected_layers, expected = network.run("reference", strategy, neuron, **(settings | {"plan": None}))
    for ours, theirs in zip(layers, expected_layers, strict=True):
        assert torch.equal(ours.to_dense(), theirs.to_dense())
        assert torch.equal(ours.active_elements(), theirs.active_elements())
        assert torch.equal(ours.fired(), theirs.fired())
        assert ours.event_count == theirs.event_count
        assert ours.drawn == theirs.drawn
        if neuron.reset == "hard" and ours.active is not EVERYWHERE:
            assert (ours.handle > 0).sum() == (theirs.handle > 0).sum()
    for ours, theirs in zip(found, expected, strict=True):
        assert_near(ours, theirs, tolerance)
    return layers, found


@pytest.mark.parametrize("neuron", NEURONS, ids=lambda n: f"{n.reset}-{'detached' if n.detach_reset else 'attached'}")
@pytest.mark.parametrize("strategy", [ZO, WINDOW, SIGMOID], ids=["local_zo", "window", "sigmoid"])
def test_triton_network(strategy, neuron):
    layers, _ = check(Network(), strategy, neuron)
    assert all(spikes.active_count > 0 for spikes in layers)


@pytest.mark.parametrize(
    "strategy",
    [
        LocalZO("uniform", 0.3, 3),
        LocalZO("laplace", 0.3, 6),
        LocalZO("normal", 0.3, 2, pool=16),
        Expectation(LocalZO("normal", 0.3)),
        *(Surrogate(name, 4.0) for name in ("fast_sigmoid", "arctan", "gaussian", "exponential", "triangular")),
    ],
    ids=repr,
)
def test_triton_strategies(strategy):
    check(Network(), strategy)


@pytest.mark.parametrize("reduce", REDUCTIONS)
def test_triton_readouts(reduce):
    check(Network(), WINDOW, readout=Readout(tau=4.0, reduce=reduce))


@pytest.mark.parametrize(
    "network",
    [
        Network(b=1, t=1, widths=(1, 1, 1, 1), rate=3.0),
        Network(b=3, t=4, widths=(5, 16, 17, 2)),
        Network(b=1, t=8, widths=(2, 33, 3, 20)),
        Network(rate=0.0),
        Network(rate=0.0, bias=False),
        Network(rate=4.0, bias=False),
    ],
    ids=["ones", "block edges", "wide", "silent input", "silent", "counts"],
)
@pytest.mark.parametrize("strategy", [ZO, SIGMOID], ids=["local_zo", "sigmoid"])
def test_triton_shapes(network, strategy):
    check(network, strategy)


@pytest.mark.parametrize("neuron", [SOFT, replace(SOFT, reset="hard", detach_reset=False)], ids=["soft", "hard"])
@pytest.mark.parametrize("density", [0.0, 2.0], ids=["products", "rows"])
def test_triton_gradient_of_the_input(neuron, density, monkeypatch):
    monkeypatch.setattr(gradients, "GEMM_DENSITY", density)
    check(Network(), ZO, neuron, data=False)


def test_triton_all_or_nothing_active():
    check(Network(), SparseSurrogate(Surrogate(), b_th=1e-9))
    check(Network(), LocalZO(delta=1e3))


@pytest.mark.parametrize("neuron", [SOFT, replace(SOFT, reset="hard")], ids=["soft", "hard"])
@pytest.mark.parametrize("active", [ZO, LocalZO(delta=5.0), SIGMOID], ids=["few", "many", "all"])
def test_triton_forms_of_the_weight_gradient(active, neuron):
    """The trace form, the adjoint form, and a sum that is the same, bit for bit, each time."""
    layers, _ = check(Network(rate=0.1), active, neuron)
    assert layers[0].record.weight_gradient == ("trace" if active is ZO else "adjoint")
    torch.use_deterministic_algorithms(True)
    try:
        layers, repeatable = check(Network(rate=0.1), active, neuron)
        _, again = Network(rate=0.1).run("triton", active, neuron)
    finally:
        torch.use_deterministic_algorithms(False)
    assert layers[0].record.weight_gradient == ("dense" if active is SIGMOID else "trace")
    assert all(map(torch.equal, repeatable, again))


@pytest.mark.parametrize("strategy", [ZO, SIGMOID], ids=["local_zo", "sigmoid"])
def test_triton_float32(strategy):
    """float32 against the float64 reference on the same spikes."""
    network = Network(dtype=torch.float32)
    layers, found = network.run("triton", strategy)
    expected_layers, expected = replace(network, dtype=torch.float64).run("reference", strategy)
    assert all(torch.equal(a.to_dense().double(), b.to_dense()) for a, b in zip(layers, expected_layers, strict=True))
    for ours, theirs in zip(found, expected, strict=True):
        assert_near(ours.double(), theirs, 1e-5)


@pytest.mark.parametrize("strategy", [ZO, WINDOW, SIGMOID], ids=["local_zo", "window", "sigmoid"])
@pytest.mark.parametrize("neuron", NEURONS[::2], ids=lambda n: n.reset)
def test_triton_lif(neuron, strategy):
    generator = torch.Generator().manual_seed(0)
    current = 0.7 * torch.randn(2, 5, 35, dtype=torch.float64, generator=generator)
    found = []
    for backend in ("triton", "reference"):
        leaf = current.clone().requires_grad_()
        spikes = lif(leaf, neuron, strategy, Draw(1, 0, 2, torch.tensor([5, 9])), backend)
        (spikes.to_dense() * torch.arange(leaf.numel()).view_as(leaf)).sum().backward()
        found.append((spikes.to_dense(), spikes.active_elements(), leaf.grad))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
    assert_near(found[0][2], found[1][2], 1e-10)


def test_triton_without_gradient():
    with torch.no_grad():
        x = Spikes.from_dense(torch.ones(2, 3, 4))
        spikes = spiking_linear(x, torch.ones(5, 4), None, SOFT, ZO, backend="triton")
    assert spikes.event_count == 2 * 3 * 5
    assert spikes.active_count == len(spikes.handle) == 0


@pytest.mark.parametrize("strategy", [ZO, WINDOW, SIGMOID], ids=["local_zo", "window", "sigmoid"])
@pytest.mark.parametrize("neuron", [SOFT, replace(SOFT, reset="hard", detach_reset=False)], ids=["soft", "hard"])
def test_triton_plan(strategy, neuron):
    """With a plan the lists are longer than what they hold, and that changes nothing."""
    plan = Plan()
    exact, _ = check(Network(), strategy, neuron, plan=plan)
    assert not plan.overflow
    planned, _ = check(Network(), strategy, neuron, plan=plan)
    assert not plan.overflow
    for before, after in zip(exact, planned, strict=True):
        assert len(after.events.col) > len(before.events.col) == before.event_count


def test_triton_plan_overflow():
    """What does not fit is reported, and read by nobody as an index."""
    network, plan = Network(), Plan()
    network.run("triton", ZO, plan=plan)
    rooms = list(plan.rooms)
    for i in range(len(rooms[0])):
        plan = Plan([tuple(3 if j == i else size for j, size in enumerate(room)) for room in rooms])
        layers, found = network.run("triton", ZO, plan=plan)
        assert plan.overflow
        assert all(spikes.events.ptr[-1] <= len(spikes.events.col) for spikes in layers)
        assert all(bool(((s.events.col >= 0) & (s.events.col < s.shape[2])).all()) for s in layers)
        assert all(gradient.isfinite().all() for gradient in found)
    larger = Plan()
    network.run("triton", ZO, plan=larger)
    plan.include(larger)
    check(network, ZO, plan=plan)
    assert not plan.overflow


def test_triton_too_wide():
    with pytest.raises(ValueError, match="up to 8192 neurons a layer, got 8193; backend=reference"):
        spiking_linear(Spikes.from_dense(torch.ones(1, 1, 1)), torch.ones(8193, 1), None, SOFT, ZO, backend="triton")


def test_triton_kernels_compile_for_a_gpu():
    """All kernels at real sizes, for an H100 that need not be there: they compile, and spill no registers."""
    script = Path(__file__).with_name("compile_for_gpu.py")
    environment = {"PATH": "/usr/bin:/bin", "TRITON_INTERPRET": "0", "PYTHONPATH": ":".join(sys.path)}
    ran = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    kernels = json.loads(ran.stdout)
    names = {"_scan", "_draw", "_pack", "_errors", "_chunk_sums", "_adjoint", "_trace", "_adjoint_in_place"}
    assert {kernel["name"] for kernel in kernels} >= names | {"_currents", "_integrate"}
    assert all(kernel["spilled"] == 0 for kernel in kernels), kernels
