"""Which settings vary among runs, and which of them a label names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import TypeAlias

from snn_zo.report.runs import Run, Setting
from snn_zo.runs.naming import LAYERS, PRICES, TARGET, short_names

Value: TypeAlias = "Setting | EllipsisType"
"""Of a setting; `...` where a run does not have it."""

PRESETS = ("experiment", "sweeps", "debug")
"""Groups whose choices change settings of others."""
LONGEST = 40
"""Characters of a label, beyond which it leaves out what need not be named."""


@dataclass(eq=False)
class Label:
    """What tells a variant from the others of its method.

    Attributes:
        runs: of the variant.
        varied: all settings that vary among the variants and that it has, by dotted name.
        words: those of them that are named, as `delta=0.1`.
        swept: of these, the ones that are named whatever their value is.
    """

    runs: list[Run]
    varied: dict[str, Setting]
    words: dict[str, str]
    swept: set[str]


def labels(method: str, groups: Sequence[list[Run]], usual: Mapping[str, Value]) -> list[Label]:
    """A label for each variant of a method: those that name the same settings together, by value.

    A setting is named where it is not as usual. One that was swept is named also where it is: that is one that the runs
    were given, where another variant differs in nothing else. What goes beyond LONGEST characters and tells no variants
    apart is left out.

    Args:
        method: its name.
        groups: the runs of each variant.
        usual: settings that vary, and the value of each that need not be named; `...` where there is none.
    """
    short = short_names(list(usual))
    columns = [{name: value_of(group[0], name) for name in usual} for group in groups]
    alike = {name: Counter(_but(name, values) for values in columns) for name in usual}
    made = []
    for group, values in zip(groups, columns, strict=True):
        varied = {name: value for name, value in values.items() if value is not ...}
        swept = {name for name in varied if alike[name][_but(name, values)] > 1 and _was_given(name, group)}
        named = [name for name in varied if varied[name] != usual[name] or name in swept]
        words = {name: f"{short[name]}={shown(name, varied[name])}" for name in named}
        made.append(Label(group, varied, words, swept))
    places = {name: place for place, name in enumerate(usual)}
    made.sort(key=lambda label: [(places[name], _order(label.varied[name])) for name in label.words])
    _shorten(made, LONGEST - len(method))
    return made


def _shorten(made: Sequence[Label], longest: int) -> None:
    """Leave out words of labels that are too long, the last ones first; `…` says so."""
    taken = Counter(tuple(label.words.values()) for label in made)
    for label in made:
        kept = dict(label.words)
        for name in reversed(label.words):
            fewer = {other: word for other, word in kept.items() if other != name}
            too_long = sum(len(word) + 1 for word in kept.values()) + 2 * (len(kept) < len(label.words)) > longest
            if too_long and name not in label.swept and not taken[tuple(fewer.values())]:
                taken[tuple(fewer.values())] += 1
                kept = fewer
        if len(kept) < len(label.words):
            label.words = kept | {"": "…"}


def _but(name: str, values: Mapping[str, Value]) -> tuple[Value, ...]:
    """All values but that of one setting."""
    return tuple(value for other, value in values.items() if other != name)


def usual_values(names: Sequence[str], groups: Sequence[Sequence[Run]]) -> dict[str, Value]:
    """The value of each setting that labels need not name; `...` where there is none.

    It is the default, where that is known and a quarter of the variants have it, else what more than half of them have.
    The default is the most frequent value in runs that chose no preset and were not given the setting. A setting that
    some variants do not have is always named.

    Args:
        names: of the settings.
        groups: the runs of each variant.
    """
    known = [group for group in groups if group[0].settings]
    return {
        name: _usual([(value_of(runs[0], name), any(_left_alone(name, run) for run in runs)) for runs in known])
        for name in names
    }


def _usual(found: Sequence[tuple[Value, bool]]) -> Value:
    """The same of one setting, by its value in each variant, and whether that is the default."""
    count, left = (Counter(value for value, alone in found if alone or every) for every in (True, False))
    defaults, (most, times) = left.most_common(2), count.most_common(1)[0]
    if ... in count:
        return ...
    if len(defaults) == 1 or (defaults and defaults[0][1] > defaults[1][1]):
        default = defaults[0][0]
        if 4 * count[default] >= len(found):
            return default
    return most if 2 * times > len(found) else ...


def _left_alone(name: str, run: Run) -> bool:
    """Whether a run has the default of a setting, as far as its overrides say."""
    return run.given.isdisjoint((*PRESETS, "resume")) and not _was_given(name, [run])


def _was_given(name: str, runs: Sequence[Run]) -> bool:
    """Whether any of these runs were given a setting; the choice of a class is given as its group."""
    group = name.removesuffix(".name") if name in PRICES else name.removesuffix(TARGET)
    return any(name in run.given or group in run.given for run in runs)


def value_of(run: Run, name: str) -> Value:
    """A setting; `...` where the run has none of this name, None where it does without the whole group."""
    group = name.removesuffix(TARGET)
    return run.settings.get(name, run.settings.get(group, ...))


def _columns(runs: Sequence[Run]) -> dict[str, tuple[Value, ...]]:
    """Values of each setting that is not the same in all runs."""
    known = [run for run in runs if run.settings]
    names = dict.fromkeys(name for run in known for name in run.settings)
    columns = {name: tuple(value_of(run, name) for run in known) for name in names if f"{name}{TARGET}" not in names}
    return {name: column for name, column in columns.items() if len(set(column)) > 1}


def varied_settings(runs: Sequence[Run]) -> list[str]:
    """Names of the settings with several values, without those that follow from others."""
    columns = {name: column for name, column in _columns(runs).items() if len(set(column) - {...}) > 1}
    chosen = tuple(name.removesuffix(TARGET) + "." for name in columns if name.endswith(TARGET))
    kept: dict[tuple[str, tuple[Value, ...]], str] = {}
    for name in sorted(columns, key=lambda name: name.count(".")):
        priced = any(name.startswith(p.removesuffix("name")) and name != p for p in PRICES if p in columns)
        belongs = ... in columns[name] and name.startswith(chosen) and not name.endswith(TARGET)
        if not (priced or belongs):
            # the same value in several places is one setting that the others refer to
            kept.setdefault((name.rpartition(".")[2], columns[name]), name)
    return [name for name in columns if name in kept.values()]


def telling_apart(runs: Sequence[Run], names: Sequence[str]) -> list[str]:
    """Settings that only some runs have, as many as it takes to tell apart those that `names` do not."""
    more: list[str] = []

    def told(chosen: Sequence[str]) -> int:
        return len({tuple(value_of(run, name) for name in chosen) for run in runs})

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


def _order(value: Setting) -> tuple[int, float, str]:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return 0, float(value), ""
    return 1, 0.0, str(value)
