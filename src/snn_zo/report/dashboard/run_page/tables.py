"""The tables of a run's page: layers, energy by layer and phase, times."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from snn_zo.quantity import joules, percent
from snn_zo.report.result import PHASES
from snn_zo.report.runs import Run
from snn_zo.untrusted import at, clean, fraction, positive, read_lines

OPERATIONS = " J"
"""How the columns of energy.csv end that are energies; those of the operations begin with `operations`."""
TIMES = {
    "fit_s": ("whole training", "with validations and what is done between epochs"),
    "epoch_s": ("epoch", "median; training without validation"),
    "forward_s": ("forward passes of an epoch", "median; with loss and metrics"),
    "backward_s": ("backward passes of an epoch", "median"),
}
MISSING = "\N{EN DASH}"


@dataclass(frozen=True)
class Table:
    """Headings, and rows that begin with a name."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def layers(run: Run) -> Table | None:
    """Activity of each layer, and of all, in the last epoch; None where nothing measured it."""
    found = at(run.summary, "sparsity", "layers")
    measured = found if isinstance(found, Mapping) else {}
    if not measured and run.active is None:
        return None
    rows = [
        (clean(str(name)), *(_share(values, measure) for measure in ("active", "spike_rate", "silent")))
        for name, values in measured.items()
    ]
    together = run.summary.get("sparsity")
    rows.append(("all", *(_share(together, measure) for measure in ("active", "spike_rate", "silent"))))
    return Table(("layer", "active", "spike rate", "silent neurons"), rows)


def _share(values: object, measure: str) -> str:
    found = fraction(values, measure)
    return MISSING if found is None else percent(found)


def energy(run: Run) -> Table | None:
    """Modelled J by layer and phase; memory accesses are a column of their own, dense products a row.

    None where nothing counted it.
    """
    modelled, dense = (at(run.summary, "energy", kind) for kind in ("modelled", "dense"))
    if positive(modelled, "total") is None:
        return None
    rows = [("all weights" if name == "all" else name, *_joules(bill)) for name, bill in _by_layer(run).items()]
    rows.append(("together", *_joules(modelled)))
    if positive(dense, "total") is not None:
        rows.append(("of dense products", *(_of(modelled, dense, phase) for phase in (*PHASES, "total"))))
        rows.append(("dense products", *_joules(dense)))
    return Table(("layer", *(phase.replace("_", " ") for phase in PHASES), "total"), rows)


def _joules(bill: object) -> list[str]:
    amounts = [positive(bill, phase) for phase in (*PHASES, "total")]
    return [MISSING if not amount else joules(amount) for amount in amounts]


def _of(bill: object, dense: object, phase: str) -> str:
    own, whole = positive(bill, phase), positive(dense, phase)
    return MISSING if own is None or not whole else percent(own / whole)


def _by_layer(run: Run) -> dict[str, dict[str, float]]:
    """J of each phase's operations, of memory accesses and in total, by layer; none where energy.csv cannot be read."""
    bills: dict[str, dict[str, float]] = {}
    try:
        for row in csv.DictReader(read_lines(run.folder.energy)):
            bill = bills.setdefault(clean(str(row["layer"])), dict.fromkeys((*PHASES, "total"), 0.0))
            amounts = {name: float(value) for name, value in row.items() if name and name.endswith(OPERATIONS)}
            total, operations = sum(amounts.values()), amounts[f"operations{OPERATIONS}"]
            bill[row["phase"]] += operations
            bill["memory"] += total - operations
            bill["total"] += total
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return {}
    return bills


def times(run: Run) -> Table | None:
    """Seconds of the training and of its parts; None where nobody measured them."""
    measured = {name: positive(run.summary, "timing", name) for name in (*TIMES, "samples_per_s")}
    rows = [(TIMES[name][0], f"{measured[name]:.3g} s", TIMES[name][1]) for name in TIMES if measured[name] is not None]
    seconds = run.timing.get("train_s")
    if seconds is not None and len(seconds) > 1:
        rows.insert(1, ("first epoch", f"{seconds[0]:.3g} s", "with compilation and warming up"))
    if (rate := measured["samples_per_s"]) is not None:
        rows.append(("recordings a second", f"{rate:.0f}", "median over epochs"))
    return Table(("", "time", ""), rows) if rows else None
