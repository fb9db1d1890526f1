"""The comparison for other programs: a CSV file of the runs, one of the variants, and a LaTeX table."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping

from snn_zo.headline import Headline
from snn_zo.report.comparison import Comparison
from snn_zo.report.score import title_of
from snn_zo.report.table import cells
from snn_zo.report.variants import COSTS, RESULTS
from snn_zo.untrusted import clean

COST_HEADER = (r"Active [\%]", r"Spikes [\%]", r"Energy [\% of dense]", "Energy [J]", "Epoch [s]", "Speed-up")
ESCAPES = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "…": r"\ldots{}",
    "\N{REPLACEMENT CHARACTER}": "?",
}


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


def latex(comparison: Comparison) -> str:
    """A table for each data set, with intervals; needs the package booktabs."""
    lines = [f"% \\usepackage{{booktabs}}; {comparison.titles}: mean [95 % bootstrap interval over seeds]"]
    for data in comparison.data:
        header = ("Method", "Runs", _latex_heading(comparison.headline_of(data)), *COST_HEADER)
        lines += [
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{escape_latex(data)}}}",
            rf"  \begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
            r"    \toprule",
            rf"    {' & '.join(header)} \\",
            r"    \midrule",
        ]
        for variant in comparison.of(data):
            row = [variant.label, f"{len(variant.done)}/{len(variant.runs)}", *cells(comparison, variant)]
            # a row that begins with [ would be read as an argument of the line break before it
            lines.append(rf"    {{}}{' & '.join(map(escape_latex, row))} \\")
        lines += [r"    \bottomrule", r"  \end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def _latex_heading(headline: Headline | None) -> str:
    unit = f" [{escape_latex(headline.unit)}]" if headline and headline.unit else ""
    return f"Test {escape_latex(title_of(headline))}{unit}"


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(ESCAPES.get(character, character) for character in text)


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
