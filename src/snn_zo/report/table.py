"""A table of many runs, by method."""

from __future__ import annotations

import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from snn_zo.report.result import percent


def read_summaries(folders: list[Path]) -> list[dict[str, Any]]:
    """The summaries of all runs below these folders.

    Raises:
        FileNotFoundError: a folder holds none.
    """
    summaries = []
    for folder in folders:
        paths = sorted(folder.rglob("summary.json"))
        if not paths:
            raise FileNotFoundError(f"{folder} holds no run (no summary.json below it)")
        summaries += [json.loads(path.read_text()) for path in paths]
    return summaries


def print_table(folders: list[Path]) -> None:
    """Accuracy, activity and time of the completed runs below these folders, one row a method and data set."""
    groups: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for summary in read_summaries(folders):
        groups[summary["data"], summary["method"]].append(summary)
    table = Table()
    for column in (
        "data",
        "method",
        "runs",
        "test accuracy",
        "active",
        "spike rate",
        "s / epoch",
        "dead",
        "not completed",
    ):
        table.add_column(column, justify="left" if column in ("data", "method") else "right")
    for (data, method), runs in groups.items():
        done = [run for run in runs if run["status"] == "completed"]
        table.add_row(data, method, str(len(done)), *_row(done), str(len(runs) - len(done)))
    # a pipe or a file has no width of its own
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _row(done: list[dict[str, Any]]) -> list[str]:
    if not done:
        return ["-"] * 5
    accuracy = [run["metrics"]["test/acc"] for run in done]
    spread = f" ± {100 * statistics.stdev(accuracy):.1f}" if len(done) > 1 else ""
    sparsity = [run["sparsity"] for run in done if run["sparsity"]]
    mean = {
        key: statistics.fmean(fractions[key] for fractions in sparsity) if sparsity else None
        for key in ("active", "spike_rate")
    }
    return [
        f"{100 * statistics.fmean(accuracy):.1f}{spread} %",
        percent(mean["active"]),
        percent(mean["spike_rate"]),
        f"{statistics.median(run['timing']['epoch_s'] for run in done):.2f}",
        str(sum(bool(run["dead"]) for run in done)),
    ]
