"""One run as an HTML file of some 45 kB that needs no script: how it learnt, what it came to, and what made it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from snn_zo.atomic import write_atomically
from snn_zo.page import render
from snn_zo.quantity import joules, percent
from snn_zo.report.dashboard import provenance
from snn_zo.report.dashboard.run_page import figures, tables
from snn_zo.report.dashboard.tables import link
from snn_zo.report.interval import wilson
from snn_zo.report.runs import Run
from snn_zo.report.score import is_share, scored, title_of
from snn_zo.runs.status import Status
from snn_zo.untrusted import at, clean, line, positive, read_file, read_text

HERE = Path(__file__).parent
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""Nothing but the page's own style is looked at: no script runs, no request leaves the machine."""
CONFIG = 100_000
"""Characters of a config that are shown."""


LOOK, LOOKS = re.compile(r"(test|val|train)-[0-9]{1,12}(-last)?\.html"), 100
"""Names of the pages of `snn-zo look`, and how many of them are linked to."""


class Sentence(NamedTuple):
    """What the page says at its beginning; `bad` where something went wrong."""

    text: str
    bad: bool = False


def write_run_page(run: Run, path: Path) -> None:
    """Write the page of a run, whatever its state.

    Args:
        run: a run folder, from anybody: all that it holds is text in the page.
        path: the file; links to the run's files are relative to it.

    Raises:
        OSError: it could not be written.
    """
    seed = "" if run.seed is None else f", seed {run.seed}"
    overrides = read_file(run.folder.overrides)
    page = render(
        HERE / "page.html",
        **_figures(run),
        own_style=own_style(),
        policy=POLICY,
        title=f"{run.method} on {run.data}{seed}",
        made=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        run=run,
        sentences=list(_sentences(run)),
        layers=tables.layers(run),
        energy=tables.energy(run),
        prices=run.cost_table,
        measured=_measured(run),
        times=tables.times(run),
        overrides=[clean(str(one)) for one in overrides] if isinstance(overrides, list) else None,
        config=_config(run),
        commands=_commands(run),
        facts=[(fact.name, fact.values[0][0]) for fact in [*_facts(run), *provenance.facts([run])]],
        folder=link(run, path),
        files=[file.name for file in _files(run) if file.is_file()],
        looks=[(page.stem, f"{run.folder.look.name}/{page.name}") for page in _looks(run)],
    )
    write_atomically(path, page.encode(errors="replace"))


def own_style() -> Markup:
    """The style of pages about a run, beside that of all pages."""
    return Markup((HERE.parent / "dashboard.css").read_text() + (HERE / "run.css").read_text())


def _figures(run: Run) -> dict[str, list[figures.Figure]]:
    return {
        "learning": figures.learning(run),
        "activity": figures.activity(run),
        "tested": figures.tested(run),
    }


def _files(run: Run) -> list[Path]:
    folder = run.folder
    measured = (folder.metrics, folder.timing, folder.energy, folder.channels, folder.confusion, folder.predictions)
    return [folder.summary, folder.config, folder.overrides, folder.environment, *measured, folder.log]


def _looks(run: Run) -> list[Path]:
    """The pages of `snn-zo look`, by part and number of the recording."""
    pages = run.folder.look.glob("*.html")
    known = [page for page in pages if LOOK.fullmatch(page.name)]
    return sorted(known, key=lambda page: (page.name.partition("-")[0], len(page.name), page.name))[:LOOKS]


def _sentences(run: Run) -> Iterator[Sentence]:
    if run.status is not Status.COMPLETED:
        why = f": {run.reason}" if run.reason else ""
        yield Sentence(f"This run is {run.status}{why}.", bad=run.status is Status.FAILED)
    if run.score is not None:
        yield Sentence(_score(run))
    elif run.val_score is not None:
        yield Sentence(f"Validation {title_of(run.headline)} so far: {scored(run.headline, run.val_score)}.")
    if run.active is not None and run.spike_rate is not None:
        yield Sentence(
            f"In the last epoch {percent(run.active)} of the elements were active in the backward pass, and "
            f"{percent(run.spike_rate)} spiked."
        )
    if cost := _cost(run):
        yield Sentence(cost)
    if run.dead:
        layers = run.summary.get("dead_layers")
        named = ", ".join(clean(str(name)) for name in layers) if isinstance(layers, list) else ""
        yield Sentence(
            f"Dead in the last epoch, without a spike or without an active neuron: {named or 'a layer'}.", bad=True
        )


def _score(run: Run) -> str:
    """The result of the test, with what the number of recordings leaves open."""
    epoch = positive(at(run.summary, "checkpoint", "epoch"))
    weights = "" if epoch is None else f", with the weights of epoch {epoch + 1:.0f}"
    after = "" if run.epochs is None else f" after {run.epochs} epoch{'s' if run.epochs != 1 else ''}"
    validation = "" if run.val_score is None else f" (validation {scored(run.headline, run.val_score)})"
    said = f"Test {title_of(run.headline)} {scored(run.headline, run.score)}{validation}{after}{weights}."
    total, right = _counts(run)
    if total and run.score is not None and is_share(run.headline) and abs(right / total - run.score) < 1e-6:
        low, high = (percent(end) for end in wilson(right, total))
        said += f" Of {total} test recordings {right} are right: the 95 % interval over recordings is {low} to {high}."
    return said


def _counts(run: Run) -> tuple[int, int]:
    """Test recordings, and how many of them are on the diagonal of the confusion matrix."""
    counts = run.confusion.counts if run.confusion else []
    return sum(map(sum, counts)), sum(row[i] for i, row in enumerate(counts))


def _cost(run: Run) -> str:
    seconds, ratio = positive(run.summary, "timing", "fit_s"), run.energy_ratio
    parts = [] if seconds is None else [f"took {seconds:.3g} s"]
    if run.joules is not None:
        dense = "" if ratio is None else f", {percent(ratio)} of what dense products would take"
        parts.append(f"needed {joules(run.joules)} by the model of its energy{dense}")
    return f"The training {' and '.join(parts)}." if parts else ""


def _measured(run: Run) -> str:
    found = at(run.summary, "energy", "measured")
    amount = positive(found)
    return joules(amount) if amount is not None else line(found) or "not measured"


def _facts(run: Run) -> Iterator[provenance.Fact]:
    """What the summary says of data and network."""
    numbers = {part: positive(run.summary, "data_content", part, "recordings") for part in ("train", "val", "test")}
    if all(numbers.values()):
        told = ", ".join(f"{number:.0f} {part}" for part, number in numbers.items())
        fingerprint = line(at(run.summary, "data_content", "fingerprint"))
        yield provenance.Fact("recordings", [(f"{told}{f' ({fingerprint})' if fingerprint else ''}", 1)])
    if (parameters := positive(run.summary, "parameters")) is not None:
        yield provenance.Fact("trained parameters", [(f"{parameters:,.0f}", 1)])


def _commands(run: Run) -> list[str]:
    """The command that started the run; of a sweep's run that of the sweep, and the one that trains the run alone."""
    made = provenance.commands([run])
    alone = provenance.single_commands([run]) if made.sweeps else []
    return [*(line for _, line in made.sweeps), *(line for line, _ in made.single), *alone]


def _config(run: Run) -> str | None:
    try:
        return clean(read_text(run.folder.config), CONFIG)
    except OSError:
        return None
