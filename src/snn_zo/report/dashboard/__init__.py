"""A comparison as one HTML file that needs no network: figures, tables, commands, downloads."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from snn_zo.atomic import write_atomically
from snn_zo.page import render
from snn_zo.report.comparison import Comparison
from snn_zo.report.dashboard import findings, provenance, score
from snn_zo.report.dashboard.bundle import bundled
from snn_zo.report.dashboard.payload import embedded, payload
from snn_zo.report.dashboard.run_page import write_run_page
from snn_zo.report.dashboard.swept import MOST, answers, swept
from snn_zo.report.dashboard.tables import link, of_test_set, pairs_table, runs_table, variants_table
from snn_zo.report.export import runs_csv, summary_csv
from snn_zo.report.latex import latex
from snn_zo.report.pairs import FEWEST, MANY
from snn_zo.report.runs import UNKNOWN, Run
from snn_zo.report.score import title_of
from snn_zo.report.variants import Variant
from snn_zo.runs.status import Status

HERE = Path(__file__).parent
DOWNLOADS = {"runs.csv": runs_csv, "summary.csv": summary_csv, "comparison.tex": latex}
TRACEBACKS = 2_000_000
"""Characters of all tracebacks together; of each the end is kept."""


@dataclass
class Trouble:
    """A run that failed or was stopped, or that could not be read in full."""

    anchor: str
    name: str
    variant: str
    href: str
    status: str
    reason: str
    traceback: str
    problems: tuple[str, ...]


class SweptSettings(NamedTuple):
    """How many there are in one data set, and at which value the activity is the one that is asked for."""

    total: int
    answers: list[str]


def write_dashboard(comparison: Comparison, path: Path) -> None:
    """Write the dashboard of a comparison; that of a single run is the run's own page.

    The page runs no script but its own and asks nothing of the network: its policy names the hashes of its scripts,
    and everything that comes from a run folder is text in it.

    Args:
        comparison: runs and variants, of one or several data sets.
        path: the file; links to the run folders are relative to it.

    Raises:
        OSError: it could not be written.
    """
    if len(comparison.runs) == 1:
        write_run_page(comparison.runs[0], path)
        return
    from plotly.offline import get_plotlyjs

    files = {name: text(comparison) for name, text in DOWNLOADS.items()}
    scripts = [get_plotlyjs(), bundled(HERE / "scripts" / "page.mjs")]
    ranked = _ranked(comparison)
    page = render(
        HERE / "page.html",
        **_content(comparison, ranked, path),
        own_style=Markup((HERE / "dashboard.css").read_text()),
        report=embedded(payload(comparison, ranked, files)),
        downloads=list(files),
        scripts=[Markup(script) for script in scripts],
        policy=_policy(scripts),
        most_swept=MOST,
    )
    write_atomically(path, page.encode(errors="replace"))


def _policy(scripts: Sequence[str]) -> str:
    """Content security policy. Plotly writes styles into its elements, and draws pictures to save from blobs."""
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _ranked(comparison: Comparison) -> list[Variant]:
    """Variants by data set, the best first, those without a completed run last."""

    return sorted(comparison.variants, key=lambda variant: (comparison.data.index(variant.data), variant.order))


def _sections(title: str, confusions: bool) -> dict[str, str]:
    """Headings by anchor; one has the title of the headline metric in it."""
    sections = {
        "result": "Result",
        "learning": "Learning curves",
        "cost": f"{title[:1].upper()}{title[1:]} and cost",
        "energy-time": "Energy and time",
        "activity": "Activity while training",
        "settings": "Settings and results",
        "confusions": "Confusion matrices",
        "paired": "Paired comparisons",
        "all-runs": "Runs",
        "made-by": "Commands and versions",
    }
    return sections if confusions else {name: title for name, title in sections.items() if name != "confusions"}


def _content(comparison: Comparison, ranked: Sequence[Variant], path: Path) -> dict[str, object]:
    runs, known = comparison.runs, [data for data in comparison.data if data != UNKNOWN]
    labels = {run.path: variant.label for variant in ranked for run in variant.runs}
    ordered = [run for variant in ranked for run in variant.runs]
    pairs, troubles = comparison.pairs(), _troubles(ordered, labels, path)
    headlines = {data: comparison.headline_of(data) for data in comparison.data}
    common = score.common(headlines.values())
    return {
        "title": " on ".join(filter(None, ["Spike gradients compared", _and(known)])),
        "made": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        "total": len(runs),
        "studies": _and(list(dict.fromkeys(run.study for run in runs))),
        "going_on": sum(run.status in (Status.RUNNING, Status.QUEUED) for run in runs),
        "sections": _sections(title_of(common), any(run.confusion for run in runs)),
        "score": title_of(common),
        "words": score.words(common),
        "table_words": [score.words(headline) for headline in headlines.values()],
        "findings": findings.findings(comparison, ranked),
        "compared": _compared(comparison),
        "swept": _swept(comparison, ranked),
        "counts": findings.counts(runs),
        "datasets": comparison.data,
        "variants": [
            variants_table(comparison, [v for v in ranked if v.data == data], f"variants-{i}")
            for i, data in enumerate(comparison.data)
        ],
        "test_sets": [of_test_set(comparison, data) for data in comparison.data],
        "runs": runs_table(ranked, headlines, path, {place: trouble.anchor for place, trouble in troubles.items()}),
        "methods": sorted({run.method for run in runs}),
        "pairs": pairs_table(pairs, headlines) if pairs else None,
        "fewest": FEWEST,
        "all_pairs": all(len(comparison.of(data)) <= MANY for data in comparison.data),
        "troubles": list(troubles.values()),
        "facts": provenance.facts(runs),
        "commands": provenance.commands(ordered),
        "single_commands": provenance.single_commands(ordered),
    }


def _swept(comparison: Comparison, ranked: Sequence[Variant]) -> SweptSettings:
    """What there is to say of the settings that were swept."""
    found = {data: swept([variant for variant in ranked if variant.data == data]) for data in comparison.data}
    several = len(comparison.data) > 1
    answered = {data: answers(settings) for data, settings in found.items()}
    return SweptSettings(
        total=max(map(len, found.values()), default=0),
        answers=[f"{data}: {line}" if several else line for data, lines in answered.items() for line in lines],
    )


def _compared(comparison: Comparison) -> str:
    seeds = sorted({run.seed for run in comparison.runs if run.seed is not None})
    methods = sorted({variant.method for variant in comparison.variants})
    shown = _and([str(seed) for seed in seeds]) if len(seeds) <= 8 else f"{seeds[0]} to {seeds[-1]} ({len(seeds)})"
    variants = _several(len(comparison.variants), "variant")
    return f"Compared: {_and(methods)}; {variants} in all; seeds {shown or 'unknown'}."


def _troubles(runs: Sequence[Run], labels: dict[Path, str], path: Path) -> dict[Path, Trouble]:
    told = [run for run in runs if run.status in (Status.FAILED, Status.INTERRUPTED) or run.reason or run.problems]
    longest = TRACEBACKS // max(len(told), 1)
    return {
        run.path: Trouble(
            f"trouble-{i}",
            run.name,
            labels[run.path],
            link(run, path),
            run.status,
            run.reason or "",
            (run.traceback or "")[-longest:],
            run.problems,
        )
        for i, run in enumerate(told)
    }


def _several(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
