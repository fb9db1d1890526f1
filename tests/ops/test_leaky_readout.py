import re

import pytest
import torch

from snn_zo.neuron import REDUCTIONS, Neuron, Readout
from snn_zo.ops import Spikes, leaky_readout, spiking_linear
from snn_zo.ops.leaky_readout import reduced
from snn_zo.strategies import SparseSurrogate, Surrogate
from tests.ops import oracle
from tests.ops.harness import assert_grads_near, assert_near, double, make_layer, twin

B, T, C, N_IN = 3, 9, 2, 5

reductions = pytest.mark.parametrize("reduce", REDUCTIONS)


def make(b=B, t=T, c=C, n_in=N_IN, **options):
    return make_layer(b, t, c, n_in, **options)


def check(leaves, readout, backend):
    others = twin(*leaves)
    x, weight, bias = leaves
    logits = leaky_readout(Spikes.from_dense(x), weight, bias, readout, backend)
    expected = oracle.readout(*others, readout)
    grad = torch.randn(expected.shape, dtype=torch.float64)
    (logits * grad).sum().backward()
    (expected * grad).sum().backward()
    assert_near(logits, expected)
    assert_grads_near(leaves, others)


@reductions
@pytest.mark.parametrize("tau", [0.5, 3.0, 50.0])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_leaky_readout_oracle(backend, reduce, tau, bias):
    check(make(bias=bias), Readout(tau, reduce=reduce), backend)


@reductions
@pytest.mark.parametrize(
    "shape", [(1, 1, 1, 1), (3, 1, 2, 5), (1, 7, 2, 5), (3, 7, 1, 5), (3, 7, 2, 1), (2, 33, 11, 70)]
)
def test_leaky_readout_shapes(backend, reduce, shape):
    check(make(*shape), Readout(4.0, reduce=reduce), backend)


@reductions
def test_leaky_readout_one_step(backend, reduce):
    """Over one step every reduction is (1 - beta) I."""
    x, weight, bias = make(t=1)
    readout = Readout(3.0, reduce=reduce)
    logits = leaky_readout(Spikes.from_dense(x), weight, bias, readout, backend)
    assert_near(logits, (1 - readout.beta) * (x[:, 0] @ weight.t() + bias))


@reductions
def test_leaky_readout_hand_computed(backend, reduce):
    """beta = 1/2 and one spike of weight 8 at t = 1: o = 0, 4, 2, 1."""
    tau = 1 / torch.tensor(2.0, dtype=torch.float64).log().item()
    x = torch.tensor([0.0, 1.0, 0.0, 0.0], dtype=torch.float64).view(1, 4, 1)
    weight = torch.full((1, 1), 8.0, dtype=torch.float64)
    logits = leaky_readout(Spikes.from_dense(x), weight, None, Readout(tau, reduce=reduce), backend)
    assert logits.item() == pytest.approx({"max": 4, "sum": 7, "mean": 7 / 4, "last": 1}[reduce], abs=1e-12)


@pytest.mark.parametrize("bias", [None, 0.0, -1.0, 1.0])
def test_leaky_readout_max_ties(backend, bias):
    """A silent input: of equal maxima the first is taken, which only the first step can have changed."""
    _, weight, _ = make()
    x = torch.zeros(B, T, N_IN, dtype=torch.float64, requires_grad=True)
    b = None if bias is None else torch.full((C,), bias, dtype=torch.float64, requires_grad=True)
    check((x, weight, b), Readout(3.0, reduce="max"), backend)
    chosen = x.grad.abs().sum((0, 2)) > 0
    assert chosen.tolist() == [True] + [bias == 1.0] * (T - 1)


def test_leaky_readout_max_ties_per_class(backend):
    """Spikes at t = 1 and again where they bring o back to the very same value; each class on its own."""
    x = torch.zeros(1, 6, 2, dtype=torch.float64)
    x[0, 1, 0] = x[0, 4, 1] = 1
    x.requires_grad_()
    weight = torch.eye(2, dtype=torch.float64).requires_grad_()
    check((x, weight, None), Readout(1e-3, reduce="max"), backend)
    assert x.grad.nonzero().tolist() == [[0, 1, 0], [0, 4, 1]]


@reductions
def test_leaky_readout_hidden_layer(backend, reduce):
    """The gradient of the handle is dL/ds at the active elements of the layer below."""
    x, weight, bias = make()
    strategy = SparseSurrogate(Surrogate("sigmoid", slope=5.0), b_th=0.4)
    lower = torch.randn(N_IN, N_IN, dtype=torch.float64, requires_grad=True)
    spikes = spiking_linear(Spikes.from_dense(x), lower, None, Neuron(tau=5.0), strategy, backend=backend)
    spikes.handle.retain_grad()
    grad = torch.randn(B, C, dtype=torch.float64)
    (leaky_readout(spikes, weight, bias, Readout(3.0, reduce=reduce), backend) * grad).sum().backward()
    s = spikes.to_dense().detach().requires_grad_()
    (oracle.readout(s, weight, bias, Readout(3.0, reduce=reduce)) * grad).sum().backward()
    assert 0 < spikes.active_count < s.numel()
    assert_near(spikes.handle.grad, s.grad.flatten()[spikes.active_elements()])


@pytest.mark.parametrize("wanted", ["x", "weight", "bias", "weight bias"])
@reductions
def test_leaky_readout_frozen_parts(backend, reduce, wanted):
    leaves = make()
    for name, leaf in zip(("x", "weight", "bias"), leaves, strict=True):
        leaf.requires_grad_(name in wanted.split())
    check(leaves, Readout(3.0, reduce=reduce), backend)
    assert all((leaf.grad is not None) == leaf.requires_grad for leaf in leaves)


@reductions
def test_leaky_readout_float32(backend, reduce):
    leaves = make(dtype=torch.float32)
    double = tuple(leaf.detach().double().requires_grad_() for leaf in leaves)
    x, weight, bias = leaves
    logits = leaky_readout(Spikes.from_dense(x), weight, bias, Readout(3.0, reduce=reduce), backend)
    expected = oracle.readout(*double, Readout(3.0, reduce=reduce))
    logits.sum().backward()
    expected.sum().backward()
    assert logits.dtype == torch.float32
    assert_near(logits.double(), expected, 1e-6)
    for leaf, other in zip(leaves, double, strict=True):
        assert_near(leaf.grad.double(), other.grad, 1e-6)


@reductions
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_leaky_readout_eval(backend, mode, reduce):
    x, weight, bias = make()
    readout = Readout(3.0, reduce=reduce)
    trained = leaky_readout(Spikes.from_dense(x), weight, bias, readout, backend)
    with mode():
        logits = leaky_readout(Spikes.from_dense(x), weight, bias, readout, backend)
        assert torch.equal(logits, trained)
    assert not logits.requires_grad


def test_leaky_readout_mixed_types(backend):
    """float32 data in a float64 readout."""
    x, weight, bias = (leaf.detach() for leaf in make())
    logits = leaky_readout(Spikes.from_dense(x.float()), weight, bias, Readout(3.0), backend)
    assert logits.dtype == torch.float64
    assert_near(logits, oracle.readout(x, weight, bias, Readout(3.0)))


# ---- the values of every step


def check_every_step(leaves, readout, backend, tolerance=1e-12):
    """Against the oracle at each step, and against the operation's own reduction."""
    others = double(*leaves)
    x, weight, bias = leaves
    values = leaky_readout(Spikes.from_dense(x), weight, bias, readout, backend, every_step=True)
    expected = readout.scale * oracle.over_time(*others, readout)
    grad = torch.randn(expected.shape, dtype=torch.float64)
    (values * grad).sum().backward()
    (expected * grad).sum().backward()
    assert values.dtype == weight.dtype
    assert_near(values.double(), expected, tolerance)
    assert_grads_near(leaves, others, tolerance)
    alone = leaky_readout(Spikes.from_dense(x.detach()), weight, bias, readout, backend)
    assert_near(reduced(values, readout.reduce).double(), alone.double(), max(tolerance, 1e-12))


@reductions
@pytest.mark.parametrize("tau", [0.5, 3.0, 50.0])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_leaky_readout_every_step_oracle(backend, reduce, tau, bias):
    check_every_step(make(bias=bias), Readout(tau, reduce=reduce, scale=7.0), backend)


@pytest.mark.parametrize(
    "shape", [(1, 1, 1, 1), (3, 1, 2, 5), (1, 7, 2, 5), (3, 7, 1, 5), (3, 7, 2, 1), (2, 33, 11, 70), (17, 4, 3, 5)]
)
def test_leaky_readout_every_step_shapes(backend, shape):
    check_every_step(make(*shape), Readout(4.0), backend)


def test_leaky_readout_every_step_float32(backend):
    check_every_step(make(dtype=torch.float32), Readout(3.0, scale=2.0), backend, 1e-6)


def test_leaky_readout_every_step_triton():
    """Composed of kernels and products of torch, once where the other tests of the interpreter are left out."""
    pytest.importorskip("triton")
    check_every_step(make(), Readout(4.0, scale=7.0), "triton")


def test_leaky_readout_every_step_hand_computed(backend):
    """beta = 1/2 and one spike of weight 8 at t = 1: o = 0, 4, 2, 1."""
    tau = 1 / torch.tensor(2.0, dtype=torch.float64).log().item()
    x = torch.tensor([0.0, 1.0, 0.0, 0.0], dtype=torch.float64).view(1, 4, 1)
    weight = torch.full((1, 1), 8.0, dtype=torch.float64)
    values = leaky_readout(Spikes.from_dense(x), weight, None, Readout(tau), backend, every_step=True)
    assert values.flatten().tolist() == pytest.approx([0, 4, 2, 1], abs=1e-12)


@pytest.mark.parametrize("strategy", [SparseSurrogate(Surrogate("sigmoid", slope=5.0), b_th=0.4), Surrogate(slope=5.0)])
def test_leaky_readout_every_step_hidden_layer(backend, strategy):
    """The gradient of the handle is dL/ds at the active elements of the layer below."""
    x, weight, bias = make()
    lower = torch.randn(N_IN, N_IN, dtype=torch.float64, requires_grad=True)
    spikes = spiking_linear(Spikes.from_dense(x), lower, None, Neuron(tau=5.0), strategy, backend=backend)
    spikes.handle.retain_grad()
    grad = torch.randn(B, T, C, dtype=torch.float64)
    (leaky_readout(spikes, weight, bias, Readout(3.0), backend, every_step=True) * grad).sum().backward()
    s = spikes.to_dense().detach().requires_grad_()
    (oracle.over_time(s, weight, bias, Readout(3.0)) * grad).sum().backward()
    active = spikes.active_elements()
    found = spikes.handle.grad if len(spikes.handle) == len(active) else spikes.handle.grad[active]
    assert_near(found, s.grad.flatten()[active])


@pytest.mark.parametrize("wanted", ["x", "weight", "bias", "weight bias"])
def test_leaky_readout_every_step_frozen_parts(backend, wanted):
    leaves = make()
    for name, leaf in zip(("x", "weight", "bias"), leaves, strict=True):
        leaf.requires_grad_(name in wanted.split())
    x, weight, bias = leaves
    leaky_readout(Spikes.from_dense(x), weight, bias, Readout(3.0), backend, every_step=True).sum().backward()
    assert all((leaf.grad is not None) == leaf.requires_grad for leaf in leaves)


def wrong(shape):
    return pytest.raises(ValueError, match=re.escape(str(list(shape))))


def test_leaky_readout_wrong_inputs(backend):
    x, _, bias = make()
    weight = torch.randn(C, 4, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"(?=.*\[2, 4\]).*\b5\b"):
        leaky_readout(Spikes.from_dense(x), weight, bias, Readout(), backend)


@pytest.mark.parametrize("shape", [(C,), (N_IN,), (C, N_IN, 1)])
def test_leaky_readout_wrong_weight(backend, shape):
    x, weight = make()[0], torch.randn(shape, dtype=torch.float64)
    with wrong(shape):
        leaky_readout(Spikes.from_dense(x), weight, None, Readout(), backend)


@pytest.mark.parametrize("shape", [(), (1,), (C + 1,), (B, 1, C)])
def test_leaky_readout_wrong_bias(backend, shape):
    (x, weight, _), bias = make(), torch.randn(shape, dtype=torch.float64)
    with wrong(shape):
        leaky_readout(Spikes.from_dense(x), weight, bias, Readout(), backend)
