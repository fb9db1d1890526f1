"""The headline metric of a run: as its summary tells it, and in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from snn_zo.headline import Direction, Headline
from snn_zo.untrusted import at, fraction, line, number

LONGEST = 60
"""Characters of a name, a title and a unit."""


def headline_of(summary: Mapping[str, Any]) -> Headline | None:
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


def value_of(headline: Headline, value: object) -> float | None:
    """A value that the metric can have; None where it is none."""
    return fraction(value) if is_share(headline) else number(value)
