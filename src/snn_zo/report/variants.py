"""Runs that differ in nothing but the seed, and a name for what they have in common."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from snn_zo.headline import Headline
from snn_zo.report.interval import Estimate, Range, estimate
from snn_zo.report.labels import Value, labels, telling_apart, usual_values, varied_settings
from snn_zo.report.runs import Run, Setting
from snn_zo.report.score import is_share, sign_of
from snn_zo.runs.status import Status

RESULTS = ("score", "val_score", "epochs")
COSTS = ("active", "spike_rate", "energy_ratio", "joules", "epoch_s", "forward_s", "backward_s")
"""Quantities that a dead network would flatter: they are taken over the runs that are not dead."""

SHARES = ("active", "spike_rate")
"""Quantities that cannot be above 1."""

Prices = tuple[str | None, frozenset[tuple[str, Setting]]]


@dataclass(frozen=True, eq=False)
class Variant:
    """The runs of one data set with the same settings but for the seed.

    Attributes:
        label: the method, and the settings in which it is not as usual, or that were swept: `local_zo delta=0.1 m=5`.
        data: the data set, and where its runs are judged by several metrics, by which one.
        headline: that metric; None where no run says it.
        method: the strategy's name.
        varied: all settings by which it differs from others of its method or data set, by dotted name.
        named: names of those of them that the label has.
        runs: by seed.
    """

    label: str
    data: str
    headline: Headline | None
    method: str
    varied: dict[str, Setting]
    named: tuple[str, ...]
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
        return estimate(self.values(quantity), self._range(quantity))

    def values(self, quantity: str) -> list[float]:
        """What `estimate` is of, by seed."""
        if quantity not in (*RESULTS, *COSTS):
            raise ValueError(f"quantity must be one of {', '.join((*RESULTS, *COSTS))}, got '{quantity}'")
        runs = self.alive if quantity in COSTS else self.done
        found = [getattr(run, quantity) for run in runs]
        return [value for value in found if value is not None]

    def _range(self, quantity: str) -> Range:
        """Values that a quantity can have."""
        scored = quantity in ("score", "val_score")
        least = -math.inf if scored and not is_share(self.headline) else 0.0
        return least, 1.0 if quantity in SHARES or (scored and is_share(self.headline)) else math.inf


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
        common = [name for name in varied_settings([group[0] for _, group in of_data]) if not _of_strategy(name)]
        usual = usual_values(common, [group for _, group in of_data])
        for method in sorted({method for method, _ in of_data}):
            of_method = [group for other, group in of_data if other == method]
            made += [
                Variant(label, data, judged_by[data], method, varied, named, group)
                for label, varied, named, group in _of_method(method, of_method, usual)
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
    method: str, groups: Sequence[list[Run]], usual: Mapping[str, Value]
) -> Iterator[tuple[str, dict[str, Setting], tuple[str, ...], tuple[Run, ...]]]:
    """Label, varied settings, those that are named, and runs by seed of each variant.

    Args:
        method: of all of them.
        groups: the runs of each variant.
        usual: value of each setting that varies on the data set and is not the strategy's, see `usual_values`.
    """
    runs = [group[0] for group in groups]
    own = [*filter(_of_strategy, varied_settings(runs))]
    more = telling_apart(runs, [*own, *usual])
    taken = Counter[str]()
    for found in labels(method, groups, usual_values(own, groups) | dict(usual) | dict.fromkeys(more, ...)):
        label = " ".join([method, *found.words.values()]) + " (settings unknown)" * (not found.runs[0].settings)
        taken[label] += 1
        label += f" ({taken[label]})" if taken[label] > 1 else ""
        ordered = sorted(found.runs, key=lambda run: (run.seed is None, run.seed or 0, str(run.path)))
        yield label, found.varied, tuple(filter(None, found.words)), tuple(ordered)


def _of_strategy(name: str) -> bool:
    return name.startswith("strategy.")
