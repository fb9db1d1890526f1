"""What is in a data set, as the network gets it: a table in the terminal, a figure and a page."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from snn_zo.atomic import write_atomically
from snn_zo.data.dataset import DataError, EventDataset
from snn_zo.data.inspection import inspect
from snn_zo.data.splits import Subset
from snn_zo.page import render, write_png
from snn_zo.quantity import percent

_AT_ONCE = 256


@dataclass
class Part:
    """Statistics of one split.

    Attributes:
        name: train, val or test.
        events: [S] events of each recording.
        rate: [T] mean events of a recording in each step.
        per_class: [C] recordings of each class.
        image: [C, N] mean events of a recording of each class at each input.
        example: for each class that is there, the [K] steps and [K] inputs of its first recording.
        bad: why recordings were left out of the store that the split is part of.
        outside: share of the original events that are outside the steps or the sensor.
        merged: share of the original events that fell into an input together with another one.
    """

    name: str
    events: NDArray[np.int64]
    rate: NDArray[np.float64]
    per_class: NDArray[np.int64]
    image: NDArray[np.float64]
    example: dict[int, tuple[NDArray[np.int64], NDArray[np.int32]]]
    bad: list[str]
    outside: float
    merged: float

    @classmethod
    def of(cls, name: str, subset: Subset, classes: int) -> Part:
        """Go through a split once."""
        store = subset.store
        label = store.label[subset.sample]
        events: list[NDArray[np.int64]] = []
        rate, image = np.zeros(store.steps), np.zeros((classes, store.features))
        for begin in range(0, len(label), _AT_ONCE):
            ptr, col = store.events(subset.sample[begin : begin + _AT_ONCE])
            length = np.diff(ptr).reshape(-1, store.steps)
            events.append(length.sum(1))
            rate += length.sum(0)
            place = np.repeat(label[begin : begin + _AT_ONCE], length.sum(1)) * store.features + col
            image += np.bincount(place, minlength=image.size).reshape(image.shape)
        per_class = np.bincount(label, minlength=classes)
        example = {}
        for one, first in zip(*np.unique(label, return_index=True), strict=True):
            ptr, col = store.events(subset.sample[first : first + 1])
            example[int(one)] = np.repeat(np.arange(store.steps), np.diff(ptr)), col
        image /= np.maximum(per_class, 1)[:, None]
        counted, original = np.concatenate(events), store.original.take(subset.sample)
        recorded, outside = original.events.sum(), (original.outside + original.beyond).sum()
        merged = recorded - outside - counted.sum()
        lost = [float(count / max(recorded, 1)) for count in (outside, merged)]
        return cls(name, counted, rate / len(label), per_class, image, example, store.about["bad"], *lost)

    def cells(self) -> list[str]:
        """A row of the table."""
        used, features = self.image.any(0), self.image.shape[1]
        low, high = self.per_class.min(), self.per_class.max()
        return [
            self.name,
            f"{len(self.events):,}",
            f"{np.count_nonzero(self.per_class)}",
            f"{low}" if low == high else f"{low} to {high}",
            f"{self.events.mean():,.1f}",
            f"{self.events.min():,} to {self.events.max():,}",
            percent(self.events.mean() / (len(self.rate) * features)),
            percent(1 - used.mean()),
            percent(self.outside),
            percent(self.merged),
            f"{np.count_nonzero(self.events == 0)}",
            f"{len(self.bad)}",
        ]


COLUMNS = (
    *("split", "recordings", "classes", "of each", "mean events", "range", "density", "unused inputs"),
    *("dropped", "merged", "empty", "left out"),
)


def run(dataset: EventDataset, name: str, folder: Path) -> None:
    """Print the table, and write `describe.html` and `describe.png` into a folder.

    Raises:
        DataError: the data is missing or damaged, or no run would take it, which is said after all else.
        OSError: the folder cannot be written.
    """
    splits = dataset.splits()
    errors, warnings = inspect(dataset, splits)
    named = splits._asdict().items()
    parts = [Part.of(split, subset, dataset.classes) for split, subset in named if len(subset.sample)]
    grid = dataset.grid
    shape = f"{grid.steps} steps of {grid.dt:g} ms, {grid.features:,} inputs"
    if grid.rows > 1:
        shape += f" ({grid.columns} x {grid.rows}, polarities {'merged' if dataset.merged else 'separate'})"
    console = Console(width=None if sys.stdout.isatty() else 140)
    table = Table(title=f"{name}: {shape}", title_justify="left")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "split" else "right")
    for part in parts:
        table.add_row(*part.cells())
    console.print(table)
    for warning in warnings:
        console.print(f"warning: {warning}", soft_wrap=True, highlight=False, markup=False)
    _write_page(dataset, name, shape, parts, errors + warnings, folder)
    console.print(f"everything in  {folder}", soft_wrap=True, highlight=False)
    if errors:
        raise DataError(errors[0])


def _write_page(
    dataset: EventDataset, name: str, shape: str, parts: list[Part], remarks: list[str], folder: Path
) -> None:
    image = None
    try:
        from snn_zo.data.figure import draw
    except ModuleNotFoundError:
        print("no figure: matplotlib is not installed (pip install 'snn_zo[plots]')")
    else:
        image = write_png(folder / "describe.png", draw(dataset, parts))
    page = render(
        Path(__file__).with_name("page.html"),
        name=name,
        shape=shape,
        about=" ".join((type(dataset).__doc__ or "").split("\n\n")[0].split()),
        columns=COLUMNS,
        rows=[part.cells() for part in parts],
        parts=parts,
        remarks=remarks,
        classes=[dataset.class_name(label) for label in range(dataset.classes)],
        settings=dataclasses.asdict(dataset),
        bad=sorted({reason for part in parts for reason in part.bad}),
        image=image,
    )
    write_atomically(folder / "describe.html", page)
