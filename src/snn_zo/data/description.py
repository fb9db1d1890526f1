"""What is in a data set, as the network gets it: a table in the terminal, a figure and a page."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

from snn_zo.atomic import write_atomically
from snn_zo.data.dataset import EventDataset
from snn_zo.data.errors import DataError
from snn_zo.data.inspection import inspect
from snn_zo.data.statistics import Part
from snn_zo.page import render, write_png
from snn_zo.quantity import percent
from snn_zo.target import Classes

if TYPE_CHECKING:
    from snn_zo.data.figure import Picture
    from snn_zo.target import Values


def run(dataset: EventDataset, name: str, folder: Path) -> None:
    """Print the table, and write `describe.html` and `describe.png` into a folder.

    Raises:
        DataError: the data is missing or damaged, or no run would take it, which is said after all else.
        OSError: the folder cannot be written.
    """
    if dataset.is_analogue:
        raise DataError("images as they are (data.code=direct) have no events to count: describe another data.code")
    splits = dataset.splits()
    errors, warnings = inspect(dataset, splits)
    parts = [Part.of(split, subset, dataset) for split, subset in splits._asdict().items() if len(subset.sample)]
    grid = dataset.grid
    shape = f"{grid.steps} steps of {grid.dt:g} ms, {grid.inputs:,} inputs"
    if grid.rows > 1:
        shape += f" ({grid.columns} x {grid.rows}, polarities {'merged' if dataset.merged else 'separate'})"
    rows = [cells(dataset, part) for part in parts]
    console = Console(width=None if sys.stdout.isatty() else 140)
    table = Table(title=f"{name}: {shape}", title_justify="left")
    for column in rows[0]:
        table.add_column(column, justify="left" if column == "split" else "right")
    for row in rows:
        table.add_row(*row.values())
    console.print(table)
    for warning in warnings:
        console.print(f"warning: {warning}", soft_wrap=True, highlight=False, markup=False)
    _write_page(dataset, name, shape, parts, errors + warnings, folder)
    console.print(f"everything in  {folder}", soft_wrap=True, highlight=False)
    if errors:
        raise DataError(errors[0])


def cells(dataset: EventDataset, part: Part) -> dict[str, str]:
    """A split's row of the table, by column."""
    used, inputs = part.image.any(0), part.image.shape[1]
    return {
        "split": part.name,
        "recordings": f"{len(part.events):,}",
        **_target_cells(dataset, part),
        "mean events": f"{part.events.mean():,.1f}",
        "range": f"{part.events.min():,} to {part.events.max():,}",
        "density": percent(part.events.mean() / (len(part.rate) * inputs)),
        "unused inputs": percent(1 - used.mean()),
        "dropped": percent(part.outside),
        "merged": percent(part.merged),
        "empty": f"{np.count_nonzero(part.events == 0)}",
        "left out": f"{len(part.bad)}",
    }


def _target_cells(dataset: EventDataset, part: Part) -> dict[str, str]:
    if isinstance(dataset.target, Classes):
        low, high = part.per_group.min(), part.per_group.max()
        of_each = f"{low}" if low == high else f"{low} to {high}"
        return {"classes": f"{np.count_nonzero(part.per_group)}", "of each": of_each}
    # of all targets together: the page has each of them
    (mean, _, low_to_high), *_ = _target_rows(part.target.reshape(-1, 1))
    return {"mean target": mean, "targets": low_to_high}


def _target_rows(targets: Values) -> list[tuple[str, str, str]]:
    """Mean, standard deviation and range of each of the K continuous targets [S, K]."""
    columns = targets.T.astype(np.float64)
    return [(f"{one.mean():.3g}", f"{one.std():.3g}", f"{one.min():.3g} to {one.max():.3g}") for one in columns]


def _write_page(
    dataset: EventDataset, name: str, shape: str, parts: list[Part], remarks: list[str], folder: Path
) -> None:
    shown: list[Picture] = []
    try:
        from snn_zo.data.figure import draw, pictures
    except ModuleNotFoundError:
        print("no figure: matplotlib is not installed (pip install 'snn_zo[plots]')")
    else:
        write_png(folder / "describe.png", draw(dataset, parts))
        shown = pictures(dataset, parts)
    rows = [cells(dataset, part) for part in parts]
    is_of_classes = isinstance(dataset.target, Classes)
    page = render(
        Path(__file__).with_name("page.html"),
        name=name,
        shape=shape,
        about=" ".join((type(dataset).__doc__ or "").split("\n\n")[0].split()),
        columns=list(rows[0]),
        rows=[row.values() for row in rows],
        parts=parts,
        remarks=remarks,
        classes=parts[0].groups if is_of_classes else [],
        targets=[] if is_of_classes else list(zip(*(_target_rows(part.target) for part in parts), strict=True)),
        settings=dataclasses.asdict(dataset),
        bad=sorted({reason for part in parts for reason in part.bad}),
        pictures=shown,
    )
    write_atomically(folder / "describe.html", page)
