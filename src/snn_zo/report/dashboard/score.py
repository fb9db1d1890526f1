"""The metric that a data set is judged by, in words: accuracies in those that suit them, others in plain ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from snn_zo.headline import Headline
from snn_zo.report.bootstrap import Estimate
from snn_zo.report.score import is_share
from snn_zo.report.variants import Variant

UNNAMED = Headline("", "score")
"""Stands for different metrics, and for one that no run has said."""


class Words(NamedTuple):
    """What the values of a metric are called, and comparatives."""

    values: str
    better: str
    best: str


def judged_by(variants: Iterable[Variant]) -> Headline:
    """The metric that these are judged by."""
    return next((variant.headline for variant in variants if variant.headline), UNNAMED)


def common(headlines: Iterable[Headline]) -> Headline:
    """The one that all of them are."""
    different = set(headlines)
    return different.pop() if len(different) == 1 else UNNAMED


def words(headline: Headline) -> Words:
    """How to speak of it."""
    if headline.title == "accuracy":
        return Words("Accuracies", "more accurate", "most accurate")
    return Words("Scores" if headline == UNNAMED else f"Values of {headline.title}", "better", "best")


def value(headline: Headline, number: float) -> str:
    """With its unit."""
    return f"{100 * number:.1f} %" if is_share(headline) else f"{number:.4g} {headline.unit}".rstrip()


def distance(headline: Headline, number: float) -> str:
    """A difference without sign and unit."""
    return f"{100 * number:.2f}" if is_share(headline) else f"{number:.3g}"


def difference(headline: Headline, number: float) -> str:
    """A difference with its sign, without unit."""
    rounded = round(100 * number, 2) if is_share(headline) else float(f"{number:.3g}")
    shown = f"{rounded + 0.0:+.2f}" if is_share(headline) else f"{rounded + 0.0:+.3g}"  # no negative zero
    return shown.replace("-", "\N{MINUS SIGN}")


def unit_of_difference(headline: Headline) -> str:
    """With a space before it, or nothing."""
    return " points" if is_share(headline) else f" {headline.unit}".rstrip()


def advantage(headline: Headline, found: Estimate) -> Estimate:
    """How much better the first of two is, from the difference of their values."""
    if headline.direction == "max":
        return found
    low, high = (None if end is None else -end for end in (found.high, found.low))
    return Estimate(-found.mean, low, high, found.n)
