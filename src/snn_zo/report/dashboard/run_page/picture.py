"""Small pictures for a page without scripts: curves and points as SVG, in the page's own colours.

Sizes are in px; a picture is drawn at about its own size, and shrinks with a narrow page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from snn_zo.report.dashboard.run_page.axis import Axis

WIDTH, HEIGHT = 380, 240
LEFT, RIGHT, TOP, BOTTOM = 62, 12, 18, 42
COLOURS = 7
"""Classes `c0` to `c6` of the style sheet; more curves have the same ones, dashed."""


def element(tag: str, *content: Markup | str, **attributes: float | str) -> Markup:
    """An element; text in it, and in its attributes, is never read as markup."""
    names = {name: name.rstrip("_").replace("_", "-") for name in attributes}
    told = "".join(f' {names[name]}="{escape(_short(value))}"' for name, value in attributes.items())
    return Markup(f"<{tag}{told}>{Markup('').join(content)}</{tag}>")


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")


@dataclass(frozen=True)
class Curve:
    """Finite values [E] at places [E], at least one, and what they are."""

    name: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]


def curves(label: str, across: Axis, up: Axis, drawn: Sequence[Curve], mark: tuple[float, str] | None = None) -> Markup:
    """Curves in the order of their colours; a single value is a point.

    Args:
        label: the picture in words, for those who do not see it.
        across, up: axes.
        drawn: the curves.
        mark: a value on the x axis, and what it is, for a line across.
    """
    lines = [element("g", _pieces(one, across, up), class_=colour(i)) for i, one in enumerate(drawn)]
    if mark is not None:
        x = float(_across(across, np.array([mark[0]]))[0])
        lines.append(element("line", class_="mark", x1=x, x2=x, y1=TOP, y2=HEIGHT - BOTTOM))
        text = min(max(x, LEFT + 16), WIDTH - 20)
        lines.append(element("text", mark[1], class_="tick", x=text, y=TOP - 5, text_anchor="middle"))
    return _picture(label, across, up, lines)


def colour(i: int) -> str:
    """Classes of the i-th curve."""
    return f"c{i % COLOURS}{' dashed' if i // COLOURS % 2 else ''}"


def _pieces(one: Curve, across: Axis, up: Axis) -> Markup:
    x, y = _across(across, one.x), _up(up, one.y)
    title = element("title", one.name)
    if len(x) == 1:
        return element("circle", title, class_="point", cx=float(x[0]), cy=float(y[0]), r=4.0)
    path = "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))
    return element("path", title, class_="line", d=f"M{path}")


def points(label: str, across: Axis, up: Axis, one: Curve) -> Markup:
    """Points, and the diagonal on which the two axes have the same value."""
    ends = np.array([max(across.low, up.low), min(across.high, up.high)])
    (x1, x2), (y1, y2) = _across(across, ends), _up(up, ends)
    diagonal = element("line", class_="mark", x1=float(x1), x2=float(x2), y1=float(y1), y2=float(y2))
    places = zip(_across(across, one.x), _up(up, one.y), strict=True)
    dots = [element("circle", class_="dot", cx=float(x), cy=float(y), r=2.2) for x, y in places]
    return _picture(label, across, up, [diagonal, element("g", *dots, class_=colour(0))])


def _across(axis: Axis, values: NDArray[np.float64]) -> NDArray[np.float64]:
    return LEFT + axis.at(values) * (WIDTH - LEFT - RIGHT)


def _up(axis: Axis, values: NDArray[np.float64]) -> NDArray[np.float64]:
    return HEIGHT - BOTTOM - axis.at(values) * (HEIGHT - TOP - BOTTOM)


def _picture(label: str, across: Axis, up: Axis, content: Sequence[Markup]) -> Markup:
    """A frame with the ticks and titles of its axes."""
    bottom, right, middle = HEIGHT - BOTTOM, WIDTH - RIGHT, (TOP + HEIGHT - BOTTOM) / 2
    parts: list[Markup] = []
    for y, text in zip(_up(up, np.array([tick for tick, _ in up.ticks])), [text for _, text in up.ticks], strict=True):
        parts.append(element("line", class_="grid", x1=LEFT, x2=right, y1=float(y), y2=float(y)))
        parts.append(element("text", text, class_="tick", x=LEFT - 6, y=float(y) + 4, text_anchor="end"))
    places = _across(across, np.array([tick for tick, _ in across.ticks]))
    for x, (_, text) in zip(places, across.ticks, strict=True):
        parts.append(element("line", class_="axis", x1=float(x), x2=float(x), y1=bottom, y2=bottom + 4))
        parts.append(element("text", text, class_="tick", x=float(x), y=bottom + 17, text_anchor="middle"))
    parts.append(element("path", class_="axis", d=f"M{LEFT} {TOP}V{bottom}H{right}"))
    parts.append(element("text", across.title, x=(LEFT + right) / 2, y=HEIGHT - 5, text_anchor="middle"))
    turned = f"rotate(-90 11 {middle:g})"
    parts.append(element("text", up.title, x=11.0, y=middle, text_anchor="middle", transform=turned))
    box = f"0 0 {WIDTH} {HEIGHT}"
    return element("svg", *parts, *content, viewBox=box, width=WIDTH, role="img", aria_label=label)
