"""Every operation has a first derivative and refuses a second one, on the ways around the first backward pass too."""

import pytest
import torch

from snn_zo.models import FeedForward
from snn_zo.ops import Neuron, Readout, Spikes, leaky_readout, lif, spike, spike_count_penalty, spiking_linear
from snn_zo.regularizer import SpikeCount
from snn_zo.strategies import Draw, LocalZO, SparseSurrogate, Surrogate

STRATEGIES = [Surrogate("sigmoid", 2.0), SparseSurrogate(Surrogate("sigmoid", 2.0), b_th=0.5), LocalZO(delta=0.5)]
BACKENDS = ["reference", "cpu"]


def events(samples=3):
    x = torch.rand(samples, 12, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return Spikes.from_dense((x < 0.3).double())


def weight(rows, columns):
    values = torch.randn(rows, columns, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return values.requires_grad_()


def operations(backend, strategy):
    """Scalars that are not linear in the operation's result, by name, with the parameter that they depend on."""
    draw, neuron = Draw(0, 0, 0, torch.arange(3)), Neuron()
    w = weight(4, 6)
    hidden = spiking_linear(events(), w, None, neuron, strategy, draw, backend)
    current = torch.randn(3, 12, 4, dtype=torch.float64, requires_grad=True)
    return {
        "spike": (spike(current, strategy, draw).sum() ** 2, current),
        "lif": (lif(current, neuron, strategy, draw, backend).to_dense().sum() ** 2, current),
        "spiking_linear": (hidden.to_dense().sum() ** 2, w),
        "count": (hidden.count().square().sum(), w),
        "leaky_readout": (leaky_readout(hidden, weight(2, 4), None, Readout(), backend).square().sum(), w),
        "penalty": (spike_count_penalty(hidden, SpikeCount(upper=1.0, at_most=0.0), backend), w),
    }


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_first_order_second_derivative(backend, strategy):
    for name, (loss, parameter) in operations(backend, strategy).items():
        (first,) = torch.autograd.grad(loss, parameter, create_graph=True)
        with pytest.raises(RuntimeError, match="no second derivative"):
            # the loss has a way of its own to the parameter, which once hid that the other one was left out
            torch.autograd.grad(first.square().sum() + parameter.sum(), parameter, retain_graph=True)
        with pytest.raises(RuntimeError, match=r"no second derivative|differentiate twice"):
            first.square().sum().backward()
        assert first.any(), name


@pytest.mark.parametrize("backend", BACKENDS)
def test_first_order_one_parameter(backend):
    """Also with respect to a part of the parameters, and where those of other layers do not matter."""
    model = FeedForward((6,), 3, STRATEGIES[0], [8], Neuron(), Readout(), gain=3.0, backend=backend).double()
    parameters = list(model.parameters())
    grads = torch.autograd.grad(model(events()).readout.sum(), parameters, create_graph=True)
    for parameter in parameters:
        with pytest.raises(RuntimeError, match="no second derivative"):
            torch.autograd.grad(
                sum(grad.square().sum() for grad in grads), parameter, retain_graph=True, allow_unused=True
            )


def test_first_order_graph_unchanged():
    """The first derivative with create_graph is the one without."""
    loss, parameter = operations("cpu", STRATEGIES[2])["leaky_readout"]
    (with_graph,) = torch.autograd.grad(loss, parameter, create_graph=True)
    (without,) = torch.autograd.grad(loss, parameter)
    assert torch.equal(with_graph, without)
    assert not without.requires_grad


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_first_order_forward_mode(strategy):
    """Forward-mode derivatives of the reference agree with its backward pass; compiled backends say they have none."""
    draw, w = Draw(0, 0, 0, torch.arange(3)), weight(4, 6)
    direction, out = torch.ones_like(w), torch.randn(3, 12, 4, dtype=torch.float64)

    def run(w, backend="reference"):
        return spiking_linear(events(), w, None, Neuron(), strategy, draw, backend).to_dense()

    _, tangent = torch.func.jvp(run, (w.detach(),), (direction,))
    (grad,) = torch.autograd.grad((run(w) * out).sum(), w)
    assert torch.allclose((tangent * out).sum(), (grad * direction).sum(), rtol=1e-12)
    with pytest.raises(ValueError, match="forward-mode"):
        torch.func.jvp(lambda w: run(w, "cpu"), (w.detach(),), (direction,))
    with torch.no_grad(), pytest.raises(ValueError, match="forward-mode"):
        torch.func.jvp(lambda w: run(w, "cpu"), (w.detach(),), (direction,))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_first_order_compiled_network(strategy):
    """torch.compile around a network of the reference gives the gradients of the eager one."""
    model = FeedForward((6,), 3, strategy, [8], Neuron(), Readout(), gain=3.0, backend="reference").double()
    parameters, draw = list(model.parameters()), Draw(0, 0, 0, torch.arange(3))
    wanted = torch.autograd.grad(model(events(), draw).readout.sum(), parameters)
    found = torch.autograd.grad(torch.compile(model, backend="aot_eager")(events(), draw).readout.sum(), parameters)
    for one, other in zip(wanted, found, strict=True):
        assert torch.allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_first_order_empty_batch(backend, strategy):
    """No sample: no spikes, and gradients of 0."""
    for reduce in ("max", "sum", "mean", "last"):
        model = FeedForward((6,), 3, strategy, [8], Neuron(), Readout(reduce=reduce), bias=True, backend=backend)
        output = model(Spikes.from_dense(torch.zeros(0, 5, 6)))
        assert output.readout.shape == (0, 3)
        output.readout.sum().backward()
        for parameter in model.parameters():
            assert parameter.grad is not None
            assert not parameter.grad.any()
