"""Forms of a convolution, its layouts of the weight, and what does not depend on the number of threads."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch

from snn_zo.neuron import Neuron
from snn_zo.ops import Spikes, spiking_conv2d
from snn_zo.ops.convolution import Convolution
from snn_zo.ops.cpu.patches import by_input, from_by_input, patches_of
from snn_zo.strategies import LocalZO, SparseSurrogate, Surrogate
from tests.ops.harness import draw_for, equal, parts_of
from tests.ops.test_spiking_conv2d import GEOMETRIES, SPARSE, check, make, spikes_in

CPU = import_module("snn_zo.ops.spiking_conv2d.cpu")


def convolution_of(geometry) -> Convolution:
    (_, _, *shape), channels, kernel, options = geometry

    def both(value):
        return value if isinstance(value, tuple) else (value, value)

    settings = {name: value if name == "groups" else both(value) for name, value in options.items()}
    return Convolution(tuple(shape), channels, kernel, **settings)


@pytest.fixture(params=GEOMETRIES.values(), ids=GEOMETRIES)
def geometry(request):
    return request.param


@pytest.mark.parametrize("weight_gradient", ["trace", "adjoint"])
@pytest.mark.parametrize("input_gradient", ["scan", "gather"])
def test_spiking_conv2d_every_form(weight_gradient, input_gradient, geometry, monkeypatch):
    monkeypatch.setattr(CPU, "ADJOINT", 1e9 if weight_gradient == "trace" else 0.0)
    monkeypatch.setattr(CPU, "GATHER", 1e9 if input_gradient == "scan" else 0.0)
    leaves, options = make(geometry)
    ours, x = [], leaves[0]
    for last in (False, True):
        # the input's active elements are listed: those of a layer of one weight a channel
        first = torch.eye(x.shape[2], dtype=torch.float64).view(*[x.shape[2]] * 2, 1, 1).requires_grad_()
        lower = spiking_conv2d(
            spikes_in(x, last), first, None, Neuron(tau=5.0), LocalZO(delta=0.5), draw_for(len(x)), "cpu"
        )
        spikes = spiking_conv2d(lower, *leaves[1:], Neuron(tau=5.0), SPARSE, None, "cpu", **options)
        expected = spiking_conv2d(lower, *leaves[1:], Neuron(tau=5.0), SPARSE, None, "reference", **options)
        assert torch.equal(spikes.to_dense(), expected.to_dense())
        for s in (spikes, expected):
            grads = torch.autograd.grad(s.to_dense().sin().sum(), (first, *leaves[1:], lower.handle), retain_graph=True)
            ours.append(grads)
        for one, other in zip(*ours[-2:], strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-10)
        assert spikes.record.forms() == {
            "forward": "events", "weight gradient": weight_gradient, "input gradient": input_gradient,
        }  # fmt: skip


@pytest.mark.parametrize("dense", [-1.0, 2.0], ids=["torch's convolution", "patches"])
def test_spiking_conv2d_dense_strategy(dense, geometry, neuron, monkeypatch):
    monkeypatch.setattr(CPU, "DENSE_INPUT", dense)
    leaves, options = make(geometry)
    spikes = check(leaves, options, neuron, Surrogate("sigmoid", slope=2.0), "cpu", channels_last=True)
    form = "dense" if dense < 0 else "events"
    weight = "dense" if dense < 0 else "adjoint"
    assert spikes.record.forms() == {"forward": form, "weight gradient": weight, "input gradient": "dense"}


@pytest.mark.parametrize("given", [LocalZO(delta=0.4, samples=2), SPARSE, Surrogate("sigmoid", slope=2.0)])
def test_spiking_conv2d_same_for_any_threads(given, neuron, set_threads):
    (x, weight, bias), options = make(
        ((7, 6, 2, 9, 8), 3, (3, 3), {"pool": 2, "padding": 1}), dtype=torch.float32, share=0.2
    )
    found = []
    for number in (1, 2, 3, 5):
        set_threads(number)
        lower = spiking_conv2d(Spikes.from_dense(x), weight, bias, neuron, given, draw_for(7), "cpu", padding=1)
        spikes = spiking_conv2d(lower, weight[:, [0, 1, 1]], bias, neuron, given, draw_for(7, 1), "cpu", **options)
        loss = spikes.to_dense().sin().sum()
        found.append([*parts_of([spikes]), *torch.autograd.grad(loss, (weight, bias, x))])
    assert all(equal(each, found[0]) for each in found)


def test_by_input_and_back(geometry):
    made = convolution_of(geometry)
    weight = torch.randn(made.weight_shape)
    assert torch.equal(from_by_input(by_input(weight, made), made), weight)


def test_patches_reach_what_the_convolution_connects(geometry):
    """Each input reaches as many outputs as a convolution of ones has there."""
    made = convolution_of(geometry)
    x = torch.ones(1, *made.in_shape, dtype=torch.float64, requires_grad=True)
    pooled = torch.nn.functional.avg_pool2d(x, made.pool, divisor_override=1)
    ones = torch.ones(made.weight_shape, dtype=torch.float64)
    torch.nn.functional.conv2d(pooled, ones, None, made.stride, made.padding, groups=made.groups).sum().backward()
    for last in (False, True):
        tables = patches_of(made, last)
        _, _, _, rows, segments, length, _ = torch.from_numpy(tables.by_input).long().T
        expected = x.grad[0].permute(1, 2, 0) if last else x.grad[0]
        assert torch.equal(rows * segments * length, expected.flatten().long())


def test_spiking_conv2d_keeps_no_dense_array():
    """Between the passes of a sparse strategy: index lists and a few numbers an active element."""
    (x, weight, bias), options = make(((2, 40, 2, 32, 32), 16, (3, 3), {"padding": 1}), dtype=torch.float32, share=0.01)
    strategy = SparseSurrogate(Surrogate("sigmoid"), b_th=0.02)
    spikes = spiking_conv2d(Spikes.from_dense(x.detach()), weight, bias, Neuron(), strategy, None, "cpu", **options)
    size = sum(part.numel() * part.element_size() for part in parts_of([spikes]))
    assert size < 0.1 * 4 * spikes.to_dense().numel()
