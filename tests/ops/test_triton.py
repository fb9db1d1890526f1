"""The Triton kernels in their interpreter, at small sizes, against the reference; chunks and blocks are made small so
that several of each take part. The other tests here run over this backend too, on demand (`-m slow -k triton`)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

triton = pytest.importorskip("triton")

from snn_zo.neuron import REDUCTIONS, Readout  # noqa: E402
from snn_zo.ops import Spikes, lif, spiking_linear  # noqa: E402
from snn_zo.ops.backends import INTERPRETED  # noqa: E402
from snn_zo.ops.triton import gradients, scan  # noqa: E402
from snn_zo.ops.triton.capacity import Plan  # noqa: E402
from snn_zo.strategies import Expectation, LocalZO, SparseSurrogate, Surrogate  # noqa: E402
from tests.ops import harness  # noqa: E402
from tests.ops.harness import (  # noqa: E402
    NEURONS,
    Leaves,
    Step,
    assert_grads_near,
    assert_near,
    assert_same_spikes,
    draw_for,
    equal,
    is_sparse,
    train,
    twin,
)  # fmt: skip

pytestmark = pytest.mark.skipif(not INTERPRETED, reason="TRITON_INTERPRET=1 runs these on a CPU")

ZO = LocalZO(delta=0.3)
WINDOW = SparseSurrogate(Surrogate("sigmoid", 5.0), b_th=0.3)
SIGMOID = Surrogate("sigmoid", 5.0)
SOFT = NEURONS["soft-detached"]
HARD = NEURONS["hard-attached"]
BOTH = pytest.mark.parametrize("neuron", [SOFT, HARD], ids=["soft", "hard"])
KINDS = pytest.mark.parametrize("strategy", [ZO, WINDOW, SIGMOID], ids=["local_zo", "window", "sigmoid"])
TWO_KINDS = pytest.mark.parametrize("strategy", [ZO, SIGMOID], ids=["local_zo", "sigmoid"])


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(gradients, "CHUNK", 2)
    monkeypatch.setattr(gradients, "GEMM_DENSITY", 2.0)  # rows everywhere, no matrix product
    monkeypatch.setattr(scan, "BLOCK", 16)


def make(b=2, t=5, widths=(6, 19, 5, 3), data=True, **options) -> Leaves:
    return harness.make(b, t, widths, data=data, **options)


def check(leaves: Leaves, strategy, neuron=SOFT, **options) -> Step:
    """A training step against the reference; with a hard reset handles are 1 where an active element spiked."""
    step = harness.check("triton", leaves, neuron, strategy, **options)
    for spikes in step.layers:
        if neuron.reset == "hard" and is_sparse(spikes):
            spiked = spikes.to_dense().flatten()[spikes.active_elements()]
            assert (spikes.handle > 0).sum() == spiked.count_nonzero()
    return step


@KINDS
def test_triton_network(strategy, neuron):
    step = check(make(), strategy, neuron)
    assert all(spikes.active_count > 0 for spikes in step.layers)


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
    check(make(), strategy)


@pytest.mark.parametrize("reduce", REDUCTIONS)
def test_triton_readouts(reduce):
    harness.check("triton", make(), SOFT, WINDOW, readout=Readout(tau=4.0, reduce=reduce))


@pytest.mark.parametrize(
    "sizes",
    [
        {"b": 1, "t": 1, "widths": (1, 1, 1, 1), "share": 1.0},
        {"b": 3, "t": 4, "widths": (5, 16, 17, 2)},
        {"b": 1, "t": 8, "widths": (2, 33, 3, 20)},
        {"share": 0.0},
        {"share": 0.0, "bias": False},
        {"share": 1.0, "bias": False},
    ],
    ids=["ones", "block edges", "wide", "silent input", "silent", "counts"],
)
@TWO_KINDS
def test_triton_shapes(sizes, strategy):
    check(make(**sizes), strategy)


@BOTH
@pytest.mark.parametrize("density", [0.0, 2.0], ids=["products", "rows"])
def test_triton_gradient_of_the_input(neuron, density, monkeypatch):
    monkeypatch.setattr(gradients, "GEMM_DENSITY", density)
    check(make(data=False), ZO, neuron)


def test_triton_all_or_nothing_active():
    check(make(), SparseSurrogate(Surrogate(), b_th=1e-9))
    check(make(), LocalZO(delta=1e3))


@pytest.mark.parametrize("neuron", [SOFT, NEURONS["hard-detached"]], ids=["soft", "hard"])
@pytest.mark.parametrize("active", [ZO, LocalZO(delta=5.0), SIGMOID], ids=["few", "many", "all"])
def test_triton_forms_of_the_weight_gradient(active, neuron):
    """The trace form, the adjoint form, and a sum that is the same, bit for bit, each time."""
    leaves = make(share=0.1)
    step = check(leaves, active, neuron)
    assert step.layers[0].record.weight_gradient == ("trace" if active is ZO else "adjoint")
    torch.use_deterministic_algorithms(True)
    try:
        repeatable = check(leaves, active, neuron)
        again = train("triton", leaves, neuron, active)
    finally:
        torch.use_deterministic_algorithms(False)
    assert repeatable.layers[0].record.weight_gradient == ("dense" if active is SIGMOID else "trace")
    assert equal(repeatable.grads, again.grads)


@TWO_KINDS
def test_triton_float32(strategy):
    """float32 against the float64 reference on the same spikes."""
    leaves = make(dtype=torch.float32)
    found, expected = train("triton", leaves, SOFT, strategy), train("reference", leaves.double(), SOFT, strategy)
    for ours, theirs in zip(found.layers, expected.layers, strict=True):
        assert torch.equal(ours.to_dense().double(), theirs.to_dense())
    for ours, theirs in zip((found.logits, *found.grads), (expected.logits, *expected.grads), strict=True):
        assert_near(ours.double(), theirs, 1e-5)


@KINDS
@pytest.mark.parametrize("reset", ["soft", "hard", "none"])
def test_triton_lif(reset, strategy):
    leaf = (0.7 * torch.randn(2, 5, 35, dtype=torch.float64)).requires_grad_()
    (other,) = twin(leaf)
    slope = torch.randn_like(leaf)
    ours, theirs = (
        lif(current, NEURONS[f"{reset}-detached"], strategy, draw_for(2), backend)
        for current, backend in ((leaf, "triton"), (other, "reference"))
    )
    for spikes in (ours, theirs):
        (spikes.to_dense() * slope).sum().backward()
    assert_same_spikes([ours], [theirs])
    assert_grads_near([leaf], [other], 1e-10)


def test_triton_without_gradient():
    with torch.no_grad():
        x = Spikes.from_dense(torch.ones(2, 3, 4))
        spikes = spiking_linear(x, torch.ones(5, 4), None, SOFT, ZO, backend="triton")
    assert spikes.event_count == 2 * 3 * 5
    assert spikes.active_count == len(spikes.handle) == 0


@KINDS
@BOTH
def test_triton_plan(strategy, neuron):
    """With a plan the lists are longer than what they hold, and that changes nothing."""
    leaves, plan = make(), Plan()
    exact = check(leaves, strategy, neuron, plan=plan)
    assert not plan.overflow
    planned = check(leaves, strategy, neuron, plan=plan)
    assert not plan.overflow
    for before, after in zip(exact.layers, planned.layers, strict=True):
        assert len(after.events.col) > len(before.events.col) == before.event_count


def test_triton_plan_overflow():
    """What does not fit is reported, and read by nobody as an index."""
    leaves, plan = make(), Plan()
    train("triton", leaves, SOFT, ZO, plan=plan)
    rooms = list(plan.rooms)
    for i in range(len(rooms[0])):
        plan = Plan([tuple(3 if j == i else size for j, size in enumerate(room)) for room in rooms])
        step = train("triton", leaves, SOFT, ZO, plan=plan)
        assert plan.overflow
        assert all(spikes.events.ptr[-1] <= len(spikes.events.col) for spikes in step.layers)
        assert all(bool(((s.events.col >= 0) & (s.events.col < s.shape[2])).all()) for s in step.layers)
        assert all(part.isfinite().all() for part in (step.logits, *step.grads))
    larger = Plan()
    train("triton", leaves, SOFT, ZO, plan=larger)
    plan.include(larger)
    check(leaves, ZO, plan=plan)
    assert not plan.overflow


def test_triton_too_wide():
    with pytest.raises(ValueError, match=r"up to 8192 neurons a layer, got 8193; .*backend=reference"):
        spiking_linear(Spikes.from_dense(torch.ones(1, 1, 1)), torch.ones(8193, 1), None, SOFT, ZO, backend="triton")


def test_triton_too_many_elements_a_sample():
    current = torch.zeros(1, 1, 1).expand(1, 2**28, 9)
    with pytest.raises(ValueError, match=r"numbers up to 2\^31 elements a sample .*, got 2415919104: take fewer steps"):
        scan.scan((1, 2**28, 9), None, current, None, SOFT, scan.TritonLook(), keep_u=False)


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
