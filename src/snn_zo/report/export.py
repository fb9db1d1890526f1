"""The comparison for other programs: a CSV file of the runs, and one of the variants."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping

from snn_zo.report.comparison import Comparison
from snn_zo.report.variants import COSTS, RESULTS
from snn_zo.untrusted import clean


def runs_csv(comparison: Comparison) -> str:
    """A line a run, failed ones too: what it is, the settings that were varied, and its results."""
    rows = []
    for variant in comparison.variants:
        for run in variant.runs:
            row: dict[str, object] = {"data": run.data, "variant": variant.label, "method": run.method}
            row |= {"metric": variant.headline and variant.headline.name, "seed": run.seed, "status": run.status}
            row |= {name: run.settings.get(name) for name in comparison.swept}
            row |= {name: getattr(run, name) for name in (*RESULTS, *COSTS, "dead", "reason", "study", "name")}
            rows.append(row | {"path": clean(str(run.path)), "problems": "; ".join(run.problems)})
    return _csv(rows)


def summary_csv(comparison: Comparison) -> str:
    """A line a variant: numbers of runs, and of each quantity mean, 95 % interval and number of runs behind it."""
    rows = []
    for variant in comparison.variants:
        row: dict[str, object] = {"data": variant.data, "variant": variant.label, "method": variant.method}
        row |= {"metric": variant.headline and variant.headline.name}
        row |= {name: variant.settings.get(name) for name in comparison.swept}
        row |= {"runs": len(variant.runs), "completed": len(variant.done), "failed": len(variant.failed)}
        row |= {"unfinished": len(variant.unfinished), "dead": variant.dead}
        for name in (*RESULTS, *COSTS):
            mean, low, high, n = variant.estimate(name) or (None, None, None, 0)
            row |= {name: mean, f"{name} low": low, f"{name} high": high, f"{name} n": n}
        baseline = comparison.baseline_of(variant)
        rows.append(row | {"speed-up": comparison.speed_up(variant), "baseline": baseline.label if baseline else None})
    return _csv(rows)


def _csv(rows: Iterable[Mapping[str, object]]) -> str:
    rows = list(rows)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([_cell(name) for name in rows[0]] if rows else [])
    writer.writerows([_cell(value) for value in row.values()] for row in rows)
    return buffer.getvalue()


def _cell(value: object) -> object:
    """A value as it is, but text that a spreadsheet would take for a formula."""
    if isinstance(value, tuple):
        value = list(value)
    return f"'{value}" if isinstance(value, str) and re.match(r"\s*[=+\-@]", value) else value
