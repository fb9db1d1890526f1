"""Counts of a convolution are those of a loop that does one operation at a time."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from torch.nn.functional import avg_pool2d, conv2d

from snn_zo.energy import Work, counts
from snn_zo.energy.activity import Activity, Forms, layer_activity
from snn_zo.energy.connection import Connection
from snn_zo.energy.counts import Schedule, Search
from snn_zo.layers import SpikingConv2d, recording
from snn_zo.neuron import RESETS, Neuron
from snn_zo.ops import Rows, Spikes, spiking_conv2d
from snn_zo.ops.convolution import Convolution, fan_out
from snn_zo.ops.record import InputGradient, WeightGradient
from snn_zo.ops.spikes import EVERYWHERE
from snn_zo.strategies import Draw, LocalZO, SparseSurrogate, Strategy, Surrogate
from tests.energy.convolved import convolved
from tests.energy.instrumented import Dense, Layer, Meter

B, T = 2, 5
CASES = {
    "valid": Convolution((2, 5, 4), 3, (3, 3)),
    "padded": Convolution((2, 4, 5), 3, (3, 2), padding=(1, 2)),
    "strided": Convolution((2, 7, 6), 3, (3, 3), stride=(2, 2), padding=(2, 1)),
    "unreached": Convolution((2, 5, 5), 2, (1, 1), stride=(2, 2)),
    "grouped": Convolution((4, 4, 3), 6, (2, 3), padding=(0, 1), groups=2),
    "depthwise": Convolution((3, 5, 4), 3, (3, 3), padding=(1, 1), groups=3),
    "pooled": Convolution((2, 7, 6), 3, (2, 3), padding=(1, 1), pool=(2, 2)),
}
STRATEGIES: dict[str, Strategy] = {
    "local_zo": LocalZO(delta=0.3, samples=2),
    "window": SparseSurrogate(Surrogate("sigmoid", slope=5.0), b_th=0.4),
    "sigmoid": Surrogate("sigmoid", slope=5.0),
}
SOFT = Neuron(tau=5.0, v_th=0.6)


@pytest.fixture(params=CASES.values(), ids=CASES)
def made(request) -> Convolution:
    return request.param


class Step:
    """A convolutional layer behind another, after a training step, and what is needed to do it again by hand."""

    def __init__(
        self,
        made: Convolution,
        strategy: Strategy,
        neuron: Neuron = SOFT,
        bias: bool = False,
        last: bool = True,
        backend: str = "cpu",
    ) -> None:
        generator = torch.Generator().manual_seed(0)
        self.made, self.strategy, self.neuron = made, strategy, neuron
        channels, height, width = made.in_shape
        self.draw = Draw(1, 0, 2, torch.arange(B) + 5)
        data = (torch.rand(B, T, channels, height, width, generator=generator) < 0.3).double()
        data[0, 0, 0, 0, 0] = 2.0  # an input that counts twice
        self.weight = (torch.rand(made.weight_shape, generator=generator).double() * 1.5 - 0.5).requires_grad_()
        self.bias = torch.full((made.channels,), 0.05, dtype=torch.double).requires_grad_() if bias else None
        self.x = self._input(data, last)
        self.s = spiking_conv2d(
            self.x, self.weight, self.bias, neuron, strategy, self.draw, backend, stride=made.stride,
            padding=made.padding, groups=made.groups, pool=made.pool,
        )  # fmt: skip
        self.s.handle.retain_grad()
        s = self.s.to_dense()
        (s * torch.randn(s.shape, generator=generator).double()).sum().backward()

    def _input(self, data: torch.Tensor, last: bool) -> Spikes:
        """Spikes of which every third element is active, or all where the strategy looks everywhere."""
        flat = (data.permute(0, 1, 3, 4, 2) if last else data).flatten(2).contiguous()
        x = Spikes.from_dense(flat).view(*self.made.in_shape, channels_last=last)
        n = flat.shape[2]
        if self.strategy.lookup == "everywhere":
            x.active, index = EVERYWHERE, torch.arange(flat.numel())
        else:
            index = torch.arange(0, flat.numel(), 3)
            x.active = Rows.from_flat(index, B * T, n)
        x.handle = flat.flatten()[index].requires_grad_()
        x.g = torch.ones_like(x.handle)
        return x

    def activity(self, weight: WeightGradient | None = None, to_input: InputGradient | None = None) -> Activity:
        """As it was, but for the forms that are given."""
        x, s, search = self.x.detach(), self.s.detach(), Search.of(self.strategy)
        reached = fan_out(self.made, x.channels_last, torch.device("cpu"))
        found = layer_activity(
            x, s, self.neuron.reset, search.where == "drawn", Connection.convolved(self.made), reached
        )
        forms = found.forms._replace(weight=weight or found.forms.weight, input=to_input or found.forms.input)
        return Activity(**{**vars(found), "forms": forms})

    def by_hand(self, forms: Forms, kind: type[Layer] = Layer, blocks: int = 1) -> Meter:
        """The step one number at a time; its spikes and gradients are the library's."""
        meter = Meter()
        loop = convolved(self.made, self.x.channels_last, kind)
        x, s = self.x.view(self.x.shape[2]).to_dense().detach(), self.s.view(self.s.shape[2]).to_dense().detach()
        layer = loop(x, self.weight, self.bias, self.neuron, self.strategy, self.draw, forms, meter, blocks)
        torch.testing.assert_close(torch.tensor(layer.s), s.float())
        layer.errors(self._at_active(self.s).tolist())
        torch.testing.assert_close(layer.grad_weight(), self.weight.grad)
        if self.bias is not None:
            torch.testing.assert_close(layer.grad_bias(), self.bias.grad)
        mask = self._mask(self.x)
        everywhere = self.x.active is EVERYWHERE
        gradient = layer.grad_input(None if everywhere else mask)
        torch.testing.assert_close(gradient * mask, self._at_active(self.x))
        return meter

    def _mask(self, s: Spikes) -> torch.Tensor:
        mask = torch.zeros(s.shape, dtype=torch.bool).flatten()
        mask[s.active_elements()] = True
        return mask.view(s.shape)

    def _at_active(self, s: Spikes) -> torch.Tensor:
        grad = torch.zeros(s.shape, dtype=torch.double).flatten()
        assert s.handle.grad is not None
        if s.active is EVERYWHERE:
            grad = torch.where(s.g != 0, s.handle.grad, 0)
        else:
            grad[s.active.flat(s.shape[2])] = s.handle.grad
        return grad.view(s.shape)


def assert_counted(phases: dict[str, Work], meter: Meter) -> None:
    for phase, work in phases.items():
        assert {k: v for k, v in work.operations().items() if v} == dict(meter.operations[phase]), phase
        assert {k: v for k, v in work.moved.items() if v} == dict(meter.moved[phase]), phase
        used: Counter[str] = Counter()
        for (array, _), size in meter.uses(phase).items():
            used[array] += size
        assert {array: size for (array, _), size in work.uses.items()} == dict(used), phase


@pytest.mark.parametrize("weight", ["trace", "adjoint"])
@pytest.mark.parametrize(("to_input", "last"), [("scan", True), ("gather", False)])
@pytest.mark.parametrize("name", ["local_zo", "window"])
def test_counts_of_a_sparse_strategy_equal_those_of_the_instrumented_loop(made, name, weight, to_input, last):
    step = Step(made, STRATEGIES[name], last=last)
    a = step.activity(weight, to_input)
    assert a.live_rows > 0
    assert_counted(counts.layer(a, step.neuron, Search.of(step.strategy), False), step.by_hand(a.forms))


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("blocks", [1, 2])
def test_counts_with_bias_resets_and_blocks(reset, detach, blocks):
    neuron = Neuron(tau=5.0, v_th=0.6, reset=reset, detach_reset=detach)
    for case, forms in (("grouped", ("trace", "gather")), ("pooled", ("adjoint", "scan"))):
        step = Step(CASES[case], STRATEGIES["local_zo"], neuron, bias=True)
        a, search = step.activity(*forms), Search.of(step.strategy)
        assert_counted(
            counts.layer(a, neuron, search, True, Schedule(blocks=blocks)), step.by_hand(a.forms, blocks=blocks)
        )


@pytest.mark.parametrize("forms", [("adjoint", "gather"), ("dense", "dense")])
def test_counts_where_all_are_active(made, forms):
    step = Step(made, STRATEGIES["sigmoid"], bias=True)
    a = step.activity(*forms)
    a = Activity(**{**vars(a), "forms": a.forms._replace(forward="dense" if forms[0] == "dense" else "events")})
    assert a.forms.everywhere
    assert_counted(counts.layer(a, step.neuron, Search.of(step.strategy), True), step.by_hand(a.forms))


def test_dense_counts_equal_those_of_the_instrumented_loop(made):
    step = Step(made, STRATEGIES["sigmoid"], bias=True)
    meter = step.by_hand(Forms("dense", "dense", "dense", everywhere=True), Dense)
    work = counts.dense_layer(step.activity(), step.neuron, True)
    assert_counted(work, meter)
    # neurons and weights are each used equally often, inputs are on average
    for phase, array in (("forward", "stored weights"), ("grad_weight", "dense adjoints")):
        assert {key for key in work[phase].uses if key[0] == array} <= set(meter.uses(phase))
    (times,) = (times for array, times in work["forward"].uses if array == "input bits")
    assert times == pytest.approx(made.products / (made.padded_shape[0] * made.padded_shape[1] * made.padded_shape[2]))


def test_fan_out_is_found_by_dense_products(made):
    """An input reaches the neurons whose current it changes."""
    n = math.prod(made.in_shape)
    ones = torch.ones(made.weight_shape)
    alone = torch.eye(n).view(n, *made.in_shape)
    current = conv2d(
        avg_pool2d(alone, made.pool, divisor_override=1), ones, None, made.stride, made.padding, groups=made.groups
    )
    expected = current.flatten(1).count_nonzero(1).view(made.in_shape)
    assert torch.equal(fan_out(made, False, torch.device("cpu")), expected.flatten())
    assert torch.equal(fan_out(made, True, torch.device("cpu")), expected.permute(1, 2, 0).flatten())


def test_activity_of_a_convolution_adds_up_over_batches():
    """Counts are linear in it, as for a fully connected layer."""
    neuron, search = Neuron(tau=5.0, v_th=0.6, reset="hard"), Search.of(STRATEGIES["local_zo"])
    a, b = (Step(CASES["pooled"], STRATEGIES["local_zo"], neuron, last=last).activity("adjoint", "gather")
            for last in (True, False))  # fmt: skip
    assert a != b
    summed = counts.layer(a + b, neuron, search, True)
    for phase, work in summed.items():
        assert work == sum((counts.layer(each, neuron, search, True)[phase] for each in (a, b)), Work())
    assert (a + b).on_host() == a + b
    full = Activity(a.inputs, a.neurons, a.steps, a.forms)
    with pytest.raises(ValueError, match="same layer"):
        a + full


def test_form_that_the_reference_does_not_say_is_the_cheaper_one():
    step = Step(CASES["padded"], STRATEGIES["window"], backend="reference")
    a = step.activity()
    products = {"trace": a.errors * a.connection.fan_in, "adjoint": a.reached.live_events_in}
    assert products[a.forms.weight] == min(products.values()) < max(products.values())
    assert_counted(counts.layer(a, step.neuron, Search.of(step.strategy), False), step.by_hand(a.forms))


def test_layer_counts_its_own_connection():
    made = CASES["pooled"]
    layer = SpikingConv2d(
        made.in_shape, made.channels, made.kernel, SOFT, LocalZO(delta=0.3), "conv", padding=made.padding,
        pool=made.pool, bias=True, backend="reference",
    )  # fmt: skip
    torch.manual_seed(0)
    x = Spikes.from_dense((torch.rand(B, T, *made.in_shape) < 0.3).float())
    with recording() as layers:
        layer(x, Draw(0, 0, 0, torch.arange(B))).to_dense().sum().backward()
    a = layer.activity(layers[0])
    outputs = math.prod(made.out_shape[1:])
    assert a.connection == Connection(
        products=made.products, weights=3 * 2 * 6, biases=3, fan_in=12, places=2 * 5 * 5, pooled=2 * 36, sums=2 * 9
    )
    work = layer.work(a)
    reached = fan_out(made, False, torch.device("cpu"))[x.events.col.long()].sum()
    assert work["forward"].additions == int(reached) + B * T * 3 * outputs
    assert layer.dense_work(a)["forward"].binary_products == B * T * made.products
