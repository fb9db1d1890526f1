"""Runs that differ in nothing but the seed, and a name for what they have in common."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import EllipsisType
from typing import TypeAlias

from snn_zo.headline import Headline
from snn_zo.report.bootstrap import Estimate, estimate
from snn_zo.report.runs import Run, Setting
from snn_zo.report.score import sign_of
from snn_zo.runs.naming import LAYERS, PRICES, TARGET, short_names
from snn_zo.runs.status import Status

RESULTS = ("score", "val_score", "epochs")
COSTS = ("active", "spike_rate", "energy_ratio", "joules", "epoch_s", "forward_s", "backward_s")
"""Quantities that a dead network would flatter: they are taken over the runs that are not dead."""

Prices = tuple[str | None, frozenset[tuple[str, Setting]]]
Values: TypeAlias = "tuple[Setting | EllipsisType, ...]"
"""Of a setting, in several runs; `...` where a run does not have it."""


@dataclass(frozen=True, eq=False)
class Variant:
    """The runs of one data set with the same settings but for the seed.

    Attributes:
        label: the method, and the settings by which it differs from others: `local_zo delta=0.1 m=5`.
        data: the data set, and where its runs are judged by several metrics, by which one.
        headline: that metric; None where no run says it.
        method: the strategy's name.
        varied: those settings, by dotted name.
        runs: by seed.
    """

    label: str
    data: str
    headline: Headline | None
    method: str
    varied: dict[str, Setting]
    runs: tuple[Run, ...]

    @property
    def settings(self) -> dict[str, Setting]:
        """What its runs have in common."""
        return self.runs[0].settings

    @property
    def done(self) -> tuple[Run, ...]:
        """Completed runs."""
        return tuple(run for run in self.runs if run.status is Status.COMPLETED)

    @property
    def failed(self) -> tuple[Run, ...]:
        """Failed runs."""
        return tuple(run for run in self.runs if run.status is Status.FAILED)

    @property
    def unfinished(self) -> tuple[Run, ...]:
        """Runs that are queued, running, interrupted or killed."""
        return tuple(run for run in self.runs if not run.status.has_result)

    @property
    def dead(self) -> int:
        """Completed runs in which a layer was dead at the end."""
        return sum(run.dead is True for run in self.done)

    @property
    def alive(self) -> tuple[Run, ...]:
        """Completed runs that are not known to be dead."""
        return tuple(run for run in self.done if not run.dead)

    @property
    def prices(self) -> Prices:
        """What its modelled energies were priced with, changed or as the cost table has it."""
        name = self.alive[0].cost_table if self.alive else None
        table = (item for item in self.settings.items() if item[0].startswith("callbacks.energy.table."))
        return name, frozenset(table)

    @cached_property
    def order(self) -> float:
        """What the best variant of a data set has least of: its mean score, negated where more is better, or inf."""
        scores = [score for run in self.done if (score := run.score) is not None]
        return -sign_of(self.headline) * statistics.fmean(scores) if scores else math.inf

    def estimate(self, quantity: str) -> Estimate | None:
        """Mean and 95 % interval over seeds of the completed runs; None where none has the quantity.

        Args:
            quantity: one of RESULTS, over all completed runs, or of COSTS, over those that are not dead.
        """
        if quantity not in (*RESULTS, *COSTS):
            raise ValueError(f"quantity must be one of {', '.join((*RESULTS, *COSTS))}, got '{quantity}'")
        runs = self.alive if quantity in COSTS else self.done
        found = [getattr(run, quantity) for run in runs]
        return estimate([value for value in found if value is not None])


def variants(runs: Iterable[Run]) -> tuple[Variant, ...]:
    """Runs by data set, method and settings, in that order; those judged by different metrics are never together."""
    headlines = _headlines(runs)
    places = _places(headlines)
    groups: dict[tuple[str, str, frozenset[tuple[str, Setting]]], list[Run]] = {}
    for run, data in places.items():
        groups.setdefault((data, run.method, frozenset(run.settings.items())), []).append(run)
    judged_by = {data: headlines[run] for run, data in places.items()}
    made: list[Variant] = []
    for data in sorted({data for data, _, _ in groups}):
        of_data = [(method, group) for (where, method, _), group in groups.items() if where == data]
        # strategy.* differs across methods because they are other methods
        common = [name for name in _varied([group[0] for _, group in of_data]) if not _of_strategy(name)]
        for method in sorted({method for method, _ in of_data}):
            of_method = [group for other, group in of_data if other == method]
            made += [
                Variant(label, data, judged_by[data], method, varied, group)
                for label, varied, group in _of_method(method, of_method, common)
            ]
    return tuple(made)


def _headlines(runs: Iterable[Run]) -> dict[Run, Headline | None]:
    """The metric of each run; of one that says none, that of others with its settings, else of its data set."""
    same = {run: (run.data, run.method, frozenset(run.settings.items())) for run in runs}
    known: dict[object, Headline] = {}
    for run, key in same.items():
        if run.headline:
            known.setdefault(key, run.headline)
            known.setdefault(run.data, run.headline)
    return {run: run.headline or known.get(key) or known.get(run.data) for run, key in same.items()}


def _places(headlines: Mapping[Run, Headline | None]) -> dict[Run, str]:
    """Each run's data set, with the metric behind it where runs of the data set are judged by several."""
    kinds: dict[str, set[str]] = {}
    for run, headline in headlines.items():
        kinds.setdefault(run.data, set()).add(_kind(headline))
    return {
        run: run.data if len(kinds[run.data]) == 1 else f"{run.data} ({_kind(headline)})"
        for run, headline in headlines.items()
    }


def _kind(headline: Headline | None) -> str:
    return " ".join(filter(None, (headline.direction, headline.name, headline.unit))) if headline else ""


def _of_method(
    method: str, groups: Sequence[list[Run]], common: Sequence[str]
) -> Iterator[tuple[str, dict[str, Setting], tuple[Run, ...]]]:
    """Label, varied settings and runs by seed of each variant."""
    runs = [group[0] for group in groups]
    names = [*filter(_of_strategy, _varied(runs)), *common]
    names += _telling_apart(runs, names)
    short = short_names(names)
    found = [({name: _value(group[0], name) for name in names}, group) for group in groups]
    found.sort(key=lambda pair: [_order(value) for value in pair[0].values()])
    taken = Counter[str]()
    for values, group in found:
        varied = {name: value for name, value in values.items() if value is not ...}
        label = " ".join([method, *(f"{short[name]}={shown(name, value)}" for name, value in varied.items())])
        if not group[0].settings:
            label += " (settings unknown)"
        taken[label] += 1
        label += f" ({taken[label]})" if taken[label] > 1 else ""
        ordered = sorted(group, key=lambda run: (run.seed is None, run.seed or 0, str(run.path)))
        yield label, varied, tuple(ordered)


def _of_strategy(name: str) -> bool:
    return name.startswith("strategy.")


def _value(run: Run, name: str) -> Setting | EllipsisType:
    """A setting; `...` where the run has none of this name, None where it does without the whole group."""
    group = name.removesuffix(TARGET)
    return run.settings.get(name, run.settings.get(group, ...))


def _columns(runs: Sequence[Run]) -> dict[str, Values]:
    """Values of each setting that is not the same in all runs."""
    known = [run for run in runs if run.settings]
    names = dict.fromkeys(name for run in known for name in run.settings)
    columns = {name: tuple(_value(run, name) for run in known) for name in names if f"{name}{TARGET}" not in names}
    return {name: column for name, column in columns.items() if len(set(column)) > 1}


def _varied(runs: Sequence[Run]) -> list[str]:
    """Names of the settings with several values, without those that follow from others."""
    columns = {name: column for name, column in _columns(runs).items() if len(set(column) - {...}) > 1}
    chosen = tuple(name.removesuffix(TARGET) + "." for name in columns if name.endswith(TARGET))
    kept: dict[tuple[str, Values], str] = {}
    for name in sorted(columns, key=lambda name: name.count(".")):
        priced = any(name.startswith(p.removesuffix("name")) and name != p for p in PRICES if p in columns)
        belongs = ... in columns[name] and name.startswith(chosen) and not name.endswith(TARGET)
        if not (priced or belongs):
            # the same value in several places is one setting that the others refer to
            kept.setdefault((name.rpartition(".")[2], columns[name]), name)
    return [name for name in columns if name in kept.values()]


def _telling_apart(runs: Sequence[Run], names: Sequence[str]) -> list[str]:
    """Settings that only some runs have, as many as it takes to tell apart those that `names` do not."""
    more: list[str] = []

    def told(chosen: Sequence[str]) -> int:
        return len({tuple(_value(run, name) for name in chosen) for run in runs})

    # the choice of a class says more than what it is set to, and what a callback follows says least
    def weight(name: str) -> tuple[bool, bool]:
        return name.startswith("callbacks."), not (name.endswith(TARGET) or name.startswith(LAYERS))

    for name, column in sorted(_columns(runs).items(), key=lambda column: weight(column[0])):
        if told([*names, *more]) == len(runs):
            break
        if ... in column and told([*names, *more, name]) > told([*names, *more]):
            more.append(name)
    return more


def shown(name: str, value: Setting) -> str:
    """A setting's value as a label has it."""
    if isinstance(value, tuple):
        return f"[{','.join(shown('', item) for item in value)}]"
    if isinstance(value, float):
        return f"{value:g}"
    if value is None or isinstance(value, bool):
        return str(value).lower()
    text = " ".join(str(value).split())
    text = text.rpartition(".")[2] if name.endswith(TARGET) else text
    return text if len(text) <= 40 else f"{text[:39]}…"


def _order(value: Setting | EllipsisType) -> tuple[int, float, str]:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return 0, float(value), ""
    return 1, 0.0, str(value)
