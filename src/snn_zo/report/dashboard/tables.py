"""Tables of the dashboard: text for the reader, and what a column is sorted by."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import quote

from snn_zo.headline import Headline
from snn_zo.quantity import joules, percent
from snn_zo.report.comparison import Comparison
from snn_zo.report.dashboard import score
from snn_zo.report.interval import Estimate, wilson
from snn_zo.report.pairs import FEWEST, Pair
from snn_zo.report.runs import Run
from snn_zo.report.score import is_share, scored, sign_of, title_of
from snn_zo.report.variants import Variant
from snn_zo.runs.status import Status

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
class TableRow:
    """Cells, and what the page filters by."""

    cells: list[Cell]
    marks: dict[str, str] = field(default_factory=dict)


@dataclass
class Table:
    """Columns and rows; `id` is the element's."""

    id: str
    columns: list[Column]
    rows: list[TableRow]


def link(run: Run, page: Path) -> str:
    """From the page to a run's folder, relative where both are on one drive; never a scheme other than file."""
    try:
        # "./" before a name that looks like a scheme
        return "./" + quote(Path(os.path.relpath(run.path.resolve(), page.parent.resolve())).as_posix()) + "/"
    except ValueError:
        return run.path.resolve().as_uri() + "/"


def variants_table(comparison: Comparison, variants: Sequence[Variant], table_id: str) -> Table:
    """A row for each variant of a data set."""
    headline = next((variant.headline for variant in variants), None)
    columns = [
        Column("variant", "method, and the settings by which it differs from other variants of the method", word=True),
        Column("runs", "completed of all"),
        Column(
            f"test {title_of(headline)}",
            f"mean over the completed runs, dead ones among them{_less_is_better(headline)}",
        ),
        Column("95 % interval", "over seeds"),
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
    rows = [TableRow(_variant_cells(comparison, variant, headline)) for variant in variants]
    return Table(table_id, columns, rows)


def _variant_cells(comparison: Comparison, variant: Variant, headline: Headline | None) -> list[Cell]:
    found = variant.estimate("score")
    shown = partial(scored, headline)
    counts = (variant.dead, len(variant.failed), len(variant.unfinished))
    return [
        Cell(variant.label, variant.label),
        Cell(f"{len(variant.done)} of {len(variant.runs)}", str(len(variant.done))),
        _cell(found, shown),
        Cell(interval(found, shown), _sort(found and found.low)),
        _cell(variant.estimate("active"), percent),
        _cell(variant.estimate("spike_rate"), percent),
        _cell(variant.estimate("energy_ratio"), percent),
        _cell(variant.estimate("joules"), joules),
        _cell(variant.estimate("epoch_s"), "{:.3g}".format),
        _cell(comparison.speed_up(variant), "{:.3g} \N{MULTIPLICATION SIGN}".format),
        *(Cell(str(count) if count else MISSING, str(count)) for count in counts),
    ]


def of_test_set(comparison: Comparison, data: str) -> str:
    """How well a test set of its size knows one share of the best variant's (Wilson 1927); nothing of other scores."""
    headline, size = comparison.headline_of(data), comparison.test_recordings(data)
    shares = [found.mean for variant in comparison.of(data) if (found := variant.estimate("score"))]
    if not is_share(headline) or not size or not shares:
        return ""
    share = max(shares) if sign_of(headline) > 0 else min(shares)
    low, high = wilson(share * size, size)
    recordings = f"{size:,} recording{'s' if size > 1 else ''}"
    return (
        f"The test set has {recordings}: that alone leaves one {title_of(headline)} of "
        f"{scored(headline, share)} uncertain by ±{50 * (high - low):.2g} points."
    )


def runs_table(
    variants: Sequence[Variant], headlines: Mapping[str, Headline | None], page: Path, trouble: Mapping[Path, str]
) -> Table:
    """A row for each run.

    Args:
        variants: whose runs they are.
        headlines: by data set.
        page: that links start from.
        trouble: anchors of the runs that the page says more about.
    """
    of_all = score.common(headlines.values())
    of_each = "" if of_all else ", ".join(f"{data}: {title_of(headline)}" for data, headline in headlines.items())
    columns = [
        Column("run", word=True),
        Column("variant", word=True),
        Column("data", word=True),
        Column("seed"),
        Column("state", word=True),
        Column(f"test {title_of(of_all)}", of_each),
        Column("validation", f"best so far{'; ' if of_each else ''}{of_each}"),
        Column("active"),
        Column("spike rate"),
        Column("energy ratio"),
        Column("energy", "modelled, of the training"),
        Column("epochs"),
        Column("s / epoch"),
    ]
    rows = [
        TableRow(_run_cells(run, variant.label, headlines[variant.data], page, trouble.get(run.path)), _marks(run))
        for variant in variants
        for run in variant.runs
    ]
    return Table("runs", columns, rows)


def _marks(run: Run) -> dict[str, str]:
    return {"method": run.method, "status": run.status, "dead": "yes" if run.dead else "no"}


def _run_cells(run: Run, label: str, headline: Headline | None, page: Path, trouble: str | None) -> list[Cell]:
    shown = partial(scored, headline)
    return [
        Cell(run.name, run.name, link(run, page)),
        Cell(label, label),
        Cell(run.data, run.data),
        _cell(run.seed, str),
        _state(run, trouble),
        _cell(run.score, shown),
        _cell(run.val_score, shown),
        _cell(run.active, percent),
        _cell(run.spike_rate, percent),
        _cell(run.energy_ratio, percent),
        _cell(run.joules, joules),
        _cell(run.epochs, str),
        _cell(run.epoch_s, "{:.3g}".format),
    ]


def _state(run: Run, trouble: str | None) -> Cell:
    """Failed and dead runs are marked, and what there is to say of a run is linked."""
    tag = "failed" if run.status is Status.FAILED else "dead" if run.dead else None
    return Cell("" if tag == run.status else run.status, run.status, trouble and f"#{trouble}", tag)


def pairs_table(pairs: Sequence[Pair], headlines: Mapping[str, Headline | None]) -> Table:
    """A row for each pair of variants, with the headlines of their data sets."""
    of_all = score.common(headlines.values())
    in_points = ", in points" if is_share(of_all) else ""
    columns = [
        Column("variant", word=True),
        Column("against", word=True),
        Column("difference", f"of test {title_of(of_all)}{in_points}, over common seeds"),
        Column("over seeds", "95 % interval of the difference, as a sample of all seeds"),
        Column("over seeds and recordings", "95 % interval, as a sample of all seeds and of all test recordings"),
        Column("better on", "common seeds on which the first is better"),
        Column("verdict", f"which is better, from {FEWEST} seeds on; wrong at most 5 times in 100", word=True),
    ]
    rows = [TableRow(_pair_cells(pair, headlines[pair.a.data], with_unit=of_all is None)) for pair in pairs]
    return Table("pairs-table", columns, rows)


def _pair_cells(pair: Pair, headline: Headline | None, with_unit: bool) -> list[Cell]:
    def difference(value: float) -> str:
        return score.difference(headline, value) + (score.unit_of_difference(headline) if with_unit else "")

    ties = f", {pair.ties} equal" if pair.ties else ""
    return [
        Cell(pair.a.label, pair.a.label),
        Cell(pair.b.label, pair.b.label),
        _cell(pair.difference, difference),
        Cell(interval(pair.difference, difference), _sort(pair.difference.low)),
        Cell(interval(pair.on_recordings, difference), _sort(pair.on_recordings and pair.on_recordings.low)),
        Cell(f"{pair.wins} of {pair.n}{ties}", _sort(pair.wins / pair.n)),
        Cell(_verdict(pair), _sort(pair.p)),
    ]


def _verdict(pair: Pair) -> str:
    """What is shown, or what it would take."""
    if pair.better:
        return "better" if pair.better is pair.a else "worse"
    if pair.is_undecidable:
        return "not shown; no predictions.csv for the same recordings"
    open_ = "not shown" if pair.n >= FEWEST else "too few seeds"
    if pair.needed is None:
        return open_
    return f"{open_}; {'test set too small' if math.isinf(pair.needed) else f'about {pair.needed:.0f} would do'}"


def _less_is_better(headline: Headline | None) -> str:
    return "; less is better" if sign_of(headline) < 0 else ""


def interval(estimate: Estimate | None, shown: Callable[[float], str]) -> str:
    """Both ends, the unit once; a dash where one seed leaves none."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return MISSING
    return f"{shown(estimate.low).partition(' ')[0]} to {shown(estimate.high)}"


def _sort(value: float | None) -> str:
    return "" if value is None else f"{value:.9g}"


def _cell(value: Estimate | float | None, shown: Callable[[float], str]) -> Cell:
    mean = value.mean if isinstance(value, Estimate) else value
    return Cell(MISSING) if mean is None else Cell(shown(mean), _sort(mean))
