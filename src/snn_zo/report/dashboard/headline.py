"""What a comparison shows, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from snn_zo.report.bootstrap import Estimate
from snn_zo.report.comparison import Comparison, Pair
from snn_zo.report.dashboard.tables import interval, points
from snn_zo.report.result import joules, percent
from snn_zo.report.runs import Run
from snn_zo.report.variants import Variant

FEW = 5
"""Pairs of seeds below which a bootstrap interval is easily too narrow."""

Sentence = list[str]
"""Parts of which every second one is to stand out."""


def findings(comparison: Comparison, ranked: Sequence[Variant]) -> list[Sentence]:
    """One paragraph for each data set: the most accurate variant, what it is not to be told apart from, the cheapest.

    Args:
        comparison: what the pairs are from.
        ranked: the variants, those of a data set from best to worst.
    """
    pairs = comparison.pairs()
    return [_finding(data, [v for v in ranked if v.data == data], pairs) for data in comparison.data]


def counts(runs: Sequence[Run]) -> list[tuple[str, int]]:
    """Runs by state; dead ones are completed ones too."""
    by_status = Counter(run.status for run in runs)
    states = ("completed", "running", "queued", "failed", "interrupted", "unknown")
    dead = sum(run.status == "completed" and run.dead is True for run in runs)
    return [*((state, by_status[state]) for state in states if state != "unknown" or by_status[state]), ("dead", dead)]


def _finding(data: str, ranked: Sequence[Variant], pairs: Sequence[Pair]) -> Sentence:
    measured = [(variant, estimate) for variant in ranked if (estimate := variant.estimate("accuracy"))]
    if not measured:
        return [f"On {data} no run is completed yet: there is nothing to compare."]
    (best, accuracy), *others = measured
    if not others:
        return [f"On {data}, ", best.label, f" reaches {_accuracy(accuracy)}. There is no other variant to compare it with."]
    against = {id(pair.b): pair for pair in pairs if pair.a is best}
    said = [f"On {data}, ", best.label, f" has the highest mean test accuracy of {len(measured)} variants: {_accuracy(accuracy)}. "]
    open_, beaten = [], []
    for variant, _ in others:
        pair = against.get(id(variant))
        (beaten if pair and _is_clear(pair) else open_).append(variant)
    said += _told_apart(best, open_, beaten, against)
    cheapest = _cheapest([best, *open_])
    return [*said, *_cheaper(best, cheapest)] if cheapest else said


def _told_apart(
    best: Variant, open_: Sequence[Variant], beaten: Sequence[Variant], against: dict[int, Pair]
) -> Sentence:
    """Which variants the best one is ahead of, by how much, and how sure that is; an even number of parts."""
    text = ""
    if beaten:
        pair = against[id(beaten[0])]
        text += f"It is ahead of {_names(beaten)}"
        text += f": of {beaten[0].label} " if len(beaten) > 1 else " "
        text += f"by {_difference(pair)}. "
        if pair.n < FEW:
            text += f"So few seeds make an interval that is easily too narrow. "
    if open_:
        text += f"It is not to be told apart from {_names(open_)}"
        pair = against.get(id(open_[0]))
        text += f" ({'' if len(open_) == 1 else open_[0].label + ': '}{_difference(pair)}). " if pair else ", with no seed in common. "
    return [*_append_to_last(text)]


def _append_to_last(text: str) -> Sentence:
    return ["", text] if text else []
