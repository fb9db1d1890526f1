import re

import pytest
import torch

from snn_zo.neuron import Neuron, Readout
from snn_zo.ops import Spikes, leaky_readout, spiking_linear
from snn_zo.strategies import Draw, LocalZO, SparseSurrogate, Surrogate
from tests.ops import oracle
from tests.ops.harness import (
    Poison,
    Silent,
    assert_grads_near,
    assert_near,
    check_layer,
    double,
    draw_for,
    make_layer,
    twin,
)

B, T, N, N_IN = 3, 9, 5, 4
SPARSE = SparseSurrogate(Surrogate("sigmoid", slope=5.0), b_th=0.4)


def check(leaves, neuron, strategy, draw, backend):
    """Spikes, active set and all gradients against the oracle."""
    others = twin(*leaves)
    x, weight, bias = leaves
    spikes = spiking_linear(Spikes.from_dense(x), weight, bias, neuron, strategy, draw, backend)
    return check_layer(spikes, leaves, oracle.spiking_linear(*others, neuron, strategy, draw), others)


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_spiking_linear_oracle(backend, neuron, strategy, bias):
    spikes = check(make_layer(bias=bias), neuron, strategy, draw_for(B, 1), backend)
    assert 0 < len(spikes.events.col) < B * T * N


def test_spiking_linear_recurrence(backend, neuron, strategy):
    """docs/engine.md: dW in the trace and in the adjoint form, and grad_x = W lambda."""
    x, weight, bias = leaves = make_layer()
    grad = torch.randn(B, T, N, dtype=torch.float64)
    spikes = spiking_linear(Spikes.from_dense(x), weight, bias, neuron, strategy, draw_for(B, 1), backend)
    (spikes.to_dense() * grad).sum().backward()
    x_, weight_, bias_ = (leaf.detach() for leaf in leaves)
    lambdas, eps = oracle.spiking_linear(x_, weight_, bias_, neuron, strategy, draw_for(B, 1)).adjoint(grad, neuron)
    assert_near(weight.grad, torch.einsum("btn,bti->ni", lambdas, x_))
    assert_near(weight.grad, torch.einsum("btn,bti->ni", eps, oracle.trace(x_, neuron)))
    assert_near(bias.grad, lambdas.sum((0, 1)))
    assert_near(x.grad, torch.einsum("btn,ni->bti", lambdas, weight_))


@pytest.mark.parametrize(
    "shape", [(1, 1, 1, 1), (3, 1, 5, 2), (1, 7, 5, 4), (3, 7, 1, 4), (3, 7, 5, 1), (2, 33, 70, 45)]
)
@pytest.mark.parametrize("strategy", [LocalZO(delta=0.5, samples=2), SPARSE], ids=["local_zo", "window"])
def test_spiking_linear_shapes(backend, neuron, strategy, shape):
    check(make_layer(*shape), neuron, strategy, draw_for(shape[0], 1), backend)


@pytest.mark.parametrize("value", [0.0, 1.0, 3.0])
def test_spiking_linear_constant_input(backend, neuron, value):
    """A silent input, one that fires at every step, and one of counts."""
    _, weight, bias = make_layer()
    x = torch.full((B, T, N_IN), value, dtype=torch.float64, requires_grad=True)
    check((x, weight, bias), neuron, Surrogate("sigmoid", slope=2.0), None, backend)


def test_spiking_linear_nothing_active(backend, neuron):
    leaves = x, weight, bias = make_layer()
    strategy = SparseSurrogate(Surrogate(), b_th=1e-9)
    spikes = spiking_linear(Spikes.from_dense(x), weight, bias, neuron, strategy, backend=backend)
    assert len(spikes.events.col) > 0
    assert len(spikes.active.col) == len(spikes.handle) == 0
    (spikes.to_dense().sum() + spikes.count().sum()).backward()
    assert all(torch.equal(leaf.grad, torch.zeros_like(leaf)) for leaf in leaves)


def test_spiking_linear_everything_active(backend, neuron):
    spikes = check(make_layer(), neuron, Surrogate("fast_sigmoid", slope=1.0), None, backend)
    assert spikes.active_count == B * T * N


def test_spiking_linear_float32(backend, neuron, strategy):
    leaves = x, weight, bias = make_layer(dtype=torch.float32)
    exact = double(*leaves)
    expected = oracle.spiking_linear(*exact, neuron, strategy, draw_for(B, 1))
    spikes = spiking_linear(Spikes.from_dense(x), weight, bias, neuron, strategy, draw_for(B, 1), backend)
    check_layer(spikes, leaves, expected, exact, 1e-5)
    assert {leaf.grad.dtype for leaf in leaves} | {spikes.handle.dtype, spikes.g.dtype} == {torch.float32}


def test_spiking_linear_mixed_types(backend):
    """float32 data in a float64 layer: the spikes that come out are of the layer's type."""
    x, weight, bias = make_layer()
    spikes = Spikes.from_dense(x.detach().float())
    y = spiking_linear(spikes, weight, bias, Neuron(), SPARSE, backend=backend)
    assert y.handle.dtype == y.g.dtype == y.to_dense().dtype == torch.float64
    assert torch.equal(y.to_dense(), oracle.spiking_linear(x, weight, bias, Neuron(), SPARSE).s)


def test_spiking_linear_not_contiguous(backend, neuron):
    """Weights that are a transposed view of their parameter, and a strided bias."""
    x, weight, _ = make_layer()
    leaf = weight.detach().t().contiguous().requires_grad_()
    bias = torch.randn(2 * N, dtype=torch.float64, requires_grad=True)
    others = twin(x, leaf, bias)
    grad = torch.randn(B, T, N, dtype=torch.float64)
    y = spiking_linear(Spikes.from_dense(x), leaf.t(), bias[::2], neuron, SPARSE, backend=backend)
    expected = oracle.spiking_linear(others[0], others[1].t(), others[2][::2], neuron, SPARSE)
    (y.to_dense() * grad).sum().backward()
    (expected.s * grad).sum().backward()
    assert torch.equal(y.to_dense(), expected.s)
    assert_grads_near((x, leaf, bias), others)


@pytest.mark.parametrize("wanted", ["x", "weight", "bias", "x weight", "x bias", "weight bias"])
def test_spiking_linear_frozen_parts(backend, neuron, wanted):
    leaves = make_layer()
    for name, leaf in zip(("x", "weight", "bias"), leaves, strict=True):
        leaf.requires_grad_(name in wanted.split())
    check(leaves, neuron, SPARSE, None, backend)
    assert all((leaf.grad is not None) == leaf.requires_grad for leaf in leaves)


def test_spiking_linear_data_input(backend):
    """Spikes that want no gradient have an empty handle, which gets none; the weights do."""
    x, weight, bias = make_layer()
    spikes = Spikes.from_dense(x.detach())
    assert len(spikes.handle) == 0
    y = spiking_linear(spikes, weight, bias, Neuron(), Surrogate("sigmoid"), backend=backend)
    y.count().sum().backward()
    assert not spikes.handle.requires_grad
    assert weight.grad.abs().sum() > 0
    assert bias.grad.abs().sum() > 0


def test_spiking_linear_all_frozen(backend):
    x, weight, bias = (leaf.detach() for leaf in make_layer())
    y = spiking_linear(Spikes.from_dense(x), weight, bias, Neuron(), Surrogate("sigmoid", slope=2.0), backend=backend)
    assert y.active_count == B * T * N
    assert not y.handle.requires_grad
    assert not y.to_dense().requires_grad


@pytest.mark.parametrize("reduce", ["max", "mean"])
def test_spiking_linear_two_layers(backend, neuron, strategy, reduce):
    """Data, two layers and a readout: every weight, and dL/ds of both layers where they are active."""
    x = torch.randint(0, 3, (B, T, N_IN)).double()
    widths = [(6, N_IN), (N, 6), (2, N)]
    weights = [torch.randn(*width, dtype=torch.float64).requires_grad_() for width in widths]
    biases = [(torch.randn(n, dtype=torch.float64) / 5).requires_grad_() for n, _ in widths]
    others = twin(*weights, *biases)
    readout, grad = Readout(tau=4.0, reduce=reduce), torch.randn(B, 2, dtype=torch.float64)

    layers, spikes = [], Spikes.from_dense(x)
    for i in range(2):
        spikes = spiking_linear(spikes, weights[i], biases[i], neuron, strategy, draw_for(B, i), backend)
        spikes.handle.retain_grad()
        layers.append(spikes)
    logits = leaky_readout(spikes, weights[2], biases[2], readout, backend)
    (logits * grad).sum().backward()

    expected_layers, s = [], x
    for i in range(2):
        layer = oracle.spiking_linear(s, others[i], others[3 + i], neuron, strategy, draw_for(B, i))
        s = layer.s
        s.retain_grad()
        expected_layers.append(layer)
    expected = oracle.readout(s, others[2], others[5], readout)
    (expected * grad).sum().backward()

    assert_near(logits, expected)
    assert_grads_near([*weights, *biases], others)
    for spikes, layer in zip(layers, expected_layers, strict=True):
        assert torch.equal(spikes.to_dense(), layer.s)
        assert torch.equal(spikes.active_elements(), layer.active)
        assert_near(spikes.handle.grad[spikes.g != 0], layer.s.grad.flatten()[layer.active])


@pytest.mark.parametrize("consumer", ["to_dense", "count"])
def test_spiking_linear_poisoned(backend, neuron, strategy, consumer):
    """What a consumer's gradient says about inactive elements does not matter, two layers down."""
    x, weight, bias = leaves = make_layer()
    above = torch.randn(2, N, dtype=torch.float64).requires_grad_()
    others = twin(*leaves, above)
    lower = spiking_linear(Spikes.from_dense(x), weight, bias, neuron, strategy, draw_for(B, 0), backend)
    spikes = spiking_linear(lower, above, None, neuron, strategy, draw_for(B, 1), backend)
    expected = oracle.spiking_linear(*others[:3], neuron, strategy, draw_for(B, 0))
    expected = oracle.spiking_linear(expected.s, others[3], None, neuron, strategy, draw_for(B, 1))
    mask, wanted = expected.g != 0, expected.s
    if consumer == "count":
        mask, wanted = mask.any(1), wanted.sum(1)
    grad = torch.randn(mask.shape, dtype=torch.float64)
    (Poison.apply(getattr(spikes, consumer)(), mask) * grad).sum().backward()
    (wanted * grad).sum().backward()
    assert_grads_near((*leaves, above), others)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_spiking_linear_eval(backend, neuron, mode):
    x, weight, bias = make_layer()
    trained = spiking_linear(Spikes.from_dense(x), weight, bias, neuron, LocalZO(delta=0.5), draw_for(B, 1), backend)
    before = torch.get_rng_state()
    with mode():
        spikes = spiking_linear(Spikes.from_dense(x), weight, bias, neuron, Silent(delta=0.5), backend=backend)
        assert torch.equal(spikes.to_dense(), trained.to_dense())
    assert trained.active_count > 0
    assert len(spikes.active.col) == len(spikes.g) == len(spikes.handle) == 0
    assert spikes.active.ptr.tolist() == [0] * (B * T + 1)
    assert not spikes.handle.requires_grad
    assert torch.equal(torch.get_rng_state(), before)


def test_spiking_linear_eval_of_training_spikes(backend):
    """Spikes with an active set, read under no_grad (a frozen probe on a hidden layer)."""
    x, weight, bias = make_layer()
    with torch.no_grad():
        spikes = spiking_linear(Spikes.from_dense(x), weight, bias, Neuron(), SPARSE, backend=backend)
    other = spiking_linear(Spikes.from_dense(x), weight, bias, Neuron(), SPARSE, backend=backend)
    with torch.no_grad():
        above = spiking_linear(other, torch.ones(2, N, dtype=torch.float64), None, Neuron(), SPARSE, backend=backend)
    assert torch.equal(spikes.to_dense(), other.to_dense())
    assert above.active_count == 0
    assert not above.to_dense().requires_grad


def test_spiking_linear_without_draw(backend):
    """A fresh draw comes from torch's global generator."""
    x, weight, bias = make_layer()

    def active(seed):
        torch.manual_seed(seed)
        strategy = LocalZO(delta=0.5)
        return spiking_linear(Spikes.from_dense(x), weight, bias, Neuron(), strategy, backend=backend).active_elements()

    first = active(4)
    assert len(first)
    assert torch.equal(active(4), first)
    assert not torch.equal(active(5), first)


def test_spiking_linear_same_draw(backend, neuron):
    x, weight, bias = make_layer()
    first, second = (
        spiking_linear(
            Spikes.from_dense(x), weight, bias, neuron, LocalZO(delta=0.5, samples=3), draw_for(B, 1), backend
        )
        for _ in range(2)
    )
    assert torch.equal(first.active_elements(), second.active_elements())
    assert torch.equal(first.g, second.g)


def test_spiking_linear_batch_split(backend, neuron):
    x, weight, bias = make_layer(b=5)
    sample, strategy = torch.tensor([4, 9, 0, 77, 3]), LocalZO(delta=0.5, samples=3)

    def run(part):
        draw = Draw(1, 0, 2, sample[part])
        return spiking_linear(Spikes.from_dense(x[part]), weight, bias, neuron, strategy, draw, backend)

    whole, first, second = run(slice(0, 5)), run(slice(0, 3)), run(slice(3, 5))
    assert torch.equal(torch.cat([first.to_dense(), second.to_dense()]), whole.to_dense())
    assert torch.equal(
        torch.cat([first.active_elements(), second.active_elements() + 3 * T * N]), whole.active_elements()
    )
    assert_near(torch.cat([first.g, second.g]), whole.g)


def wrong(shape):
    return pytest.raises(ValueError, match=re.escape(str(list(shape))))


def test_spiking_linear_wrong_inputs(backend):
    x, _, bias = make_layer()
    weight = torch.randn(N, 3, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"(?=.*\[5, 3\]).*\b4\b"):
        spiking_linear(Spikes.from_dense(x), weight, bias, Neuron(), Surrogate(), backend=backend)


@pytest.mark.parametrize("shape", [(N,), (N_IN,), (N, N_IN, 1)])
def test_spiking_linear_wrong_weight(backend, shape):
    x, weight = make_layer()[0], torch.randn(shape, dtype=torch.float64)
    with wrong(shape):
        spiking_linear(Spikes.from_dense(x), weight, None, Neuron(), Surrogate(), backend=backend)


@pytest.mark.parametrize("shape", [(), (1,), (N + 1,), (B, 1, N)])
def test_spiking_linear_wrong_bias(backend, shape):
    (x, weight, _), bias = make_layer(), torch.randn(shape, dtype=torch.float64)
    with wrong(shape):
        spiking_linear(Spikes.from_dense(x), weight, bias, Neuron(), Surrogate(), backend=backend)


@pytest.mark.parametrize("samples", [B - 1, B + 1])
def test_spiking_linear_wrong_draw(backend, samples):
    """A draw names each sample of the batch, no fewer and no more."""
    x, weight, bias = make_layer()
    with pytest.raises(ValueError, match="sample"):
        spiking_linear(
            Spikes.from_dense(x), weight, bias, Neuron(), LocalZO(delta=0.5), draw_for(samples, 1), backend=backend
        )
