"""Score and active fraction against each setting that was swept, and which value of it gives a wanted activity."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from snn_zo.quantity import percent
from snn_zo.report.labels import short_names, shown
from snn_zo.report.runs import Setting
from snn_zo.report.variants import Variant

Settings = frozenset[tuple[str, Setting]]

TARGET = 0.01
"""The active fraction that is asked for: the paper's."""
MOST = 6
"""Settings of a data set that have a place in the figure."""
FEW = 4
"""Lines of a setting of which it is said where they have it."""
DECADE = 10 * (1 - 1e-9)
"""From the smallest to the largest value on, an axis is logarithmic."""


@dataclass(frozen=True)
class Line:
    """Variants of one method that differ in one setting alone.

    Attributes:
        label: the method, with its other settings where another line of the method has other ones.
        values: of the setting, ascending.
        variants: in that order.
    """

    label: str
    values: tuple[float, ...]
    variants: tuple[Variant, ...]


@dataclass(frozen=True)
class Swept:
    """A setting with numbers as values.

    Attributes:
        setting: its dotted name.
        name: its short one.
        lines: the first has the best variant in it. Never empty.
    """

    setting: str
    name: str
    lines: tuple[Line, ...]

    @property
    def is_log(self) -> bool:
        """Whether its values call for a logarithmic axis: they are above 0 and span a decade or more."""
        values = [value for line in self.lines for value in line.values]
        return min(values) > 0 and max(values) >= DECADE * min(values)


def swept(variants: Sequence[Variant]) -> list[Swept]:
    """The settings that at least two variants of a method differ in alone, those of strategies first.

    A setting with words as values has no axis, and is left out.

    Args:
        variants: of one data set, the best first.
    """
    names = list(dict.fromkeys(name for variant in variants for name in variant.varied))
    short = short_names(names)
    ordered = sorted(names, key=lambda name: not name.startswith("strategy."))
    return [Swept(name, short[name], lines) for name in ordered if (lines := tuple(_lines(variants, name)))]


def _lines(variants: Sequence[Variant], setting: str) -> Iterator[Line]:
    groups: dict[tuple[str, Settings], dict[float, list[Variant]]] = {}
    for variant in variants:
        value = variant.varied.get(setting)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            others = frozenset(item for item in variant.varied.items() if item[0] != setting)
            groups.setdefault((variant.method, others), {}).setdefault(float(value), []).append(variant)
    # where two variants have the same values of all settings, something else differs
    kept = {key: found for key, found in groups.items() if len(found) > 1 and _differ_alone(found.values(), setting)}
    for (method, others), found in kept.items():
        values = tuple(sorted(found))
        rivals = [other for name, other in kept if name == method]
        yield Line(_label(method, others, rivals), values, tuple(found[value][0] for value in values))


def _differ_alone(found: Iterable[Sequence[Variant]], setting: str) -> bool:
    """Whether variants differ in one setting only, and in those of the same name, which follow it."""
    first, *others = (variant for same in found for variant in same)
    names = {name for other in others for name, _ in first.settings.items() ^ other.settings.items()}
    last = setting.rpartition(".")[2]
    return all(name.rpartition(".")[2] == last for name in names) and all(len(same) == 1 for same in found)


def _label(method: str, own: Settings, rivals: Sequence[Settings]) -> str:
    common = frozenset.intersection(*rivals)
    names = sorted({name for rival in rivals for name, _ in rival - common})
    short, values = short_names(names), dict(own)
    told = (f"{short[name]}={shown(name, values[name])}" for name in names if name in values)
    return " ".join([method, *told])


def answers(found: Sequence[Swept], target: float = TARGET) -> list[str]:
    """For each setting of a strategy, at which value of it a line's active fraction is the target.

    Lines that do not reach it are spoken of where none does, by the one that comes nearest.

    Args:
        found: settings of one data set.
        target: active fraction.
    """
    strategies = [one for one in found[:MOST] if one.setting.startswith("strategy.")]
    return [answer for one in strategies for answer in _answers(one, target)]


def _answers(one: Swept, target: float) -> list[str]:
    points = {line.label: known for line in one.lines if len(known := _points(line)) > 1}
    crossings = {label: list(_crossings(known, one.name, target)) for label, known in points.items()}
    reached = {label: places for label, places in crossings.items() if places}
    if reached or not points:
        lines = list(reached.items())[:FEW]
        return [f"{label} reaches {percent(target)} active {' and '.join(places)}." for label, places in lines]

    def distance(point: tuple[float, float]) -> float:
        return abs(math.log(point[1] / target))

    label, known = min(points.items(), key=lambda item: min(map(distance, item[1])))
    value, active = min(known, key=distance)
    return [
        f"{label}: no {one.name} from {known[0][0]:g} to {known[-1][0]:g} gives {percent(target)} active; "
        f"the nearest is {one.name} = {value:g}, with {percent(active)}."
    ]


def _points(line: Line) -> list[tuple[float, float]]:
    """Values of the setting, ascending, with the mean active fraction where it is above 0."""
    estimates = [variant.estimate("active") for variant in line.variants]
    known = zip(line.values, estimates, strict=True)
    return [(value, active.mean) for value, active in known if active and active.mean > 0]


def _crossings(points: Sequence[tuple[float, float]], name: str, target: float) -> Iterator[str]:
    """Where a line through these points has the target, in words; straight on the axes that the figure has."""
    tried = [value for value, active in points if active == target]
    yield from (f"at {name} = {value:g}" for value in tried)
    for (a, active_a), (b, active_b) in itertools.pairwise(points):
        before, after = math.log(active_a / target), math.log(active_b / target)
        if before * after >= 0:
            continue
        if all(value.is_integer() for value, _ in points):
            yield f"between {name} = {a:g} and {b:g}"
            continue
        share = before / (before - after)
        between = a * (b / a) ** share if a > 0 else a + (b - a) * share
        axes = "logarithmic axes" if a > 0 else "a logarithmic axis of the active fraction"
        yield f"at {name} = {between:.2g} (interpolated between {a:g} and {b:g} on {axes})"
