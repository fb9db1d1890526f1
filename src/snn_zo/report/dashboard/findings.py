"""What a comparison shows, in sentences."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import partial

from markupsafe import Markup

from snn_zo.headline import Headline
from snn_zo.quantity import joules, percent
from snn_zo.report.comparison import Comparison
from snn_zo.report.dashboard import score
from snn_zo.report.dashboard.tables import interval
from snn_zo.report.interval import Estimate
from snn_zo.report.pairs import FEWEST, Pair
from snn_zo.report.runs import Run
from snn_zo.report.score import scored, sign_of, title_of
from snn_zo.report.variants import Variant
from snn_zo.runs.status import Status

STATES = (Status.COMPLETED, Status.RUNNING, Status.QUEUED, Status.FAILED, Status.INTERRUPTED, Status.UNKNOWN)
NAMED = 2
"""Variants that a sentence names; of more it says how many."""
LONGEST = 32
"""Characters of a name in a sentence."""
ROOM = 380
"""Characters of the opening that are four lines of the page."""
LINES = 4
"""Data sets that the opening has a line for."""


def counts(runs: Sequence[Run]) -> list[tuple[str, int]]:
    """Runs by state; the dead ones are among the completed ones."""
    by_status = Counter(run.status for run in runs)
    dead = sum(run.status is Status.COMPLETED and run.dead is True for run in runs)
    return [
        *((status, by_status[status]) for status in STATES if by_status[status] or status is not Status.UNKNOWN),
        ("dead", dead),
    ]


def findings(comparison: Comparison, ranked: Sequence[Variant]) -> list[Markup]:
    """What there is to say first, in four lines: the best variant, whether that is shown, and which costs least.

    Args:
        comparison: what the pairs are from.
        ranked: the variants, those of a data set from best to worst.
    """
    pairs, data = comparison.pairs(), comparison.data
    said = [_Finding(comparison, name, [v for v in ranked if v.data == name], pairs) for name in data[:LINES]]
    if len(data) == 1:
        return [said[0].whole()]
    if len(data) > LINES:
        *said, _ = said
        more = len(data) - len(said)
        return [*(finding.line() for finding in said), _say("The tables below have {} more data sets.", more)]
    return [finding.line() for finding in said]


class _Finding:
    """What is said of a data set."""

    def __init__(self, comparison: Comparison, data: str, ranked: Sequence[Variant], pairs: Sequence[Pair]) -> None:
        self.data, self.ranked = data, ranked
        self.headline = comparison.headline_of(data)
        self.measured = [(variant, found) for variant in ranked if (found := variant.estimate("score"))]
        best = self.measured[0][0] if self.measured else None
        against = {id(pair.b): pair for pair in pairs if pair.a is best}
        self.against = [(variant, against.get(id(variant))) for variant, _ in self.measured[1:]]

    def whole(self) -> Markup:
        """All of it, as far as there is room: the verdicts first, then what they cost."""
        if len(self.measured) < 2:
            return self._alone()
        (best, reached), *_ = self.measured
        most = "highest" if sign_of(self.headline) > 0 else "lowest"
        text = "<strong>{}</strong> has the {} mean test {} of {} variants on {}: {}."
        title, value = title_of(self.headline), _value(self.headline, reached)
        said = [_say(text, _name(best), most, title, len(self.measured), self.data, value)]
        for more in (*self._verdicts(), *self._costs(best)):
            if len(said) > 1 and sum(len(sentence.striptags()) + 1 for sentence in (*said, more)) > ROOM:
                break
            said.append(more)
        return Markup(" ").join(said)

    def line(self) -> Markup:
        """The best variant and whether that is shown, in a line."""
        if len(self.measured) < 2:
            return self._alone()
        (best, reached), *_ = self.measured
        beaten = sum(pair is not None and pair.better is best for _, pair in self.against)
        seeds = max((pair.n for _, pair in self.against if pair), default=0)
        verdict = f"better than {beaten} of {len(self.against)} others"
        if seeds < FEWEST:
            verdict = f"no verdict from {_seeds(seeds)}"
        text = "<strong>{}</strong> leads on {}: {}; {}."
        return _say(text, _name(best), self.data, scored(self.headline, reached.mean), verdict)

    def _alone(self) -> Markup:
        """Of a data set without a second variant."""
        if self.measured:
            variant, found = self.measured[0]
            title, value = title_of(self.headline), _value(self.headline, found)
            return _say("<strong>{}</strong> has a test {} of {} on {}.", _name(variant), title, value, self.data)
        if any(variant.done for variant in self.ranked):
            return _say("On {} the runs that are completed do not say what they are judged by.", self.data)
        return _say("On {} no run is completed yet: there is nothing to compare.", self.data)

    def _verdicts(self) -> list[Markup]:
        """Of the best against the others: what is shown, what is not, and what would be needed."""
        best = self.measured[0][0]
        pairs = [pair for _, pair in self.against if pair]
        ahead = [pair for pair in pairs if pair.better is best]
        behind = [pair for pair in pairs if pair.better is pair.b]
        level = [pair for pair in pairs if pair.n >= FEWEST and pair.better is None]
        few = [pair for pair in pairs if pair.n < FEWEST]
        strangers = [variant for variant, pair in self.against if pair is None]
        said = []
        if behind:
            text = "On the seeds that both have completed it is behind {} ({})."
            said.append(_say(text, _names(behind), self._difference(behind)))
        if level:
            low, high = level[0].overall[1:3]
            alone = low is not None and high is not None and not low <= 0 <= high
            together = " once all pairs are tested together" if alone and level[0].p is not None else ""
            text = "That it is better than {} is not shown{} ({}{})."
            said.append(_say(text, _names(level), together, self._difference(level), _needed(level[0])))
        if few:
            text = "There is no verdict on {}: that takes {} seeds or more, and there {} {} ({}{})."
            are, difference = "is" if few[0].n == 1 else "are", self._difference(few)
            seeds = "one so far" if few[0].n == 1 else few[0].n
            said.append(_say(text, _names(few), FEWEST, are, seeds, difference, _needed(few[0])))
        if ahead:
            said.append(_say("It is ahead of {} ({}).", _names(ahead), self._difference(ahead)))
        if strangers:
            said.append(_say("No seed is common to it and {}.", _listed([_name(variant) for variant in strangers])))
        return said

    def _difference(self, pairs: Sequence[Pair]) -> str:
        """How far the best is above the nearest of others, with an interval."""
        gain = score.advantage(self.headline, pairs[0].overall)
        shown = partial(score.difference, self.headline)
        named = "" if len(pairs) == 1 else f"{_name(pairs[0].b)}: "
        named += f"{shown(gain.mean)}{score.unit_of_difference(self.headline)}"
        return named if gain.low is None else f"{named}, {interval(gain, shown)}"

    def _costs(self, best: Variant) -> list[Markup]:
        """Which of the best, and of those that nobody can tell from it, took the least energy."""
        level = [pair.b for _, pair in self.against if pair and pair.n >= FEWEST and pair.better is None]
        costs = [(found.mean, variant) for variant in (best, *level) if (found := variant.estimate("joules"))]
        if not costs:
            return []
        if len({variant.prices for _, variant in costs}) > 1:
            return [_say("Their energies were modelled with different prices and are not compared.")]
        least, cheapest = min(costs, key=lambda pair: pair[0])
        ratio = cheapest.estimate("energy_ratio")
        dense = f", {percent(ratio.mean)} of dense products" if ratio else ""
        if len(costs) == 1:
            return [_say("Its training took {} (modelled){}.", joules(least), dense)]
        text = "Of these, <strong>{}</strong> took the least energy: {} (modelled){}."
        return [_say(text, _name(cheapest), joules(least), dense)]


def _value(headline: Headline | None, found: Estimate) -> str:
    shown = partial(scored, headline)
    if found.low is None:
        return f"{shown(found.mean)} (one seed)"
    return f"{shown(found.mean)} (95 % interval {interval(found, shown)}, {found.n} seeds)"


def _needed(pair: Pair) -> str:
    """How many seeds would show the difference, where something tells."""
    if pair.is_undecidable:
        return "; without predictions.csv for the same recordings"
    if pair.needed is None:
        return ""
    if math.isinf(pair.needed):
        return "; the test set is too small to show it"
    return f"; about {pair.needed:.0f} seeds would show it"


def _seeds(count: int) -> str:
    return f"{count} seed{'s' if count != 1 else ''}"


def _name(variant: Variant) -> str:
    return variant.label if len(variant.label) <= LONGEST else f"{variant.label[: LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"


def _names(pairs: Sequence[Pair]) -> str:
    return _listed([_name(pair.b) for pair in pairs])


def _listed(names: Sequence[str]) -> str:
    if len(names) > NAMED:
        names = [*names[: NAMED - 1], f"{len(names) - NAMED + 1} others"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _say(text: str, *values: object) -> Markup:
    # a number stays with its sign of percent
    return Markup(Markup(text).format(*values).replace(" %", "\N{NO-BREAK SPACE}%"))
