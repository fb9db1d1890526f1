"""Counts of layers that move spikes are those of a loop that moves one entry after the other."""

import itertools

import pytest
import torch

from snn_zo.energy import counts
from snn_zo.layers import AdaptivePool2d, Dropout, Merge, Pool2d, recording
from snn_zo.ops import Spikes
from snn_zo.ops.spikes import EVERYWHERE
from snn_zo.strategies import Draw
from tests.energy.instrumented import BIT, WORD, Meter
from tests.energy.test_counts import assert_counted
from tests.ops.maps import counts_of, spikes_from

SHAPE = (2, 5, 6)
B, T = 2, 3
LAYERS = {
    "sum": lambda: Pool2d(SHAPE, "sum", 2, "layer"),
    "overlapping sum": lambda: Pool2d(SHAPE, "sum", 3, "layer", 2, 1),
    "max": lambda: Pool2d(SHAPE, "max", 2, "layer"),
    "overlapping max": lambda: Pool2d(SHAPE, "max", 3, "layer", 2, 1),
    "adaptive": lambda: AdaptivePool2d(SHAPE, "sum", (2, 4), "layer"),
    "add": lambda: Merge(SHAPE, "add", "layer"),
    "and": lambda: Merge(SHAPE, "and", "layer"),
    "iand": lambda: Merge(SHAPE, "iand", "layer"),
    "cat": lambda: Merge(SHAPE, "cat", "layer"),
    "dropout": lambda: Dropout(SHAPE, 0.4, "layer"),
}


class Step:
    """A layer's part of a training step."""

    def __init__(self, layer, everywhere=False):
        torch.manual_seed(0)
        self.layer, self.inputs = layer, []
        for _ in range(2 if isinstance(layer, Merge) else 1):
            found = counts_of((B, T, *SHAPE), 0.4)
            self.inputs.append(spikes_from(found, None if everywhere else torch.rand(found.shape) < 0.3, False))
        with recording() as layers:
            self.output = layer(*self.inputs, Draw(1, 0, 2, torch.arange(B)))
        self.slope = torch.randn_like(self.output.to_dense())
        (self.output.scaled(1.0).to_dense() * self.slope).sum().backward()
        self.activity = layer.activity(layers[0])

    def counts(self, of: Spikes) -> list[list[int]]:
        """[B T, N]."""
        return of.scaled(1.0).to_dense().detach().flatten(2).flatten(0, 1).int().tolist()


def cells_of(layer, which: int, n: int, stays: list[bool]) -> list[int | None]:
    """Where an element is looked up, and what is found: as many places as any element has."""
    if isinstance(layer, Merge):
        return [n + which * 60 if layer.how == "cat" else n]
    if isinstance(layer, Dropout):
        return [n if stays[n] else None]
    rows, columns = layer.pooling.cells
    _, height, width = SHAPE

    def within(place: int) -> list[int]:
        c, y, x = place // (height * width), place // width % height, place % width
        return [
            (c * len(rows) + i) * len(columns) + j
            for (i, (top, bottom)), (j, (left, right)) in itertools.product(enumerate(rows), enumerate(columns))
            if top <= y < bottom and left <= x < right
        ]

    most = max(len(within(place)) for place in range(60))
    return (within(n) + most * [None])[:most]


def by_hand(step: Step) -> Meter:
    """The algorithm of docs/energy.md; its spikes and gradients are the layer's."""
    meter, layer, output = Meter(), step.layer, step.output
    counted = [step.counts(x) for x in step.inputs]
    made = step.counts(output)
    stays = [[True] * output.shape[2] for _ in range(B)]
    if isinstance(layer, Dropout):
        torch.manual_seed(0)
        ones = spikes_from(torch.ones(B, 1, *SHAPE).double(), None, False)
        stays = [each > 0 for each in layer(ones, Draw(1, 0, 2, torch.arange(B))).to_dense().flatten(1)]
        for _ in itertools.product(range(B), range(output.shape[2])):
            meter.add().do("randoms")
    gated = isinstance(layer, Merge) and layer.how in ("and", "iand")
    largest = isinstance(layer, Pool2d) and layer.pooling.kind == "max"
    found, winner = [[0] * output.shape[2] for _ in made], [{} for _ in made]
    for which, x in enumerate(step.inputs):
        for row, n in zip(x.events.row().tolist(), x.events.col.tolist(), strict=True):
            meter.index("input events")
            for cell in cells_of(layer, which, n, stays[row // T]):
                meter.add()
                if cell is not None:
                    found[row][cell] = 1 if largest else found[row][cell] + 1
                    winner[row].setdefault(cell, n)
    for _ in output.events.col:
        meter.index("events")
    if not gated:
        assert found == made
    meter.phase = "grad_input"
    slope = step.slope.flatten(2).flatten(0, 1).tolist()
    for which, x in enumerate(step.inputs):
        gradients = []
        for row, n in zip(x.active.row().tolist(), x.active.col.tolist(), strict=True):
            meter.index("active inputs")
            total = 0.0
            for i, cell in enumerate(cells_of(layer, which, n, stays[row // T])):
                factor = 1
                if largest:
                    meter.add()
                    if cell is not None and n != winner[row].get(cell, first_of(layer, cell)):
                        cell = None
                elif isinstance(layer, Dropout):
                    meter.add()
                elif gated:
                    meter.add().mac()
                    other = counted[1 - which][row][n]
                    factor = other if layer.how == "and" else -other if which == 0 else 1 - other
                meter.index("active inputs")  # the number of the image is written
                meter.index("active inputs").number("active set")  # and read, with the gradient there
                total += 0.0 if cell is None else factor * slope[row][cell]
                if i:
                    meter.add()
            meter.number("active inputs")
            gradients.append(total)
        torch.testing.assert_close(x.handle.grad, torch.tensor(gradients, dtype=torch.float64))
    for _ in output.active.col:
        meter.index("active set")
    return meter


def first_of(layer, cell: int) -> int:
    rows, columns = layer.pooling.cells
    c, i, j = cell // (len(rows) * len(columns)), cell // len(columns) % len(rows), cell % len(columns)
    return (c * SHAPE[1] + rows[i][0]) * SHAPE[2] + columns[j][0]


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_moves_instrumented(make):
    step = Step(make())
    assert_counted(step.layer.work(step.activity, counts.FP32), by_hand(step))


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_moves_dense(make):
    """Elements of all cells, each one taken in once on either way; the sparse work goes back as this where all are
    active."""
    step = Step(make(), everywhere=True)
    assert step.output.active is EVERYWHERE
    layer, a = step.layer, step.activity
    if isinstance(layer, (Merge, Dropout)):
        taken = layer.neurons
    else:
        rows, columns = layer.pooling.cells
        taken = 2 * sum((y1 - y0) * (x1 - x0) for (y0, y1), (x0, x1) in itertools.product(rows, columns))
    elements = sum(x.shape[2] for x in step.inputs), layer.neurons
    dense, sparse = layer.dense_work(a), layer.work(a)
    masked = B * layer.neurons if isinstance(layer, Dropout) else 0
    assert (dense["forward"].additions, dense["forward"].randoms) == (B * T * taken + masked, masked)
    assert dense["forward"].moved == {"input bits": B * T * elements[0] * BIT, "spike bits": B * T * elements[1] * BIT}
    gradient = dense["grad_input"]
    assert gradient.additions == B * T * taken
    assert gradient.moved == {
        "dense adjoints": B * T * elements[1] * WORD,
        "input gradients": B * T * elements[0] * WORD,
    }
    assert sparse["grad_input"] == gradient


def test_moves_without_gradient():
    """Data that wants no gradient costs no way back."""
    layer = LAYERS["max"]()
    with recording() as layers:
        layer(Spikes.from_dense((torch.rand(B, T, *SHAPE) < 0.3).float()))
    assert list(layer.work(layer.activity(layers[0]))) == ["forward"]


def test_moves_add_up():
    """Activity of several batches is summed."""
    activities = [Step(LAYERS["overlapping max"]()).activity for _ in range(2)]
    assert (activities[0] + activities[1]).events_in == 2 * activities[0].events_in
