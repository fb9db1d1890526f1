"""The figure of a benchmark; loads matplotlib."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from snn_zo.bench.result import Result, Row
from snn_zo.bench.settings import FRACTIONS
from snn_zo.quantity import percent


def draw(results: list[Result]) -> Figure:
    """Of a sweep: time and memory along each axis. Of single cases: a bar a contestant."""
    axes = list(dict.fromkeys(result.axis for result in results))
    if axes in ([None], ["variant"]):
        timed = [[row for row in result.rows if row.step_ms is not None] for result in results]
        figure = Figure(figsize=(11, sum(1.5 + 0.4 * len(rows) for rows in timed)), layout="constrained")
        grid = figure.subplots(len(results), 2, sharey="row", squeeze=False)
        for (left, right), rows, result in zip(grid, timed, results, strict=True):
            _bars(left, rows, ("forward_ms", "backward_ms", "optimizer_ms"), 1, "time of a step (ms)")
            _bars(right, rows, ("saved_bytes", "peak_bytes"), 1e-6, "memory (MB)")
            left.set_title(str(result.value or ""), loc="left")
            left.invert_yaxis()
        return figure
    figure = Figure(figsize=(4 * len(axes), 7), layout="constrained")
    grid = figure.subplots(2, len(axes), squeeze=False)
    for column, axis in enumerate(axes):
        cases = [result for result in results if result.axis == axis]
        _lines(grid[0, column], cases, "step_ms", 1)
        _lines(grid[1, column], cases, "peak_bytes", 1e-6)
        grid[1, column].set_xlabel("active fraction" if axis == "active" else axis)
    grid[0, 0].set_ylabel("time of a step (ms)")
    grid[1, 0].set_ylabel("peak memory of a step (MB)")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=6)
    return figure


def _bars(axes: Axes, rows: list[Row], names: tuple[str, ...], unit: float, title: str) -> None:
    """Phases end to end; kinds of memory side by side."""
    stacked, place = names[0] == "forward_ms", list(range(len(rows)))
    left = [0.0] * len(rows)
    for i, name in enumerate(names):
        values = [unit * (getattr(row, name) or 0.0) for row in rows]
        height = 0.8 if stacked else 0.8 / len(names)
        where = place if stacked else [y - 0.2 + 0.4 * i for y in place]
        axes.barh(where, values, height, left=left if stacked else None, label=name.rpartition("_")[0])
        left = [a + b for a, b in zip(left, values, strict=True)]
    if stacked:
        whole = [0.0 if row.forward_ms is not None else row.step_ms or 0.0 for row in rows]
        axes.barh(place, whole, 0.8, color="tab:gray", label="whole step" if any(whole) else None)
    labels = [f"{row.contestant}\n{percent(row.active)} active" for row in rows]
    axes.set_yticks(place, labels, fontsize=8)
    axes.set_xlabel(title)
    axes.legend(fontsize=8)


def _lines(axes: Axes, cases: list[Result], name: str, unit: float) -> None:
    """Measured value of each contestant along an axis."""
    drawn = False
    for contestant in dict.fromkeys(row.contestant for result in cases for row in result.rows):
        points = [
            (float(result.value or 0), unit * getattr(row, name))
            for result in cases
            for row in result.rows
            if row.contestant == contestant and getattr(row, name) is not None
        ]
        drawn = drawn or bool(points)
        axes.plot([x for x, _ in points], [y for _, y in points], "o-", ms=4, lw=1, label=contestant)
    values = [float(result.value or 0) for result in cases]
    axes.set_xscale("log")
    if drawn:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.set_xticks(values, [percent(x) if cases[0].axis in FRACTIONS else f"{x:g}" for x in values], rotation=45)
