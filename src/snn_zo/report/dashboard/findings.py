"""What a comparison shows, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

from markupsafe import Markup

from snn_zo.headline import Headline
from snn_zo.quantity import joules, percent
from snn_zo.report.bootstrap import Estimate
from snn_zo.report.comparison import Comparison, Pair
from snn_zo.report.dashboard import score
from snn_zo.report.dashboard.tables import interval
from snn_zo.report.runs import Run
from snn_zo.report.score import is_share, scored, sign_of, title_of
from snn_zo.report.variants import Variant
from snn_zo.runs.status import Status

FEW = 10
"""Seeds below which a bootstrap interval is easily too narrow."""
STATES = (Status.COMPLETED, Status.RUNNING, Status.QUEUED, Status.FAILED, Status.INTERRUPTED, Status.UNKNOWN)
VERDICTS = ("clear", "level", "behind", "unknown")
NAMED = 4
"""Variants that a sentence names; of more it says how many."""


def counts(runs: Sequence[Run]) -> list[tuple[str, int]]:
    """Runs by state; the dead ones are among the completed ones."""
    by_status = Counter(run.status for run in runs)
    dead = sum(run.status is Status.COMPLETED and run.dead is True for run in runs)
    return [
        *((status, by_status[status]) for status in STATES if by_status[status] or status is not Status.UNKNOWN),
        ("dead", dead),
    ]


def findings(comparison: Comparison, ranked: Sequence[Variant]) -> list[Markup]:
    """For each data set: the best variant, what it is and is not ahead of, and which costs least.

    Args:
        comparison: what the pairs are from.
        ranked: the variants, those of a data set from best to worst.
    """
    pairs = comparison.pairs()
    return [_finding(comparison, data, [v for v in ranked if v.data == data], pairs) for data in comparison.data]


def _finding(comparison: Comparison, data: str, ranked: Sequence[Variant], pairs: Sequence[Pair]) -> Markup:
    headline = comparison.headline_of(data)
    measured = [(variant, found) for variant in ranked if (found := variant.estimate("score"))]
    if not measured:
        if any(variant.done for variant in ranked):
            return _say("On {} the runs that are completed do not say what they are judged by.", data)
        return _say("On {} no run is completed yet: there is nothing to compare.", data)
    (best, reached), *others = measured
    if not others:
        value = _value(headline, reached)
        alone = f"{value} on the test set" if is_share(headline) else f"a test {title_of(headline)} of {value}"
        text = "On {}, <strong>{}</strong> reaches {}. There is no other variant to compare it with."
        return _say(text, data, best.label, alone)
    against = {id(pair.b): pair for pair in pairs if pair.a is best}
    judged = {id(variant): _verdict(headline, against.get(id(variant))) for variant, _ in others}
    clear, level, behind, unknown = ([v for v, _ in others if judged[id(v)] == kind] for kind in VERDICTS)
    most = "highest" if sign_of(headline) > 0 else "lowest"
    first = "On {}, <strong>{}</strong> has the {} mean test {} of {} variants: {}."
    said = [_say(first, data, best.label, most, title_of(headline), len(measured), _value(headline, reached))]
    said += [_ahead(headline, clear, against)] if clear else []
    said += [_level(headline, level, against)] if level else []
    said += [_behind(headline, behind, against)] if behind else []
    said += [*_cost([best, *level]), *_cheapest(headline, best, clear, against)]
    said += [_unknown(headline, unknown, against)] if unknown else []
    return Markup(" ").join(said)


def _verdict(headline: Headline | None, pair: Pair | None) -> str:
    """One of VERDICTS: the interval of the advantage is above 0, holds it, is below 0, or is none."""
    if pair is None:
        return "unknown"
    _, low, high, _ = score.advantage(headline, pair.difference)
    if low is None or high is None:
        return "unknown"
    return "clear" if low > 0 else "behind" if high < 0 else "level"


def _ahead(headline: Headline | None, clear: Sequence[Variant], against: dict[int, Pair]) -> Markup:
    nearest = against[id(clear[0])]
    caution = ""
    if nearest.n < FEW:
        caution = f" With {nearest.n} seeds such an interval is easily too narrow."
    of = "" if len(clear) == 1 else f"of {clear[0].label} "
    gain, unit = score.advantage(headline, nearest.difference), score.unit_of_difference(headline)
    distance = partial(score.distance, headline)
    by = f"{distance(gain.mean)}{unit} (95 % interval {interval(gain, distance)}, {nearest.n} seeds)"
    return _say("It is ahead of {}{} {}by {}.{}", _names(clear), ":" if of else "", of, by, caution)


def _level(headline: Headline | None, level: Sequence[Variant], against: dict[int, Pair]) -> Markup:
    why = _difference(headline, against[id(level[0])])
    of = "" if len(level) == 1 else f"{level[0].label}: "
    return _say("It is <strong>not to be told apart</strong> from {} ({}{}).", _names(level), of, why)


def _behind(headline: Headline | None, behind: Sequence[Variant], against: dict[int, Pair]) -> Markup:
    """The best mean, and yet worse on the seeds that both have."""
    why = _difference(headline, against[id(behind[0])])
    of = "" if len(behind) == 1 else f"{behind[0].label}: "
    return _say("On the seeds that both have completed it is behind {} ({}{}).", _names(behind), of, why)


def _unknown(headline: Headline | None, unknown: Sequence[Variant], against: dict[int, Pair]) -> Markup:
    pair = against.get(id(unknown[0]))
    why = f"{_mean_difference(headline, pair)} on one seed" if pair else "no seed in common"
    of = "" if len(unknown) == 1 else f"{unknown[0].label}: "
    text = "Whether it is better than {} cannot be said from fewer than two common seeds ({}{})."
    return _say(text, _names(unknown), of, why)


def _cost(candidates: Sequence[Variant]) -> list[Markup]:
    """Which of the best took the least energy."""
    costs = [(found.mean, variant) for variant in candidates if (found := variant.estimate("joules"))]
    if not costs:
        return []
    if len({variant.prices for _, variant in costs}) > 1:
        return [_say("Their energies were modelled with different prices and are not compared.")]
    least, cheapest = min(costs, key=lambda pair: pair[0])
    table = cheapest.alive[0].cost_table
    ratio = cheapest.estimate("energy_ratio")
    dense = f", {percent(ratio.mean)} of what dense products would take" if ratio else ""
    if len(costs) == 1:
        return [_say("Its training took {} (modelled, {}){}.", joules(least), table, dense)]
    text = "Of these, <strong>{}</strong> took the least energy to train: {} (modelled, {}){}."
    return [_say(text, cheapest.label, joules(least), table, dense)]


def _cheapest(
    headline: Headline | None, best: Variant, beaten: Sequence[Variant], against: dict[int, Pair]
) -> list[Markup]:
    """Which of the worse ones takes the least energy, and what that costs."""
    own = best.estimate("joules")
    costs = [(found.mean, variant) for variant in beaten if (found := variant.estimate("joules"))]
    if own is None or not costs:
        return []
    least, cheapest = min(costs, key=lambda pair: pair[0])
    if least >= own.mean or cheapest.prices != best.prices:
        return []
    text = "<strong>{}</strong> took {}, {} of what {} took, for {} {}."
    gain = score.advantage(headline, against[id(cheapest)].difference).mean
    lost = f"{score.distance(headline, gain)}{score.unit_of_difference(headline)}"
    less = "less" if sign_of(headline) > 0 else "more"
    return [_say(text, cheapest.label, joules(least), percent(least / own.mean), best.label, lost, less)]


def _value(headline: Headline | None, found: Estimate) -> str:
    shown = partial(scored, headline)
    if found.low is None:
        return f"{shown(found.mean)} (one seed, so no interval)"
    return f"{shown(found.mean)} (95 % interval {interval(found, shown)}, {found.n} seeds)"


def _mean_difference(headline: Headline | None, pair: Pair) -> str:
    return f"{score.difference(headline, pair.difference.mean)}{score.unit_of_difference(headline)}"


def _difference(headline: Headline | None, pair: Pair) -> str:
    ends = interval(pair.difference, partial(score.difference, headline))
    return f"{_mean_difference(headline, pair)}, 95 % interval {ends}, {pair.n} seeds"


def _names(variants: Sequence[Variant]) -> str:
    names = [variant.label for variant in variants[:NAMED]]
    if len(variants) > NAMED:
        names = [*names[: NAMED - 1], f"{len(variants) - NAMED + 1} others"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _say(text: str, *values: object) -> Markup:
    # a number stays with its sign of percent
    return Markup(Markup(text).format(*values).replace(" %", "\N{NO-BREAK SPACE}%"))
