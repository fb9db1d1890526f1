"""Layers of spiking neurons that an image or a current drives."""

import pytest
import torch

from snn_zo.neuron import Neuron, Readout
from snn_zo.ops import Analogue, Spikes, current_statistics, leaky_readout, spiking_conv2d, spiking_linear
from snn_zo.ops.convolution import Convolution
from snn_zo.ops.lif import lif
from snn_zo.strategies import Draw, LocalZO, Surrogate

B, T = 2, 7
NEURON = Neuron(tau=4.0, v_th=0.7)
DRAW = Draw(seed=3, layer=1, step=20, sample=torch.tensor([5, 9]))

backends = pytest.mark.parametrize("backend", ["reference", "cpu"])
held = pytest.mark.parametrize("products", [1, T], ids=["held", "varying"])


def values(products: int, *features: int) -> torch.Tensor:
    return torch.rand(B, products, *features, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def parameters(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    weight = 0.8 + torch.randn(shape, generator=generator, dtype=torch.float64)
    bias = 0.1 * torch.randn(shape[0], generator=generator, dtype=torch.float64)
    return weight.requires_grad_(), bias.requires_grad_()


@backends
@held
@pytest.mark.parametrize("reset", ["soft", "hard", "none"])
def test_linear_is_neurons_driven_by_the_product(backend, products, reset):
    neuron, strategy = Neuron(tau=4.0, v_th=0.7, reset=reset), LocalZO(delta=0.4)
    x, (weight, bias) = values(products, 6), parameters(5, 6)
    out = spiking_linear(Analogue(x, T), weight, bias, neuron, strategy, DRAW, backend)
    current = (x @ weight.T + bias).expand(B, T, 5)
    expected = lif(current, neuron, strategy, DRAW, "reference")
    assert out.shape == (B, T, 5)
    assert_same(out, expected, (weight, bias))


@backends
@held
def test_conv2d_is_neurons_driven_by_the_convolution(backend, products):
    x, (weight, bias) = values(products, 2, 8, 7), parameters(4, 1, 3, 3)
    made = {"stride": 2, "padding": 1, "groups": 2, "pool": 2}
    out = spiking_conv2d(Analogue(x, T), weight, bias, NEURON, Surrogate(), None, backend, **made)
    pooled = 4 * torch.nn.functional.avg_pool2d(x.flatten(0, 1), 2)
    current = torch.nn.functional.conv2d(pooled, weight, bias, stride=2, padding=1, groups=2)
    current = current.unflatten(0, (B, products)).expand(B, T, 4, 2, 2)
    assert out.features == (4, 2, 2)
    assert_same(out, lif(current, NEURON, Surrogate(), None, "reference"), (weight, bias))


def assert_same(got, expected, weights):
    """Spikes are the same, and so is the gradient of what is made of them."""
    assert torch.equal(got.to_dense(), expected.to_dense())
    assert got.event_count > 0
    factors = torch.randn(got.to_dense().shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    gradients = [torch.autograd.grad((spikes.to_dense() * factors).sum(), weights) for spikes in (got, expected)]
    for one, other in zip(*gradients, strict=True):
        assert one.abs().sum() > 0
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_values_get_their_gradient():
    x = values(1, 6).requires_grad_()
    weight, bias = parameters(5, 6)
    spiking_linear(Analogue(x, T), weight, bias, NEURON, Surrogate()).to_dense().sum().backward()
    assert x.grad.abs().sum() > 0


def test_record_says_dense():
    weight, bias = parameters(5, 6)
    record = spiking_linear(Analogue(values(1, 6), T), weight, bias, NEURON, Surrogate()).record
    assert record.forms() == {"forward": "dense", "weight gradient": "dense"}


def test_readout_refuses_it():
    weight, bias = parameters(5, 6)
    with pytest.raises(ValueError, match="an analogue input is for a layer of spiking neurons"):
        leaky_readout(Analogue(values(1, 6), T), weight, bias, Readout())


@pytest.mark.parametrize("x", [torch.rand(B, 3, 6), torch.rand(B, 6), torch.ones(B, 1, 6, dtype=torch.int64)])
def test_values_of_another_shape(x):
    with pytest.raises(ValueError, match=r"analogue values are \[B, 1, \*features\] or \[B, 7, \*features\]"):
        Analogue(x, T)


def test_analogue_shape():
    x = Analogue(values(1, 2, 3, 4), T)
    assert (x.shape, x.features, x.products) == ((B, T, 24), (2, 3, 4), 1)
    assert repr(x.detach().to("cpu")) == "Analogue([2, 1, 2, 3, 4], 7 steps)"


@pytest.mark.parametrize("linear", [True, False], ids=["linear", "conv2d"])
def test_statistics_of_the_currents(linear):
    """As of the same values as counts of spikes."""
    counts = torch.randint(0, 3, (B, T, 2, 5, 4), generator=torch.Generator().manual_seed(0)).double()
    convolution = None if linear else Convolution((2, 5, 4), 3, (3, 3), padding=(1, 1))
    weight, _ = parameters(3, 40) if linear else parameters(*convolution.weight_shape)
    given = current_statistics(Analogue(counts, T), weight, convolution)
    expected = current_statistics(Spikes.from_dense(counts), weight, convolution, "reference")
    for one, other in zip(given, expected, strict=True):
        torch.testing.assert_close(one, other)
