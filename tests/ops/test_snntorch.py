"""The same network in snnTorch. Its resets are `spike_grad(...).clone().detach()`: our detach_reset=True."""

from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import nn

import snn_zo
from snn_zo.neuron import Neuron
from snn_zo.ops import Spikes, spiking_linear
from snn_zo.strategies import LocalZO, SparseSurrogate, Surrogate
from tests.ops.harness import assert_near

snntorch = pytest.importorskip("snntorch")

B, T, WIDTHS = 3, 9, (6, 7, 5)
MECHANISMS = {"soft": "subtract", "hard": "zero", "none": "none"}
STRATEGIES = {
    "sigmoid": Surrogate("sigmoid", slope=5.0),
    "triangular": Surrogate("triangular", slope=1.5),
    "window": SparseSurrogate(Surrogate("fast_sigmoid", slope=5.0), b_th=0.4),
}


def leaky(neuron, strategy):
    """Its settings become float32 tensors unless they are tensors."""
    return snntorch.Leaky(
        beta=torch.tensor(neuron.beta, dtype=torch.float64),
        threshold=torch.tensor(neuron.v_th, dtype=torch.float64),
        reset_mechanism=MECHANISMS[neuron.reset],
        reset_delay=True,
        spike_grad=partial(snn_zo.spike, strategy=strategy),
    )


def in_snntorch(x, linears, neuron, strategy):
    """[B, T, N] spikes of each layer."""
    neurons = [leaky(neuron, strategy) for _ in linears]
    mems = [None] * len(linears)
    steps = []
    for s in x.unbind(1):
        layers = []
        for i, linear in enumerate(linears):
            s, mems[i] = neurons[i](linear(s), mems[i])
            layers.append(s)
        steps.append(layers)
    return [torch.stack(layer, 1) for layer in zip(*steps, strict=True)]


def gradients(hidden, weights, parameters):
    """Of a random weighting of the spikes of both layers."""
    loss = sum((s * w).sum() for s, w in zip(hidden, weights, strict=True))
    return torch.autograd.grad(loss, parameters)


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
@pytest.mark.parametrize("reset", MECHANISMS)
def test_spiking_linear_is_snntorch_with_detached_reset(backend, reset, strategy):
    neuron = Neuron(tau=5.0, v_th=0.8, reset=reset, detach_reset=True)
    x = torch.randint(0, 2, (B, T, WIDTHS[0])).double()
    linears = [nn.Linear(*width).double() for width in pairwise(WIDTHS)]
    for linear in linears:
        nn.init.normal_(linear.weight, std=0.8)
    parameters = [p for linear in linears for p in linear.parameters()]
    weights = [torch.randn(B, T, n, dtype=torch.float64) for n in WIDTHS[1:]]

    theirs = in_snntorch(x, linears, neuron, strategy)
    spikes, ours = Spikes.from_dense(x), []
    for linear in linears:
        spikes = spiking_linear(spikes, linear.weight, linear.bias, neuron, strategy, backend=backend)
        ours.append(spikes.to_dense())

    for our, their in zip(ours, theirs, strict=True):
        assert 0.1 < their.mean() < 0.9
        assert torch.equal(our, their)
    expected = gradients(theirs, weights, parameters)
    for our, their in zip(gradients(ours, weights, parameters), expected, strict=True):
        assert their.any()
        assert_near(our, their)


@pytest.mark.parametrize("reset", ["soft", "hard"])
def test_spiking_linear_attached_reset_is_not_snntorch(backend, reset):
    """The comparison above tells the two conventions apart."""
    x = torch.randint(0, 2, (B, T, WIDTHS[0])).double()
    linear = nn.Linear(*WIDTHS[:2]).double()
    weights = [torch.randn(B, T, WIDTHS[1], dtype=torch.float64)]
    neuron, strategy = Neuron(tau=5.0, v_th=0.4, reset=reset, detach_reset=False), Surrogate("sigmoid", slope=5.0)
    ours = spiking_linear(Spikes.from_dense(x), linear.weight, linear.bias, neuron, strategy, backend=backend)
    theirs = in_snntorch(x, [linear], neuron, strategy)
    assert torch.equal(ours.to_dense(), theirs[0])
    (our,) = gradients([ours.to_dense()], weights, [linear.weight])
    (their,) = gradients(theirs, weights, [linear.weight])
    assert not torch.allclose(our, their)


def test_spike_stochastic_in_snntorch():
    """A zeroth-order strategy works there too, and is reproducible."""
    x = torch.randint(0, 2, (B, T, WIDTHS[0])).double()
    linear = nn.Linear(*WIDTHS[:2]).double()
    neuron = Neuron(tau=5.0, v_th=0.4)

    def gradient():
        torch.manual_seed(7)
        (s,) = in_snntorch(x, [linear], neuron, LocalZO(delta=0.5))
        return torch.autograd.grad(s.sum(), linear.weight)[0]

    assert gradient().any()
    assert torch.equal(gradient(), gradient())
