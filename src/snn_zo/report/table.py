"""The comparison in the terminal: a table for each data set, and what went wrong."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from snn_zo.headline import Headline
from snn_zo.report.comparison import Comparison
from snn_zo.report.interval import Estimate
from snn_zo.report.score import bare, heading_of
from snn_zo.report.variants import Variant
from snn_zo.untrusted import clean

PIPE_WIDTH = 120
"""Columns of a table that goes to a file or to another program, which have no width of their own."""
SHOWN = 20
"""Lines of a list, after which the rest is only counted."""

COSTS = ("active\n%", "spikes\n%", "energy\n% dense", "energy\nJ", "s /\nepoch", "speed-\nup", "dead")
NOTE = (
    "runs: completed / all; {}: mean of completed runs, dead ones too, [95 % interval over seeds]; "
    "the rest: of runs that are not dead; energy: modelled, of the whole "
    "training; speed-up: median time of an epoch of the dense surrogate on the same hardware over own"
)


def print_comparison(comparison: Comparison, console: Console | None = None) -> None:
    """Print what was compared, which runs failed and why, which are unfinished, and what could not be read."""
    console = console or Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    for data in comparison.data:
        console.print(_table(comparison, data))
    console.print(NOTE.format(comparison.titles), markup=False, style="dim", highlight=False)
    failed = [
        f"{variant.label}, seed {run.seed}: {run.reason or 'no reason given'}; {run.folder.log}"
        for variant in comparison.variants
        for run in variant.failed
    ]
    _print_list(console, "failed", failed, "red")
    unfinished = Counter(run.status for variant in comparison.variants for run in variant.unfinished)
    if unfinished:
        console.print(f"unfinished: {', '.join(f'{n} {status}' for status, n in unfinished.items())}", highlight=False)
    notes = [f"{run.path}: {'; '.join(run.problems)}" for run in comparison.runs if run.problems]
    _print_list(console, "note", notes, "yellow")


def score_text(headline: Headline | None, found: Estimate | None) -> str:
    """Without its unit, with its interval where there is one."""
    if found is None:
        return "-"
    mean = bare(headline, found.mean)
    if found.low is None or found.high is None:
        return mean
    return f"{mean} [{bare(headline, found.low)}, {bare(headline, found.high)}]"


def cells(comparison: Comparison, variant: Variant) -> list[str]:
    """Of a variant's row, from the score to the speed-up."""
    shares = dict.fromkeys(("active", "spike_rate", "energy_ratio"), 100.0)
    means = [
        f"{scale * found.mean:.3g}" if (found := variant.estimate(name)) else "-"
        for name, scale in (shares | {"joules": 1.0, "epoch_s": 1.0}).items()
    ]
    speed_up = comparison.speed_up(variant)
    score = score_text(variant.headline, variant.estimate("score"))
    return [score, *means, "-" if speed_up is None else f"{speed_up:.2f}"]


def _table(comparison: Comparison, data: str) -> Table:
    variants = comparison.of(data)
    failed, unfinished = any(v.failed for v in variants), any(v.unfinished for v in variants)
    table = Table(title=Text(data), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=0)
    table.add_column("method", overflow="fold", min_width=16)
    score = f"test\n{heading_of(comparison.headline_of(data))}"
    for name in ("runs", score, *COSTS, *["failed"] * failed, *["not\ndone"] * unfinished):
        table.add_column(Text(name), justify="right", no_wrap=True)
    for variant in variants:
        counts = [variant.dead] + [len(variant.failed)] * failed + [len(variant.unfinished)] * unfinished
        row = [f"{len(variant.done)}/{len(variant.runs)}", *cells(comparison, variant), *map(str, counts)]
        table.add_row(Text(variant.label), *row)
    return table


def _print_list(console: Console, kind: str, lines: Sequence[str], style: str) -> None:
    for line in lines[:SHOWN]:
        console.print(Text.assemble((f"{kind}: ", style), clean(line)), soft_wrap=True)
    if len(lines) > SHOWN:
        console.print(f"{kind}: {len(lines) - SHOWN} more", style=style)
