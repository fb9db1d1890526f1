"""Which method wins, by how much, at what cost."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from snn_zo.headline import Headline
from snn_zo.report.pairs import Pair, pairs_of
from snn_zo.report.runs import Run, Setting
from snn_zo.report.score import sign_of, title_of
from snn_zo.report.variants import Prices, Variant, variants

BASELINE = "surrogate"
"""The method whose backward pass is dense."""
WORKLOAD = ("data.", "model.", "trainer.", "callbacks.", "backend", "cuda_graph")
"""Settings that a step's time depends on besides the method: callbacks count and measure in each step."""
IDLE = ("trainer.max_epochs", "callbacks.energy.table.")
"""Of these, the ones that it does not depend on."""

Workload = frozenset[tuple[str, Setting]]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Runs by variant.

    Attributes:
        runs: all of them, failed ones too.
        variants: by data set, method and settings.
        baselines: of each data set that has one, the best variant of the dense method.
    """

    runs: tuple[Run, ...]
    variants: tuple[Variant, ...]
    baselines: dict[str, Variant]

    @property
    def titles(self) -> str:
        """What the variants are judged by, in words."""
        named = (f"{title_of(v.headline)}{' (less is better)' * (sign_of(v.headline) < 0)}" for v in self.variants)
        return " and ".join(dict.fromkeys(named))

    @property
    def data(self) -> tuple[str, ...]:
        """The data sets."""
        return tuple(dict.fromkeys(variant.data for variant in self.variants))

    @property
    def swept(self) -> tuple[str, ...]:
        """Dotted names of the settings that differ among variants."""
        return tuple(dict.fromkeys(name for variant in self.variants for name in variant.varied))

    def headline_of(self, data: str) -> Headline | None:
        """What its variants are judged by; None where no run of theirs says it."""
        return next((variant.headline for variant in self.of(data)), None)

    def of(self, data: str) -> tuple[Variant, ...]:
        """The variants of a data set."""
        return tuple(variant for variant in self.variants if variant.data == data)

    def baseline_of(self, variant: Variant) -> Variant | None:
        """The best dense variant that does the same work, see WORKLOAD; None where there is none."""
        return self._dense.get((variant.data, _workload(variant))) if variant.settings else None

    @cached_property
    def _dense(self) -> dict[tuple[str, Workload], Variant]:
        """The best dense variant of each data set and workload."""
        dense = _ranked(variant for variant in self.variants if variant.method == BASELINE)
        return {(variant.data, _workload(variant)): variant for variant in reversed(dense)}

    def speed_up(self, variant: Variant) -> float | None:
        """Time an epoch of its baseline over its own.

        Both are medians over runs that are known not to be dead, on the hardware that most of them share; None where
        there is none, or no baseline.
        """
        baseline = self.baseline_of(variant)
        if baseline is None:
            return None
        own, dense = _times(variant), _times(baseline)
        common = Counter({place: len(own[place]) + len(dense[place]) for place in own.keys() & dense.keys()})
        if not common:
            return None
        place = max(sorted(common), key=common.__getitem__)
        return statistics.median(dense[place]) / statistics.median(own[place])

    def pareto(self, quantity: str) -> tuple[Variant, ...]:
        """Variants that no other one of their data set beats in score at the same or a lower cost, cheapest first.

        Variants of which no run is alive take no part. Energies are compared at the same prices.

        Args:
            quantity: what it costs: `active`, `joules` or another of COSTS.
        """
        groups: dict[tuple[str, Prices | None], list[tuple[float, float, Variant]]] = {}
        for variant in self.variants:
            cost = variant.estimate(quantity)
            if cost and variant.order < math.inf:
                prices = variant.prices if quantity in ("joules", "energy_ratio") else None
                groups.setdefault((variant.data, prices), []).append((cost.mean, variant.order, variant))
        return tuple(variant for points in groups.values() for variant in _front(points))

    def pairs(self) -> list[Pair]:
        """Pairs of variants of a data set with common seeds, the better one first; see `pairs_of`."""
        return [pair for data in self.data for pair in pairs_of(_ranked(self.of(data)), self.baselines.get(data))]

    def test_recordings(self, data: str) -> int | None:
        """How many recordings a data set's runs were tested on; None where they do not say, or not the same."""
        sizes = {run.tested_on for variant in self.of(data) for run in variant.done}
        return sizes.pop() if len(sizes) == 1 else None


def compare(runs: Iterable[Run]) -> Comparison:
    """Group runs into variants, and find each data set's baseline."""
    runs = tuple(runs)
    made = variants(runs)
    dense = _ranked(variant for variant in made if variant.method == BASELINE)
    return Comparison(runs, made, {variant.data: variant for variant in reversed(dense)})


def _ranked(candidates: Iterable[Variant]) -> list[Variant]:
    """Those with a test score, the best first."""
    return sorted((variant for variant in candidates if variant.order < math.inf), key=lambda variant: variant.order)


def _workload(variant: Variant) -> Workload:
    settings = variant.settings.items()
    return frozenset(item for item in settings if item[0].startswith(WORKLOAD) and not item[0].startswith(IDLE))


def _times(variant: Variant) -> dict[str, list[float]]:
    """Seconds an epoch by hardware; a single epoch has warmed up, and says nothing of others."""
    times: dict[str, list[float]] = {}
    for run in variant.done:
        if run.dead is False and run.hardware and run.epoch_s and run.epochs != 1:
            times.setdefault(run.hardware, []).append(run.epoch_s)
    return times


def _front(points: Sequence[tuple[float, float, Variant]]) -> list[Variant]:
    """Of (cost, order), those that no other one is below in one and not above in the other."""
    return [
        variant
        for cost, order, variant in sorted(points, key=lambda point: point[:2])
        if not any(c <= cost and o <= order and (c, o) != (cost, order) for c, o, _ in points)
    ]
