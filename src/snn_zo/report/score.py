"""The headline metric of a run: as its summary tells it, and in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from snn_zo.headline import Direction, Headline
from snn_zo.untrusted import at, fraction, line, number

LONGEST = 60
"""Characters of a name, a title and a unit."""
SHARES = ("top3",)
"""Metrics besides headline ones that are fractions."""


def headline_of(summary: Mapping[str, object]) -> Headline | None:
    """The metric that a run is judged by; None where its summary does not say one."""
    found = summary.get("headline")
    name, title, unit = (line(at(found, part), LONGEST) for part in ("name", "title", "unit"))
    direction = at(found, "direction")
    if name is None or title is None or direction not in get_args(Direction):
        return None
    return Headline(name, title, direction, unit or "")


def is_share(headline: Headline | None) -> bool:
    """Whether its values are fractions, from 0 to 1."""
    return headline is not None and headline.unit == "%"


def value_of(headline: Headline | None, value: object) -> float | None:
    """A value that the metric can have; None where it is none, or there is no metric."""
    if headline is None:
        return None
    return fraction(value) if is_share(headline) else number(value)


def sign_of(headline: Headline | None) -> Literal[-1, 1]:
    """What its values are multiplied by so that the largest is the best."""
    return -1 if headline is not None and headline.direction == "min" else 1


def title_of(headline: Headline | None) -> str:
    """In words; `score` where there is none."""
    return headline.title if headline else "score"


def heading_of(headline: Headline | None) -> str:
    """Title and unit, for a column of `bare` values."""
    return f"{title_of(headline)} {headline.unit}".rstrip() if headline else title_of(headline)


def bare(headline: Headline | None, value: float) -> str:
    """A value without its unit: a fraction in per cent with one decimal, else four significant digits."""
    return f"{100 * value:.1f}" if is_share(headline) else f"{value:.4g}"


def scored(headline: Headline | None, value: float | None) -> str:
    """A value with its unit."""
    if value is None:
        return "-"
    return f"{bare(headline, value)} {headline.unit}".rstrip() if headline else bare(headline, value)


def measured(headline: Headline | None, logged: str, value: float) -> str:
    """A logged value by its name, `test/acc 87.5 %`: with a unit if it is the headline metric or another share."""
    _, _, name = logged.rpartition("/")
    if headline is None or name != headline.name:
        headline = Headline(name, name, unit="%" if name in SHARES else "")
    return f"{logged} {scored(headline, value)}"
