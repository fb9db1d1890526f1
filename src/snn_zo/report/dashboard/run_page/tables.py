"""The tables of a run's page: layers, energy by layer and phase, times."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from snn_zo.quantity import joules, percent
from snn_zo.report.result import PHASES
from snn_zo.report.runs import Run
from snn_zo.untrusted import at, clean, fraction, number, positive, read_lines

OPERATIONS = " J"
"""How the columns of energy.csv end that are energies; those of the operations begin with `operations`."""
PARTS = {"train_s": "training of all epochs", "val_s": "validations", "compile_s": "compilation of kernels"}
OF_AN_EPOCH = {
    "epoch_s": ("an epoch", "median; training without validation"),
    "forward_s": ("its forward passes", "median; with loss and metrics"),
    "backward_s": ("its backward passes", "median"),
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
    every = [*measured.items(), ("all", run.summary.get("sparsity"))]
    rows: list[Sequence[str]] = [
        (clean(str(name)), *(_share(values, measure) for measure in ("active", "spike_rate", "silent")))
        for name, values in every
    ]
    columns = ("layer", "active", "spike rate", "silent neurons")
    dead = [_dead_channels(values) for _, values in every]
    if not any(dead):
        return Table(columns, rows)
    return Table((*columns, "dead channels"), [(*row, of_it) for row, of_it in zip(rows, dead, strict=True)])


def _dead_channels(values: object) -> str:
    """How many channels of a convolutional layer are dead, and of how many; nothing of another layer."""
    dead, channels = number(values, "dead_channels"), number(values, "channels")
    return "" if dead is None or channels is None else f"{dead:.6g} of {channels:.6g}"


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
    """Seconds of the training, of the parts that it is the sum of, and of an epoch; None where nobody measured them."""
    timing = run.summary.get("timing")
    whole, parts = positive(timing, "fit_s"), {name: positive(timing, name) for name in PARTS}
    rows = [(PARTS[name], _seconds(part), "") for name, part in parts.items() if part]
    if whole is not None:
        rest = whole - sum(part or 0.0 for part in parts.values())
        rows = [*rows, ("the rest", _seconds(max(rest, 0.0)), "")] if rows else []
        rows.append(("together", _seconds(whole), ""))
    for name, (words, about) in OF_AN_EPOCH.items():
        if (part := positive(timing, name)) is not None:
            rows.append((words, _seconds(part), about))
    if (rate := positive(timing, "samples_per_s")) is not None:
        rows.append(("recordings a second", f"{rate:.0f}", "median over epochs"))
    return Table(("", "time", ""), rows) if rows else None


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value < 1000 else f"{value:.0f} s"
