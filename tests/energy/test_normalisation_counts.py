"""Counts of a normalisation are those of a loop that does one operation at a time, and finds the same numbers."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import avg_pool2d, conv2d

from snn_zo.energy import Work
from snn_zo.energy.counts import FP32
from snn_zo.energy.normalisation import NormalisedActivity
from snn_zo.layers import SpikingConv2d, SpikingLinear, recording
from snn_zo.neuron import Neuron
from snn_zo.ops import Rows, Spikes, current_statistics
from snn_zo.ops.convolution import Convolution
from snn_zo.strategies import Draw, LocalZO
from tests.energy.instrumented import Meter

B, T = 3, 6
CASES = {
    "linear": None,
    "padded": Convolution((2, 4, 5), 3, (3, 2), padding=(1, 1)),
    "strided": Convolution((2, 5, 6), 3, (3, 3), stride=(2, 2), padding=(1, 1)),
    "grouped": Convolution((4, 3, 3), 6, (2, 2), groups=2),
    "pooled": Convolution((2, 7, 6), 3, (2, 3), pool=(2, 2)),
}
SHAPE = (2, 3, 2)
"""Of the input of the fully connected layer."""


def links(made: Convolution | None, neurons: int) -> list[list[tuple[int, int]]]:
    """Of each input, (output, number of the weight) that it reaches; outputs are numbered with channels last."""
    if made is None:
        n_in = math.prod(SHAPE)
        return [[(o, o * n_in + i) for o in range(neurons)] for i in range(n_in)]
    count = math.prod(made.weight_shape)
    found: list[list[tuple[int, int]]] = [[] for _ in range(math.prod(made.in_shape))]
    weight = torch.arange(1, count + 1, dtype=torch.float64).view(made.weight_shape)
    for i, targets in enumerate(found):
        alone = torch.zeros(1, math.prod(made.in_shape), dtype=torch.float64)
        alone[0, i] = 1
        pooled = avg_pool2d(alone.view(1, *made.in_shape), made.pool, divisor_override=1)
        current = conv2d(pooled, weight, None, made.stride, made.padding, groups=made.groups)
        for o, number in enumerate(current[0].permute(1, 2, 0).flatten().tolist()):
            if number:
                targets.append((o, round(number) - 1))
    return found


class Loop:
    """Mean and variance of the currents and the gradients through them, one number at a time."""

    def __init__(self, x: Spikes, weight: torch.Tensor, made: Convolution | None, to_input: bool) -> None:
        self.meter, self.x, self.w = Meter(), x, weight.flatten().tolist()
        self.channels = len(weight)
        self.reach = links(made, self.channels)
        self.n = self.channels if made is None else math.prod(made.out_shape)
        self.group = self.channels if made is None else self.channels // made.groups
        self.rows = x.shape[0] * x.shape[1]
        ptr, col = x.events.ptr.tolist(), x.events.col.tolist()
        self.events = [col[ptr[r] : ptr[r + 1]] for r in range(self.rows)]
        ptr, col = x.active.ptr.tolist(), x.active.col.tolist()
        self.active = [col[ptr[r] : ptr[r + 1]] if to_input else [] for r in range(self.rows)]
        self.per_channel = self.rows * self.n / self.channels

    def channel(self, weight: int) -> int:
        return weight * self.channels // len(self.w)

    def moves(self, array: str, times: int = 1) -> None:
        self.meter.moved[self.meter.phase][array] += 4 * times

    def currents(self, row: int, start: list[float], w: list[float]) -> list[float]:
        current = [start[o % self.channels] for o in range(self.n)]
        self.moves("potentials", self.n)
        for i in self.events[row]:
            self.moves("input events")
            for o, k in self.reach[i]:
                self.moves("weights")
                self.meter.add()
                current[o] += w[k]
        return current

    def forward(self) -> tuple[list[float], list[float]]:
        self.meter.phase = "forward"
        count: dict[int, int] = {}
        for row in self.events:
            for i in row:
                self.moves("input events")
                self.meter.add()
                count[i] = count.get(i, 0) + 1
        self.patch = [0.0] * len(self.w)
        for i, times in count.items():
            for _, k in self.reach[i]:
                self.patch[k] += times
            for _ in range(len(self.reach[i]) // self.group):  # a channel of the group does for all
                self.meter.add()
        mean = [0.0] * self.channels
        for k, w in enumerate(self.w):
            self.moves("weights")
            self.meter.mac()
            mean[self.channel(k)] += w * self.patch[k] / self.per_channel
        squares, self.products = [0.0] * self.channels, [0.0] * len(self.w)
        silent = 0
        for row, events in enumerate(self.events):
            if not events:
                silent += 1
                continue
            current = self.currents(row, [-m for m in mean], self.w)
            for o, value in enumerate(current):
                self.moves("potentials")
                self.meter.mac()
                squares[o % self.channels] += value**2
            self.add_products(events, current)
        for c in range(self.channels):
            self.meter.mac()
            squares[c] += silent * self.n / self.channels * mean[c] ** 2
        self.mean = mean
        return mean, [s / self.per_channel for s in squares]

    def add_products(self, events: list[int], current: list[float]) -> None:
        self.meter.phase = "grad_weight"
        for i in events:
            self.moves("input events")
            for o, k in self.reach[i]:
                self.moves("potentials")
                self.moves("weight gradient", 2)
                self.meter.add()
                self.products[k] += current[o]
        self.meter.phase = "forward"

    def backward(self, of_mean: list[float], of_variance: list[float], to_input: bool):
        self.meter.phase = "grad_weight"
        slope = [2 * g / self.per_channel for g in of_variance]
        offset = [g / self.per_channel for g in of_mean]
        gradient = []
        for k in range(len(self.w)):
            self.moves("weight gradient", 2)
            self.meter.mac().mac()
            gradient.append(slope[self.channel(k)] * self.products[k] + offset[self.channel(k)] * self.patch[k])
        if not to_input:
            return gradient, []
        self.meter.phase = "grad_input"
        scaled = []
        for k, w in enumerate(self.w):
            self.moves("weights", 2)
            self.meter.mac()
            scaled.append(slope[self.channel(k)] * w)
        start = [d - s * m for d, s, m in zip(offset, slope, self.mean, strict=True)]
        at_active = []
        for row, active in enumerate(self.active):
            if not active:
                continue
            incoming = self.currents(row, start, scaled)
            for i in active:
                self.moves("active inputs", 2)
                total = 0.0
                for o, k in self.reach[i]:
                    self.moves("weights")
                    self.moves("potentials")
                    self.meter.mac()
                    total += incoming[o] * self.w[k]
                at_active.append(total)
        return gradient, at_active


def step(name: str, norm: str | None, to_input: bool = True):
    """A layer after a training step, and what it did; every other sample is silent at first."""
    torch.manual_seed(0)
    made = CASES[name]
    shape = SHAPE if made is None else made.in_shape
    dense = (torch.rand(B, T, *shape) < 0.3).double() + (torch.rand(B, T, *shape) < 0.1).double()
    dense[::2, :2] = 0
    x = Spikes.from_dense(dense)
    chosen = torch.rand(B * T * x.shape[2]) < 0.1
    x.active = Rows.from_flat(chosen.nonzero().squeeze(1), B * T, x.shape[2])
    x.g = torch.ones(len(x.active.col), dtype=torch.float64)
    x.handle = torch.zeros(len(x.active.col), dtype=torch.float64, requires_grad=to_input)
    neuron, strategy = Neuron(tau=5.0), LocalZO(delta=0.5)
    if made is None:
        layer = SpikingLinear(SHAPE, 4, neuron, strategy, "layer", backend="cpu", norm=norm).double()
    else:
        layer = SpikingConv2d(
            made.in_shape, made.channels, made.kernel, neuron, strategy, "layer", made.stride, made.padding,
            made.groups, made.pool, backend="cpu", norm=norm,
        ).double()  # fmt: skip
    with recording() as layers:
        layer(x, Draw(0, 0, 0, torch.arange(B))).to_dense().sum().backward()
    return layer, layers[0], x


def difference(layer, other, activity) -> dict[str, Work]:
    """What a layer costs beyond another."""
    work, plain = layer.work(activity), other.work(activity)
    less = {
        phase: Work(**{k: -v for k, v in each.operations().items()}, moved={k: -v for k, v in each.moved.items()})
        for phase, each in plain.items()
    }
    return {phase: work[phase] + less[phase] for phase in work}


@pytest.mark.parametrize("to_input", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_counts_of_batch_statistics_equal_those_of_the_loop(name, to_input):
    layer, done, x = step(name, "tdbn", to_input)
    activity = layer.activity(done)
    loop = Loop(x, layer.weight.detach(), layer.convolution, to_input)
    found = loop.forward()
    weight = layer.weight.detach().requires_grad_()
    x.handle.grad = None
    statistics = current_statistics(x, weight, layer.convolution, "cpu")
    for ours, theirs in zip(found, statistics, strict=True):
        assert ours == pytest.approx(theirs.tolist())
    (statistics[0].sum() + 3 * statistics[1].sum()).backward()
    ones = [1.0] * loop.channels
    grad_weight, grad_input = loop.backward(ones, [3.0] * loop.channels, to_input)
    assert grad_weight == pytest.approx(weight.grad.flatten().tolist())
    assert not to_input or grad_input == pytest.approx(x.handle.grad.tolist())
    # what is done with the statistics: once for each weight and each channel
    w, c = layer.weight.numel(), loop.channels
    fold = {"forward": Work(c, 7 * c + w, functions=c, moved={"weights": 8 * w})}
    fold["grad_weight"] = Work(2 * c, 6 * c + 2 * w, moved={"weight gradient": 12 * w})
    norm = layer.norm.work(activity, FP32)
    for phase, work in norm.items():
        rest = fold.get(phase, Work())
        operations, moved = loop.meter.operations[phase], loop.meter.moved[phase]
        assert work.operations() == {k: operations[k] + v for k, v in rest.operations().items()}, phase
        assert {k: v for k, v in work.moved.items() if v} == {
            k: v for k in work.moved if (v := moved[k] + rest.moved.get(k, 0))
        }, phase
        assert set(moved) <= set(work.moved)


def test_counts_of_a_layer_hold_those_of_its_norm_and_add_up():
    layer, done, _ = step("padded", "tdbn")
    plain, _, _ = step("padded", None)
    activity = layer.activity(done)
    added = difference(layer, plain, activity)
    norm = layer.norm.work(activity, FP32)
    bias = activity.rows * activity.neurons
    assert added["forward"].additions == norm["forward"].additions + bias, "the shift is a bias"
    assert added["grad_input"].multiply_adds == norm["grad_input"].multiply_adds
    twice = layer.work(activity + activity)
    for phase, work in layer.work(activity).items():
        assert twice[phase] == work + work
    assert isinstance((activity + activity).on_host(), NormalisedActivity)
    elements = activity.rows * activity.neurons
    dense, without = layer.dense_work(activity), plain.dense_work(activity)
    assert dense["forward"].multiply_adds == without["forward"].multiply_adds + 2 * elements
    assert dense["grad_input"].additions == without["grad_input"].additions + elements


def test_counts_of_weight_standardisation_do_not_depend_on_the_input():
    layer, done, _ = step("padded", "weight")
    plain, _, _ = step("padded", None)
    activity = layer.activity(done)
    w, c = layer.weight.numel(), 3
    added = difference(layer, plain, activity)
    assert added["forward"].operations() == Work(2 * w, 2 * w + 2 * c, functions=c).operations()
    assert added["grad_weight"].operations() == Work(w, 3 * w + 3 * c).operations()
    assert not any(added["grad_input"].operations().values())
