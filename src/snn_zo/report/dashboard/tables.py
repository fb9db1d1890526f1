"""Tables of the dashboard: text for the reader, and what a column is sorted by."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from snn_zo.quantity import decimal, joules, percent
from snn_zo.report.bootstrap import Estimate
from snn_zo.report.comparison import Comparison, Pair
from snn_zo.report.runs import Run
from snn_zo.report.variants import Variant

MISSING = "\N{EN DASH}"


@dataclass
class Column:
    """A heading; `word` for text, which is read from the left; `about` says more."""

    title: str
    about: str = ""
    word: bool = False


@dataclass
class Cell:
    """What is shown, what it is sorted by (nothing: last), where it leads, and a mark behind it."""

    text: str
    sort: str = ""
    href: str | None = None
    tag: str | None = None


@dataclass
class Row:
    """Cells, and what the page filters by."""

    cells: list[Cell]
    marks: dict[str, str] = field(default_factory=dict)


@dataclass
class Table:
    """Columns and rows; `id` is the element's."""

    id: str
    columns: list[Column]
    rows: list[Row]


def link(run: Run, page: Path) -> str:
    """From the page to a run's folder, relative where both are on one drive; never a scheme other than file."""
    try:
        # "./" before a name that looks like a scheme
        return "./" + quote(Path(os.path.relpath(run.path.resolve(), page.parent.resolve())).as_posix()) + "/"
    except ValueError:
        return run.path.resolve().as_uri() + "/"


def variants_table(comparison: Comparison, variants: Sequence[Variant], table_id: str) -> Table:
    """A row for each variant of a data set."""
    columns = [
        Column("variant", "method, and the settings by which it differs from other variants of the method", word=True),
        Column("runs", "completed of all"),
        Column("test accuracy", "mean over the completed runs, dead ones among them"),
        Column("95 % interval", "bootstrap over seeds"),
        Column("active", "share of elements with g ≠ 0 in the last epoch"),
        Column("spike rate"),
        Column("energy ratio", "modelled, of dense products"),
        Column("energy", "modelled, of the training"),
        Column("s / epoch", "training without validation"),
        Column("speed-up", "against the dense surrogate on the same hardware; none of dead runs"),
        Column("dead", "completed runs in which a layer had no spike or no active neuron in the last epoch"),
        Column("failed"),
        Column("unfinished", "running, queued or interrupted"),
    ]
    rows = [Row(_variant_cells(comparison, variant)) for variant in variants]
    return Table(table_id, columns, rows)


def _variant_cells(comparison: Comparison, variant: Variant) -> list[Cell]:
    accuracy = variant.estimate("accuracy")
    counts = (variant.dead, len(variant.failed), len(variant.unfinished))
    return [
        Cell(variant.label, variant.label),
        Cell(f"{len(variant.done)} of {len(variant.runs)}", str(len(variant.done))),
        _cell(accuracy, decimal),
        Cell(interval(accuracy), "" if accuracy is None or accuracy.low is None else f"{accuracy.low:.9g}"),
        _cell(variant.estimate("active"), percent),
        _cell(variant.estimate("spike_rate"), percent),
        _cell(variant.estimate("energy_ratio"), percent),
        _cell(variant.estimate("joules"), joules),
        _cell(variant.estimate("epoch_s"), "{:.3g}".format),
        _cell(comparison.speed_up(variant), "{:.3g} \N{MULTIPLICATION SIGN}".format),
        *(Cell(str(count) if count else MISSING, str(count)) for count in counts),
    ]


def runs_table(runs: Sequence[Run], labels: dict[Path, str], page: Path, trouble: dict[Path, str]) -> Table:
    """A row for each run; `trouble` has the anchors of those that the page says more about."""
    columns = [
        Column("run", word=True),
        Column("variant", word=True),
        Column("data", word=True),
        Column("seed"),
        Column("state", word=True),
        Column("test accuracy"),
        Column("validation", "best so far"),
        Column("active"),
        Column("spike rate"),
        Column("energy ratio"),
        Column("energy", "modelled, of the training"),
        Column("epochs"),
        Column("s / epoch"),
    ]
    rows = [Row(_run_cells(run, labels[run.path], page, trouble.get(run.path)), _marks(run)) for run in runs]
    return Table("runs", columns, rows)


def _marks(run: Run) -> dict[str, str]:
    return {"method": run.method, "status": run.status, "dead": "yes" if run.dead else "no"}


def _run_cells(run: Run, label: str, page: Path, trouble: str | None) -> list[Cell]:
    return [
        Cell(run.name, run.name, link(run, page)),
        Cell(label, label),
        Cell(run.data, run.data),
        _cell(run.seed, str),
        _state(run, trouble),
        _cell(run.accuracy, decimal),
        _cell(run.val_accuracy, decimal),
        _cell(run.active, percent),
        _cell(run.spike_rate, percent),
        _cell(run.energy_ratio, percent),
        _cell(run.joules, joules),
        _cell(run.epochs, str),
        _cell(run.epoch_s, "{:.3g}".format),
    ]


def _state(run: Run, trouble: str | None) -> Cell:
    """Failed and dead runs are marked, and what there is to say of a run is linked."""
    tag = "failed" if run.status == "failed" else "dead" if run.dead else None
    return Cell("" if tag == run.status else run.status, run.status, trouble and f"#{trouble}", tag)


def pairs_table(pairs: Sequence[Pair]) -> Table:
    """A row for each pair of variants."""
    columns = [
        Column("variant", word=True),
        Column("against", word=True),
        Column("difference", "of test accuracy, in points, over common seeds"),
        Column("95 % interval", "bootstrap over the pairs"),
        Column("P(improvement)", "share of pairs in which the first is better, ties half"),
        Column("95 % interval", "bootstrap over the pairs"),
        Column("pairs", "seeds that both have"),
    ]
    rows = [
        Row(
            [
                Cell(pair.a.label, pair.a.label),
                Cell(pair.b.label, pair.b.label),
                _cell(pair.difference, points),
                Cell(interval(pair.difference, points), _sort(pair.difference.low)),
                _cell(pair.improvement, "{:.2f}".format),
                Cell(interval(pair.improvement, "{:.2f}".format), _sort(pair.improvement.low)),
                Cell(str(pair.n), str(pair.n)),
            ]
        )
        for pair in pairs
    ]
    return Table("pairs-table", columns, rows)


def points(value: float) -> str:
    """A difference of fractions, in percentage points."""
    rounded = round(100 * value, 2) + 0.0  # no negative zero
    return f"{rounded:+.2f}".replace("-", "\N{MINUS SIGN}")


def interval(estimate: Estimate | None, shown: Callable[[float], str] = decimal) -> str:
    """Both ends; a dash where one seed leaves none."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return MISSING
    return f"{shown(estimate.low).removesuffix(' %')} to {shown(estimate.high)}"


def _sort(value: float | None) -> str:
    return "" if value is None else f"{value:.9g}"


def _cell(value: Estimate | float | None, shown: Callable[[Any], str]) -> Cell:
    mean = value.mean if isinstance(value, Estimate) else value
    return Cell(MISSING) if mean is None else Cell(shown(mean), _sort(mean))
