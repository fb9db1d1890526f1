"""What no one asked for is not computed, and what a backward pass reads is not written by it."""

from __future__ import annotations

import pytest
import torch

from snn_zo.neuron import Neuron
from snn_zo.ops import Spikes, leaky_readout, lif, spike_count_penalty, spiking_linear
from snn_zo.ops.cpu import connection, gradients
from snn_zo.ops.cpu.scan import scan
from snn_zo.ops.kept import NOTHING
from snn_zo.strategies import Draw
from tests.ops.cpu.cases import FEW, LAYER, OPS, over
from tests.ops.harness import READOUT, REGULARIZER, draw_for, equal, forward, make, parts_of, spiking

FORMS = ("weight_by_trace", "weight_by_adjoint", "weight_by_dense_adjoint")


INPUTS = ("input_at_active", "input_from_dense")


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

    for module in (connection, OPS["lif"]):
        monkeypatch.setattr(module, "active_set", forbidden)
        monkeypatch.setattr(module, "look_for", forbidden)
        monkeypatch.setattr(module, "scan", only_spikes)
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


@pytest.mark.parametrize("share", [0.05, 0.5], ids=["events", "product"])
@over(FEW)
def test_network_backward_twice(strategy, neuron, share):
    """Nothing that a backward pass reads is written by it."""
    leaves = make(share=share)
    layers, logits = forward("cpu", leaves, neuron, strategy)
    loss = logits.sin().sum() + sum(spike_count_penalty(spikes, REGULARIZER, "cpu") for spikes in layers)
    kept = [part.clone() for part in parts_of(layers)]
    grads = []
    for _ in range(2):
        loss.backward(retain_graph=True)
        grads.append([grad.clone() for grad in leaves.grads()])
        for leaf in (leaves.x, *leaves.weights, *leaves.biases):
            leaf.grad = None
    assert equal(*grads)
    assert equal(parts_of(layers), kept)


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
