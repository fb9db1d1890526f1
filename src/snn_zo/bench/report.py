"""Telling what a benchmark has found: a table in the terminal, JSON, CSV, a figure and a page."""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from snn_zo.atomic import write_atomically
from snn_zo.bench.result import Result, Row
from snn_zo.page import render, write_png
from snn_zo.quantity import percent


def print_result(result: Result, baseline: str, missing: list[str], notes: bool) -> None:
    """The table of a case, with refusals and, if wanted, notes on the contestants below it."""
    # a pipe or a file has no width of its own
    console = Console(width=None if sys.stdout.isatty() else 180)
    table = Table(title=f"{result.axis} = {result.value}" if result.axis else None, title_justify="left")
    for column in ("contestant", *(name for name, _ in _columns(baseline))):
        table.add_column(column, justify="left" if column == "contestant" else "right")
    for row in result.rows:
        table.add_row(row.contestant, *cells(row))
    for name in missing:
        table.add_row(name, "not installed")
    console.print(table)
    for row in result.rows:
        if row.reason:
            console.print(f"refused  {row.contestant}: {row.reason}", style="bold red", soft_wrap=True, markup=False)
        elif row.note and notes:
            console.print(f"{row.contestant}: {row.note}", soft_wrap=True, highlight=False, markup=False)


def _columns(baseline: str) -> list[tuple[str, str]]:
    """Title and field of each column."""
    return [
        ("step ms", "step_ms"),
        ("forward", "forward_ms"),
        ("backward", "backward_ms"),
        ("of it, layer", "layer_ms"),
        ("optimizer", "optimizer_ms"),
        (f"times {baseline}'s speed", "faster"),
        ("spikes", "spike_rate"),
        ("active", "active"),
        ("gradient error", "gradient_error"),
        ("saved MB", "saved_bytes"),
        ("peak MB", "peak_bytes"),
    ]


def cells(row: Row) -> list[str]:
    """A row as text; the reason's kind in place of the ratio where there is a reason."""
    numbers = {name: _cell(row, name) for _, name in _columns("")}
    if row.baseline:
        numbers["faster"] = "baseline"
    if row.reason:
        numbers["faster"] = f"refused: {row.reason.partition(':')[0]}"
    return list(numbers.values())


def _cell(row: Row, name: str) -> str:
    value = getattr(row, name)
    if value is None:
        return "-"
    if name == "faster":
        return f"{value:.2f} ({row.faster_low:.2f} to {row.faster_high:.2f})"
    if name in ("spike_rate", "active"):
        return percent(value)
    if name.endswith("_bytes"):
        return f"{value / 1e6:.3g}"
    return f"{value:.1e}" if name == "gradient_error" else f"{value:.2f}"


def write_numbers(folder: Path, results: list[Result], record: dict[str, Any]) -> None:
    """`bench.json`: everything. `bench.csv`: a line for each contestant and case."""
    cases = [{**result._asdict(), "rows": [asdict(row) for row in result.rows]} for result in results]
    write_atomically(folder / "bench.json", json.dumps(record | {"cases": cases}, indent=2) + "\n")
    table = io.StringIO()
    flat = [column.name for column in fields(Row) if column.default_factory is MISSING]
    writer = csv.DictWriter(table, ["axis", "value", *flat], extrasaction="ignore")
    writer.writeheader()
    for result in results:
        writer.writerows({"axis": result.axis, "value": result.value, **asdict(row)} for row in result.rows)
    write_atomically(folder / "bench.csv", table.getvalue())


def write_page(folder: Path, results: list[Result], baseline: str, record: dict[str, Any]) -> None:
    """`bench.png`, and `bench.html`, which has the figure, all rows, notes and settings in one file."""
    image = None
    try:
        from snn_zo.bench.figure import draw
    except ModuleNotFoundError:
        print("no figure: matplotlib is not installed (pip install 'snn_zo[plots]')")
    else:
        image = write_png(folder / "bench.png", draw(results))
    columns = [title for title, _ in _columns(baseline)]
    page = render(
        Path(__file__).with_name("page.html"),
        results=results,
        columns=columns,
        cells=cells,
        image=image,
        record=record,
        dump=lambda value: json.dumps(value, indent=2),
    )
    write_atomically(folder / "bench.html", page)
    print(f"everything in  {folder}")
