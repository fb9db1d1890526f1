"""The metric that a data set is judged by, in words; None is one that no run has said, or several."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from snn_zo.headline import Headline
from snn_zo.report.interval import Estimate
from snn_zo.report.score import is_share, sign_of

NOISE = 12
"""Decimals of a difference, beyond which it is one of rounding."""


class Words(NamedTuple):
    """What the values of a metric are called, and comparatives."""

    values: str
    better: str
    best: str


def words(headline: Headline | None) -> Words:
    """How to speak of it: of an accuracy in words that suit accuracies."""
    if headline is None:
        return Words("Scores", "better", "best")
    if headline.title == "accuracy":
        return Words("Accuracies", "more accurate", "most accurate")
    return Words(f"Values of {headline.title}", "better", "best")


def common(headlines: Iterable[Headline | None]) -> Headline | None:
    """The one that all of them are which are known: where nothing says a metric there is no value either."""
    known = set(headlines) - {None}
    return known.pop() if len(known) == 1 else None


def distance(headline: Headline | None, number: float) -> str:
    """A difference without sign and unit."""
    return f"{100 * number:.2f}" if is_share(headline) else f"{number:.3g}"


def difference(headline: Headline | None, number: float) -> str:
    """A difference with its sign, without unit."""
    number = round(number, NOISE) + 0.0  # no negative zero
    shown = f"{round(100 * number, 2) + 0.0:+.2f}" if is_share(headline) else f"{number:+.3g}"
    return shown.replace("-", "\N{MINUS SIGN}")


def unit_of_difference(headline: Headline | None) -> str:
    """With a space before it, or nothing."""
    if is_share(headline):
        return " points"
    return f" {headline.unit}".rstrip() if headline else ""


def advantage(headline: Headline | None, found: Estimate) -> Estimate:
    """How much better the first of two is, from the difference of their values."""
    if sign_of(headline) > 0:
        return found
    low, high = (None if end is None else -end for end in (found.high, found.low))
    return Estimate(-found.mean, low, high, found.n)
