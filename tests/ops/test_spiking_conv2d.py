import itertools
import math
import re

import pytest
import torch

from snn_zo.neuron import Neuron
from snn_zo.ops import Spikes, leaky_readout, spiking_conv2d, spiking_linear
from snn_zo.strategies import LocalZO, SparseSurrogate, Surrogate
from tests.ops import oracle
from tests.ops.harness import (
    READOUT,
    Silent,
    assert_grads_near,
    assert_near,
    check_layer,
    double,
    draw_for,
    twin,
)

SPARSE = SparseSurrogate(Surrogate("sigmoid", slope=5.0), b_th=0.4)

GEOMETRIES = {
    # (B, T, C, H, W), C_out, kernel, options
    "plain": ((2, 5, 2, 6, 5), 3, (3, 3), {}),
    "padded": ((2, 5, 3, 5, 7), 4, (3, 3), {"padding": 1}),
    "wide padding": ((2, 4, 1, 4, 3), 2, (3, 3), {"padding": 2}),
    "strided": ((2, 5, 2, 7, 8), 3, (3, 3), {"stride": 2, "padding": 1}),
    "stride above kernel": ((2, 4, 2, 8, 7), 3, (1, 2), {"stride": (2, 3)}),
    "uneven": ((2, 4, 2, 7, 9), 3, (2, 5), {"stride": (1, 2), "padding": (1, 0)}),
    "five by five": ((2, 3, 2, 9, 8), 2, (5, 5), {"padding": 2}),
    "groups": ((2, 5, 4, 5, 6), 6, (3, 3), {"groups": 2, "padding": 1}),
    "depthwise": ((2, 5, 3, 6, 5), 3, (3, 3), {"groups": 3, "stride": 2, "padding": 1}),
    "depthwise, two each": ((2, 5, 3, 6, 5), 6, (3, 2), {"groups": 3}),
    "pooled": ((2, 5, 2, 9, 8), 3, (3, 3), {"pool": 2}),
    "pooled, padded": ((2, 5, 3, 11, 7), 3, (3, 3), {"pool": (3, 2), "padding": 1, "stride": 2}),
    "pooled groups": ((2, 4, 4, 9, 9), 4, (3, 3), {"pool": 2, "groups": 2, "padding": 1}),
    "whole": ((2, 5, 3, 4, 5), 4, (4, 5), {}),
    "one step": ((3, 1, 2, 5, 5), 3, (3, 3), {"padding": 1}),
    "one sample": ((1, 6, 2, 5, 5), 3, (3, 3), {"padding": 1}),
    "one pixel": ((2, 5, 4, 1, 1), 3, (1, 1), {}),
}
ONE = GEOMETRIES["strided"]


@pytest.fixture(params=GEOMETRIES.values(), ids=GEOMETRIES)
def geometry(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["channels first", "channels last"])
def channels_last(request):
    return request.param


def make(geometry, bias=True, dtype=torch.float64, share=0.4):
    """x, weight and bias of a layer, all leaves that want a gradient, and its options."""
    shape, channels, kernel, options = geometry
    x = (torch.rand(shape) < share).to(dtype) * torch.randint(1, 3, shape).to(dtype)
    inputs = shape[2] // options.get("groups", 1)
    weight = (1.2 * torch.randn(channels, inputs, *kernel, dtype=dtype) / math.prod(kernel) ** 0.5).requires_grad_()
    leaves = x.requires_grad_(), weight, (torch.randn(channels, dtype=dtype) / 5).requires_grad_() if bias else None
    return leaves, options


def spikes_in(x, channels_last):
    """Spikes of x [B, T, C, H, W], numbered in the one order or the other."""
    if not channels_last:
        return Spikes.from_dense(x)
    return Spikes.from_dense(x.permute(0, 1, 3, 4, 2)).view(*x.shape[2:], channels_last=True)


def check(leaves, options, neuron, strategy, backend, draw=None, channels_last=False, exact=None, tolerance=1e-10):
    """Spikes, active set and all gradients against the oracle."""
    others = exact or twin(*leaves)
    x, weight, bias = leaves
    ours = spiking_conv2d(spikes_in(x, channels_last), weight, bias, neuron, strategy, draw, backend, **options)
    expected = oracle.spiking_conv2d(*others, neuron, strategy, draw, **options)
    _, _, *shape = ours.to_dense().shape
    assert ours.features == tuple(shape)
    assert ours.channels_last
    flat = ours.view(ours.shape[2])
    assert torch.equal(ours.to_dense().permute(0, 1, 3, 4, 2).flatten(2), flat.to_dense())
    check_layer(flat, leaves, expected, others, tolerance)
    return ours


def test_spiking_conv2d_geometries(backend, geometry, channels_last):
    leaves, options = make(geometry)
    check(leaves, options, Neuron(tau=5.0, v_th=0.8), LocalZO(delta=0.5, samples=2), backend, draw_for(len(leaves[0])),
          channels_last)  # fmt: skip


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_spiking_conv2d_oracle(backend, neuron, strategy, bias):
    leaves, options = make(ONE, bias)
    spikes = check(leaves, options, neuron, strategy, backend, draw_for(2, 1), channels_last=bias)
    assert 0 < len(spikes.events.col) < math.prod(spikes.shape)


def test_spiking_conv2d_float32(backend, neuron, strategy):
    leaves, options = make(ONE, dtype=torch.float32)
    check(leaves, options, neuron, strategy, backend, draw_for(2), exact=double(*leaves), tolerance=1e-5)


@pytest.mark.parametrize("value", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("given", [SPARSE, Surrogate("sigmoid", slope=2.0)], ids=["window", "sigmoid"])
def test_spiking_conv2d_constant_input(backend, neuron, value, given, geometry):
    """Recordings without an event, with one at every element and step, and with counts."""
    (x, weight, bias), options = make(geometry)
    x = torch.full_like(x, value).requires_grad_()
    check((x, weight, bias), options, neuron, given, backend)


def test_spiking_conv2d_nothing_active(backend, geometry):
    leaves, options = make(geometry)
    strategy = SparseSurrogate(Surrogate(), b_th=1e-12)
    spikes = spiking_conv2d(Spikes.from_dense(leaves[0]), *leaves[1:], Neuron(), strategy, backend=backend, **options)
    assert len(spikes.active.col) == len(spikes.handle) == 0
    spikes.to_dense().sum().backward()
    assert all(torch.equal(leaf.grad, torch.zeros_like(leaf)) for leaf in leaves)


def test_spiking_conv2d_everything_active(backend, neuron):
    leaves, options = make(ONE)
    spikes = check(leaves, options, neuron, Surrogate("fast_sigmoid", slope=1.0), backend)
    assert spikes.active_count == math.prod(spikes.shape)


@pytest.mark.parametrize("wanted", ["x", "weight", "bias", "x weight", "x bias", "weight bias"])
@pytest.mark.parametrize("given", [SPARSE, Surrogate("sigmoid", slope=2.0)], ids=["window", "sigmoid"])
def test_spiking_conv2d_frozen_parts(backend, wanted, given):
    leaves, options = make(ONE)
    for name, leaf in zip(("x", "weight", "bias"), leaves, strict=True):
        leaf.requires_grad_(name in wanted.split())
    check(leaves, options, Neuron(tau=5.0), given, backend)
    assert all((leaf.grad is not None) == leaf.requires_grad for leaf in leaves)


def test_spiking_conv2d_not_contiguous(backend):
    """A weight in torch's own memory format of channels that come last."""
    leaves, options = make(ONE)
    x, weight, bias = leaves
    leaf = weight.detach().to(memory_format=torch.channels_last).requires_grad_()
    assert not leaf.is_contiguous()
    check((x, leaf, bias), options, Neuron(tau=5.0), SPARSE, backend)


def test_spiking_conv2d_asks_for_nothing_in_evaluation(backend):
    (x, weight, bias), options = make(ONE)
    with torch.no_grad():
        spikes = spiking_conv2d(Spikes.from_dense(x), weight, bias, Neuron(), Silent(), backend=backend, **options)
    assert spikes.active_count == 0
    assert spikes.channels_last


@pytest.mark.parametrize("names", list(itertools.product(("zo", "sigmoid"), repeat=2)), ids="-".join)
def test_spiking_conv2d_network(backend, neuron, names):
    """Data with channels first, two convolutions and a readout; the first has a second consumer, fully connected."""
    strategies = [{"zo": LocalZO(delta=0.4, samples=3), "sigmoid": Surrogate("sigmoid", slope=3.0)}[n] for n in names]
    x = torch.randint(0, 3, (2, 7, 2, 9, 8)).double()
    shapes = [(4, 2, 3, 3), (3, 4, 2, 3), (2, 3 * 3 * 3), (5, 4 * 9 * 8)]
    scales = [math.prod(shape[1:]) ** -0.5 for shape in shapes]
    weights = [(s * torch.randn(n, dtype=torch.float64)).requires_grad_() for n, s in zip(shapes, scales, strict=True)]
    others = twin(*weights)
    lower = {"padding": 1}
    upper = {"pool": 2, "padding": (0, 1), "stride": (1, 2)}
    draw = draw_for(2)

    a = spiking_conv2d(Spikes.from_dense(x), weights[0], None, neuron, strategies[0], draw, backend, **lower)
    b = spiking_conv2d(a, weights[1], None, neuron, strategies[1], draw.for_layer(1), backend, **upper)
    aside = spiking_linear(a, weights[3], None, neuron, strategies[1], draw.for_layer(2), backend)
    logits = leaky_readout(b.view(b.shape[2]), weights[2][:, : b.shape[2]], None, READOUT, backend)
    (logits.square().sum() + aside.count().sum()).backward()

    first = oracle.spiking_conv2d(x, others[0], None, neuron, strategies[0], draw, **lower)
    inner = first.s.unflatten(2, (9, 8, 4)).permute(0, 1, 4, 2, 3)
    second = oracle.spiking_conv2d(inner, others[1], None, neuron, strategies[1], draw.for_layer(1), **upper)
    beside = oracle.spiking_linear(first.s, others[3], None, neuron, strategies[1], draw.for_layer(2))
    expected = oracle.readout(second.s, others[2][:, : second.s.shape[2]], None, READOUT)
    (expected.square().sum() + beside.s.sum()).backward()

    assert torch.equal(b.to_dense().permute(0, 1, 3, 4, 2).flatten(2), second.s)
    assert_near(logits, expected)
    assert_grads_near(weights, others, 1e-10)


def test_spiking_conv2d_one_pixel_is_linear(backend, neuron, strategy):
    """A kernel of one weight a channel over a map of one pixel is a fully connected layer."""
    (x, weight, bias), _ = make(GEOMETRIES["one pixel"])
    draw = draw_for(2)
    ours = spiking_conv2d(Spikes.from_dense(x), weight, bias, neuron, strategy, draw, backend)
    theirs = spiking_linear(Spikes.from_dense(x), weight.flatten(1), bias, neuron, strategy, draw, backend)
    assert torch.equal(ours.to_dense().flatten(2), theirs.to_dense())
    assert torch.equal(ours.active_elements(), theirs.active_elements())
    gradients = [torch.autograd.grad(s.to_dense().sum(), (weight, bias, x)) for s in (ours, theirs)]
    for one, other in zip(*gradients, strict=True):
        assert_near(one, other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": (2 * 7 * 8,)}, "needs spikes [B, T, C, H, W], got [2, 5, 112]"),
        ({"weight": (3, 2, 3)}, "weight must be [C_out, C_in / groups, rows, columns], got [3, 2, 3]"),
        ({"weight": (3, 1, 3, 3)}, "weight must be [3, 2, 3, 3] for these spikes, got [3, 1, 3, 3]"),
        ({"bias": 4}, "bias must be [3], got [4]"),
        ({"stride": 0}, "stride must be positive, got [0, 0]"),
        ({"padding": -1}, "padding must be 0 or more"),
        ({"groups": 2}, "2 and 3 channels do not divide into 2 groups"),
        ({"pool": 4}, "a kernel [3, 3] does not fit into an input [1, 2] with a padding of [0, 0]"),
    ],
)
def test_spiking_conv2d_refuses(change, message):
    x = Spikes.from_dense(torch.zeros(2, 5, 2, 7, 8)).view(*change.pop("features", (2, 7, 8)))
    weight, bias = torch.zeros(change.pop("weight", (3, 2, 3, 3))), torch.zeros(change.pop("bias", 3))
    with pytest.raises(ValueError, match=re.escape(message)):
        spiking_conv2d(x, weight, bias, Neuron(), SPARSE, **change)
