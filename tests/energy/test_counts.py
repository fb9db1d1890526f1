from dataclasses import replace

import pytest
import torch

from snn_zo.energy import Work, counts
from snn_zo.energy.activity import Activity, Forms, layer_activity, readout_activity
from snn_zo.energy.counts import Schedule, Search
from snn_zo.neuron import REDUCTIONS, RESETS, Neuron, Readout
from snn_zo.ops import Spikes, leaky_readout, spiking_linear
from snn_zo.ops.record import Record
from snn_zo.ops.spikes import EVERYWHERE
from snn_zo.ops.spiking_linear import cpu
from snn_zo.strategies import Draw, LocalZO, LocalZOConverse, SparseSurrogate, Surrogate
from tests.energy.instrumented import Dense, Layer, Meter, Output

B, T, WIDTHS, CLASSES = 3, 7, (9, 6, 5), 3
STRATEGIES = {
    "local_zo": LocalZO(delta=0.3),
    "local_zo_m3": LocalZO(delta=0.3, samples=3),
    "local_zo_m6": LocalZO(delta=0.3, samples=6),
    "local_zo_pool": LocalZO(z="uniform", delta=0.3, samples=2, pool=64),
    "gate": LocalZOConverse(Surrogate("fast_sigmoid", slope=9.0), a=0, samples=2),
    "sigmoid": Surrogate("sigmoid", slope=5.0),
    "triangular": Surrogate("triangular", slope=1.5),
    "window": SparseSurrogate(Surrogate("sigmoid", slope=5.0), b_th=0.4),
    "inactive": SparseSurrogate(Surrogate("sigmoid"), b_th=1e-9),
}
NEURONS = {
    f"{reset}-{'detached' if detach else 'attached'}": Neuron(tau=5.0, v_th=0.6, reset=reset, detach_reset=detach)
    for reset in RESETS
    for detach in (True, False)
}


@pytest.fixture(params=STRATEGIES.values(), ids=STRATEGIES)
def strategy(request):
    return request.param


@pytest.fixture(params=NEURONS.values(), ids=NEURONS)
def neuron(request):
    return request.param


@pytest.fixture(params=["trace", "adjoint"])
def form(request, monkeypatch):
    """Makes the cpu backend take this form of the weight's gradient where it has the choice."""
    monkeypatch.setattr(cpu, "ADDITION", 1e9 if request.param == "trace" else 0.0)
    monkeypatch.setattr(cpu, "GEMM_DENSITY", 0.12)
    return request.param


class Network:
    """Two layers and a readout after a training step, and what is needed to do it again by hand."""

    def __init__(self, strategy, neuron, readout, backend, bias=False, density=0.1, every_step=False):
        generator = torch.Generator().manual_seed(0)
        self.strategy, self.neuron, self.settings = strategy, neuron, readout
        x = (torch.rand(B, T, WIDTHS[0], generator=generator) < density).double()
        x[0, 0, 0] = 2.0  # an input that counts twice
        shapes = [*zip(WIDTHS[1:], WIDTHS[:-1], strict=True), (CLASSES, WIDTHS[-1])]
        self.weights = [torch.rand(shape, generator=generator).double() * 1.5 - 0.5 for shape in shapes]
        self.weights = [weight.requires_grad_() for weight in self.weights]
        self.biases = [
            torch.full((len(w),), 0.05, dtype=torch.double).requires_grad_() if bias else None for w in self.weights
        ]
        self.draws = [Draw(1, i, 2, torch.arange(B) + 5) for i in range(2)]
        self.spikes = [Spikes.from_dense(x)]
        for i in range(2):
            made = spiking_linear(
                self.spikes[-1], self.weights[i], self.biases[i], neuron, strategy, self.draws[i], backend
            )
            made.handle.retain_grad()
            self.spikes.append(made)
        self.read = Record()
        last = (self.spikes[-1], self.weights[2], self.biases[2])
        logits = leaky_readout(*last, readout, backend, self.read, every_step)
        self.grad = torch.randn(logits.shape, generator=generator).double()
        (logits * self.grad).sum().backward()
        self.logits = logits.detach()

    def activity(self, i: int) -> Activity:
        x, s = (spikes.detach() for spikes in self.spikes[i : i + 2])
        return layer_activity(x, s, self.neuron.reset, Search.of(self.strategy).where == "drawn")

    def by_hand(self, i: int, forms: Forms, kind: type[Layer] = Layer, blocks: int = 1) -> tuple[Meter, Layer]:
        """The layer's training step one number at a time; its gradients are the library's."""
        meter, s = Meter(), self.spikes[i + 1]
        x, weight, bias = self.spikes[i].to_dense().detach(), self.weights[i], self.biases[i]
        layer = kind(x, weight, bias, self.neuron, self.strategy, self.draws[i], forms, meter, blocks)
        torch.testing.assert_close(torch.tensor(layer.s), s.to_dense().detach().float())
        layer.errors(self._grad(s).tolist())
        torch.testing.assert_close(layer.grad_weight(), weight.grad)
        if bias is not None:
            torch.testing.assert_close(layer.grad_bias(), bias.grad)
        if i > 0:
            active = None if self.spikes[i].active is EVERYWHERE else self._mask(self.spikes[i])
            gradient = layer.grad_input(active)
            torch.testing.assert_close(gradient * self._mask(self.spikes[i]), self._grad(self.spikes[i]))
        return meter, layer

    def _mask(self, s: Spikes) -> torch.Tensor:
        mask = torch.zeros(s.shape, dtype=torch.bool).flatten()
        mask[s.active_elements()] = True
        return mask.view(s.shape)

    def _grad(self, s: Spikes) -> torch.Tensor:
        grad = torch.zeros(s.shape, dtype=torch.double).flatten()
        if s.active is EVERYWHERE:
            grad = s.handle.grad.clone()
            grad[s.g == 0] = 0
        else:
            grad[s.active.flat(s.shape[2])] = s.handle.grad
        return grad.view(s.shape)


def assert_counted(phases: dict[str, Work], meter: Meter) -> None:
    for phase, work in phases.items():
        assert {k: v for k, v in work.operations().items() if v} == dict(meter.operations[phase]), phase
        assert {k: v for k, v in work.moved.items() if v} == dict(meter.moved[phase]), phase
        assert dict(work.uses) == meter.uses(phase), phase


def assert_layers_counted(network: Network, bias: bool = False, blocks: int = 1) -> list[Activity]:
    activities = [network.activity(i) for i in range(2)]
    search = Search.of(network.strategy)
    for i, a in enumerate(activities):
        meter, _ = network.by_hand(i, a.forms, blocks=blocks)
        assert_counted(counts.layer(a, network.neuron, search, bias, Schedule(blocks=blocks)), meter)
    return activities


def test_layer_counts_equal_those_of_the_instrumented_loop(strategy, neuron, form):
    activities = assert_layers_counted(Network(strategy, neuron, Readout(tau=5.0), "cpu"))
    forms = [a.forms for a in activities]
    if strategy == STRATEGIES["sigmoid"]:
        assert all(f.everywhere for f in forms)
    else:
        assert [f.weight for f in forms] == [form, form]


@pytest.mark.parametrize("density", [0.05, 0.6])
def test_layer_counts_with_bias_and_dense_products(density, neuron):
    network = Network(STRATEGIES["sigmoid"], neuron, Readout(tau=5.0), "cpu", bias=True, density=density)
    first = assert_layers_counted(network, bias=True)[0]
    dense = density > cpu.GEMM_DENSITY
    assert (first.forms.forward, first.forms.weight) == (("dense", "dense") if dense else ("events", "adjoint"))


@pytest.mark.parametrize("blocks", [2, 3])
@pytest.mark.parametrize("name", ["local_zo", "sigmoid", "inactive"])
def test_layer_counts_in_blocks_of_weights(name, blocks, neuron, form):
    assert_layers_counted(Network(STRATEGIES[name], neuron, Readout(tau=5.0), "cpu", bias=True), True, blocks)


@pytest.mark.parametrize("name", ["local_zo", "window", "gate"])
def test_layer_counts_with_bias_of_a_sparse_strategy(name, neuron, form):
    assert_layers_counted(Network(STRATEGIES[name], neuron, Readout(tau=5.0), "cpu", bias=True), bias=True)


def test_layer_counts_of_the_reference_are_those_of_the_cheaper_form(strategy, neuron):
    network = Network(strategy, neuron, Readout(tau=5.0), "reference")
    for a in assert_layers_counted(network):
        other = replace(a, forms=a.forms._replace(weight="trace" if a.forms.weight == "adjoint" else "adjoint"))
        taken, left = (counts.layer(b, network.neuron, Search.of(strategy), False)["grad_weight"] for b in (a, other))
        products = a.errors * a.inputs, a.live_events_in * a.neurons
        chosen = products if a.forms.weight == "trace" else products[::-1]
        assert chosen[0] <= chosen[1]
        assert taken != left or not any(taken.operations().values())


@pytest.mark.parametrize("reduce", REDUCTIONS)
@pytest.mark.parametrize(("scale", "bias"), [(1.0, False), (7.0, True)])
@pytest.mark.parametrize("name", ["local_zo", "sigmoid", "inactive"])
@pytest.mark.parametrize("blocks", [1, 2])
def test_readout_counts_equal_those_of_the_instrumented_loop(blocks, name, reduce, scale, bias):
    settings = Readout(tau=8.0, reduce=reduce, scale=scale)
    network = Network(STRATEGIES[name], Neuron(tau=5.0, v_th=0.6), settings, "cpu", bias=bias)
    x, meter = network.spikes[2], Meter()
    a = readout_activity(x.detach(), CLASSES, network.read)
    output = Output(x.to_dense().detach(), network.weights[2], network.biases[2], settings, a.forms, meter, blocks)
    torch.testing.assert_close(torch.tensor(output.logits, dtype=torch.double), network.logits)
    output.backward(network.grad.tolist())
    torch.testing.assert_close(output.grad_weight(), network.weights[2].grad)
    mask = network._mask(x)
    gradient = output.grad_input(None if x.active is EVERYWHERE else mask)
    torch.testing.assert_close(gradient * mask, network._grad(x))
    assert_counted(counts.readout(a, settings, bias, Schedule(blocks=blocks)), meter)


@pytest.mark.parametrize(("scale", "bias"), [(1.0, False), (7.0, True)])
@pytest.mark.parametrize("name", ["local_zo", "sigmoid"])
def test_readout_counts_of_every_step(name, scale, bias):
    settings, meter = Readout(tau=8.0, scale=scale), Meter()
    network = Network(STRATEGIES[name], Neuron(tau=5.0, v_th=0.6), settings, "cpu", bias=bias, every_step=True)
    x = network.spikes[2]
    a, parts = readout_activity(x.detach(), CLASSES, network.read), (network.weights[2], network.biases[2])
    output = Output(x.to_dense().detach(), *parts, settings, a.forms, meter, every_step=True)
    torch.testing.assert_close(torch.tensor(output.over_time, dtype=torch.double), network.logits)
    output.backward(network.grad.tolist())
    torch.testing.assert_close(output.grad_weight(), network.weights[2].grad)
    output.grad_input(None if x.active is EVERYWHERE else network._mask(x))
    assert_counted(counts.readout(a, settings, bias, every_step=True), meter)


@pytest.mark.parametrize("bias", [False, True])
def test_dense_readout_counts_equal_those_of_the_instrumented_loop(bias):
    settings = Readout(tau=8.0)
    network = Network(STRATEGIES["sigmoid"], Neuron(tau=5.0, v_th=0.6), settings, "cpu", bias=bias)
    x, meter, forms = network.spikes[2], Meter(), Forms("dense", "dense", "dense", everywhere=True)
    output = Output(x.to_dense().detach(), network.weights[2], network.biases[2], settings, forms, meter)
    output.backward(network.grad.tolist())
    torch.testing.assert_close(output.grad_weight(), network.weights[2].grad)
    output.grad_input(None)
    assert_counted(counts.dense_readout(readout_activity(x.detach(), CLASSES, network.read), settings, bias), meter)


def test_silent_input_costs_no_forward_operations(neuron):
    silent = Spikes.from_dense(torch.zeros(B, T, 9))
    s = spiking_linear(silent, torch.rand(6, 9), None, neuron, LocalZO(), Draw(0, 0, 0, torch.arange(B)))
    a = layer_activity(silent, s, neuron.reset, True)
    work = counts.layer(a, neuron, Search.of(LocalZO()), False)["forward"]
    assert not any(work.operations().values())
    assert not any(work.moved.values())


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_no_active_neuron_costs_no_backward_operations(neuron, backend):
    network = Network(STRATEGIES["inactive"], neuron, Readout(), backend)
    for i in range(2):
        a = network.activity(i)
        phases = counts.layer(a, neuron, Search.of(network.strategy), False)
        for phase in ("grad_input", "grad_weight"):
            assert not any(phases[phase].operations().values())
            assert not any(phases[phase].moved.values())
        elements = B * T * a.neurons
        resets = a.events if neuron.reset == "soft" else 0
        assert phases["neuron"].operations() == {
            "additions": elements + resets, "multiply_adds": 0, "products": 0, "binary_products": 0,
            "updates": elements, "functions": 0, "randoms": 0,
        }  # fmt: skip


def test_dense_counts_equal_matrix_sizes():
    a = Activity(9, 6, T, batches=2, samples=2 * B, events_in=5)
    m = 2 * B * T
    phases = counts.dense_layer(a, Neuron(), False, Schedule(4, group=B))
    for phase in ("forward", "grad_weight"):
        assert phases[phase].binary_products == m * 9 * 6
    assert phases["grad_input"].products == m * 9 * 6
    assert phases["neuron"].updates == m * 6
    assert phases["forward"].uses == {("input bits", 6): m * 9 * 6 / 8, ("stored weights", B * T): m * 9 * 6 * 4}
    assert phases["grad_weight"].moved == {"stored gradient": 2 * 2 * 9 * 6 * 4, "bias": 0}
    first = replace(a, forms=Forms(input=None))
    assert not any(counts.dense_layer(first, Neuron(), False)["grad_input"].operations().values())


@pytest.mark.parametrize("bias", [False, True])
def test_dense_counts_equal_those_of_the_instrumented_loop(neuron, bias):
    network = Network(STRATEGIES["sigmoid"], neuron, Readout(tau=5.0), "cpu", bias=bias)
    for i in range(2):
        meter, _ = network.by_hand(i, Forms("dense", "dense", "dense", everywhere=True), Dense)
        assert_counted(counts.dense_layer(network.activity(i), neuron, bias), meter)


def test_dense_counts_do_not_depend_on_activity():
    quiet, busy = (Activity(9, 6, T, batches=1, samples=B, events_in=k, events=k, active=k, errors=k) for k in (0, 50))
    for neuron in NEURONS.values():
        assert counts.dense_layer(quiet, neuron, True) == counts.dense_layer(busy, neuron, True)
    assert (
        counts.dense_readout(quiet, Readout(), True)["forward"]
        == counts.dense_readout(busy, Readout(), True)["forward"]
    )


@pytest.mark.parametrize("name", ["local_zo", "sigmoid"])
def test_activity_adds_up_over_batches(name):
    """Counts are linear in the activity: counting a sum is summing counts."""
    neuron, search = NEURONS["hard-attached"], Search.of(STRATEGIES[name])
    a, b = (Network(STRATEGIES[name], neuron, Readout(), "cpu", density=d).activity(1) for d in (0.05, 0.2))
    b = replace(b, forms=a.forms)
    summed = counts.layer(a + b, neuron, search, True)
    for phase, work in summed.items():
        assert work == sum((counts.layer(c, neuron, search, True)[phase] for c in (a, b)), Work())
    with pytest.raises(ValueError, match="same layer"):
        a + replace(b, neurons=7)


def test_optimizer_counts():
    adam = counts.optimizer_rule("Adam", {"weight_decay": 0})
    work = counts.optimizer(10, 3, adam)["optimizer"]
    assert (work.multiply_adds, work.additions, work.functions) == (7 * 30, 30, 60)
    assert work.moved == {"parameters": 3 * 30 * 4, "optimizer state": 4 * 30 * 4}
    assert counts.optimizer_rule("SGD", {"momentum": 0.9, "weight_decay": 1e-2}).multiply_adds == 3
    assert counts.optimizer_rule("Rprop", {}) is None
