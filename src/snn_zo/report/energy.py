"""Energy of runs by phase, `python -m snn_zo.report.energy [--patterns] [--target A] [--figure FILE] FOLDER ...`."""

from __future__ import annotations

import argparse
import csv
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from snn_zo.exits import require_printed
from snn_zo.headline import Headline
from snn_zo.quantity import joules, percent
from snn_zo.report.result import PHASES
from snn_zo.report.runs import read_runs
from snn_zo.report.score import headline_of, is_share, scored, title_of, value_of
from snn_zo.screen import keep_open
from snn_zo.untrusted import at

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def main() -> None:
    """Print the table, and write the stacked bars if a file is named."""
    parser = argparse.ArgumentParser(prog="python -m snn_zo.report.energy", description="energy of runs by phase")
    parser.add_argument("folders", nargs="+", type=Path, help="run folders, or folders of run folders")
    parser.add_argument("--target", default="0.8", help="validation score that callbacks.energy.targets lists")
    parser.add_argument("--patterns", action="store_true", help="also by computation pattern and memory level")
    parser.add_argument("--figure", type=Path, help="write stacked bars to this file")
    arguments = parser.parse_args()
    try:
        runs = [run for run in read_runs(arguments.folders) if run.joules is not None]
    except FileNotFoundError as error:
        sys.exit(f"error: {error}")
    if not runs:
        sys.exit("error: none of these runs has modelled energy")
    console = Console(width=None if sys.stdout.isatty() else 200, markup=False)
    summaries = [{**run.summary, "method": run.method} for run in runs]  # as text that a terminal can show
    if arguments.figure:  # before the tables, whose reader may have seen enough
        stacked_bars(summaries).savefig(arguments.figure, dpi=110)
    for headline in dict.fromkeys(map(headline_of, summaries)):
        alike = [summary for summary in summaries if headline_of(summary) == headline]
        console.print(energy_table(alike, f"{float(arguments.target):g}"))
    for path in [run.folder.energy for run in runs if arguments.patterns]:
        if path.exists():
            console.print(pattern_table(path))
    if arguments.figure:
        print(arguments.figure)


def energy_table(runs: list[dict[str, Any]], target: str) -> Table:
    """A row a run of those judged by one metric, and one for full backpropagation of the first of them."""
    table, headline = Table(), headline_of(runs[0])
    score, to = f"test {title_of(headline)}", f"to {_scored(headline, float(target))}"
    for column in ("method", "epochs", score, to, *PHASES, "total", "of dense"):
        table.add_column(column.replace("_", " "), justify="left" if column == "method" else "right")
    table.add_column("measured", justify="right")
    for run in runs:
        energy, modelled = run["energy"], run["energy"]["modelled"]
        reached = energy["to_reach"].get(target)
        cells = [
            str(run["epochs"]), _scored(headline, value_of(headline, at(run, "headline", "value"))),
            f"{joules(reached['joules'])}, epoch {reached['epoch'] + 1}" if reached else "not reached",
            *(joules(modelled[name]) for name in (*PHASES, "total")), percent(modelled["ratio"]),
        ]  # fmt: skip
        measured = energy["measured"]
        table.add_row(run["method"], *cells, measured if isinstance(measured, str) else joules(measured))
    first = runs[0]
    dense = [joules(first["energy"]["dense"][name]) for name in (*PHASES, "total")]
    table.add_row("dense products", str(first["epochs"]), "", "", *dense, percent(1.0), "")
    return table


def _scored(headline: Headline | None, value: float | None) -> str:
    return percent(value) if is_share(headline) else scored(headline, value)


def pattern_table(path: Path) -> Table:
    """J of a run's energy.csv by computation pattern, summed over layers: of its operations, and of each memory."""
    totals: defaultdict[tuple[str, str], defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            for name, value in row.items():
                if name.endswith(" J"):
                    totals[row["phase"], row["pattern"]][name.removesuffix(" J")] += float(value)
    columns = list(next(iter(totals.values())))
    table = Table(title=str(path.parent), title_justify="left")
    for column in ("phase", "computation pattern", *columns):
        table.add_column(column, justify="left" if column in ("phase", "computation pattern") else "right")
    for line, values in totals.items():
        table.add_row(*line, *(joules(values[column]) for column in columns))
    return table


def stacked_bars(runs: list[dict[str, Any]]) -> Figure:
    """By phase, a bar a run and one for full backpropagation: shares of the operations, and J an epoch with memory."""
    from matplotlib import pyplot

    bars = {run["method"]: (run["energy"]["modelled"], run["epochs"]) for run in runs}
    bars["dense products"] = (runs[0]["energy"]["dense"], runs[0]["epochs"])
    operations, whole = (
        {name: {phase: energy[phase] / epochs for phase in phases} for name, (energy, epochs) in bars.items()}
        for phases in (PHASES[:-1], PHASES)
    )
    shares = {name: {phase: j / sum(part.values()) for phase, j in part.items()} for name, part in operations.items()}
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 3.4), layout="constrained", sharey=True)
    _stack(left, shares, {name: sum(part.values()) for name, part in operations.items()})
    _stack(right, whole, {name: sum(part.values()) for name, part in whole.items()})
    left.set_xlabel("share of the operations' energy")
    right.set_xlabel(f"J an epoch, {runs[0]['energy']['modelled']['table']}")
    left.invert_yaxis()
    right.legend(fontsize=8)
    return figure


def _stack(axis: Axes, bars: dict[str, dict[str, float]], joules_at_end: dict[str, float]) -> None:
    end = dict.fromkeys(bars, 0.0)
    for phase in next(iter(bars.values())):
        values = [bars[name][phase] for name in bars]
        axis.barh(list(bars), values, left=list(end.values()), label=phase.replace("_", " "))
        end = {name: end[name] + bars[name][phase] for name in bars}
    for name, value in joules_at_end.items():
        axis.annotate(joules(value), (end[name], name), xytext=(3, 0), textcoords="offset points", va="center")
    axis.margins(x=0.15)


if __name__ == "__main__":
    keep_open()
    main()
    require_printed()
