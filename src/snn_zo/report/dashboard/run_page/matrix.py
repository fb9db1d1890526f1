"""A confusion matrix as SVG, for a page without scripts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from snn_zo.quantity import percent
from snn_zo.report.dashboard.run_page.picture import element

CELL, NUMBERED = 30, 20
"""Px of a cell, and classes up to which cells have numbers."""
SMALLEST, SIDE = 6, 620
"""Px of a cell, at least, and of the side of a large matrix."""
DIGIT = 7
"""Px that a character takes."""
LONGEST = 12
"""Characters of a class at an axis."""


def matrix(label: str, classes: Sequence[str], counts: NDArray[np.float64]) -> Markup:
    """Recordings of each true class, by row, by predicted class; shaded by the share of the row.

    Args:
        label: the picture in words.
        classes: names of the C classes.
        counts: of recordings, [C, C].
    """
    numbered = len(classes) <= NUMBERED
    cell = CELL if numbered else max(SMALLEST, SIDE // len(classes))
    names = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}" for name in classes]
    longest = DIGIT * max(map(len, names))
    left, side = 32 + longest, cell * len(classes)
    turned = longest > cell
    below = 30 + (longest if turned else 14)
    middle = side / 2
    parts = [
        *_cells(classes, counts, cell, left, numbered),
        *_names(names, cell, left, side, turned),
        element("rect", class_="frame", x=left, y=0, width=side, height=side),
        element("text", "predicted class", x=left + middle, y=side + below - 8, text_anchor="middle"),
        element("text", "true class", x=12, y=middle, text_anchor="middle", transform=f"rotate(-90 12 {middle:g})"),
    ]
    width = left + side + 2
    kind = "matrix numbered" if numbered else "matrix"
    box = f"0 -1 {width} {side + below}"
    return element("svg", *parts, viewBox=box, width=width, role="img", aria_label=label, class_=kind)


def _cells(
    classes: Sequence[str], counts: NDArray[np.float64], cell: int, left: int, numbered: bool
) -> Iterator[Markup]:
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    for i, j in np.argwhere(counts > 0).tolist():
        x, y, part = left + cell * j, cell * i, share[i, j]
        told = element("title", f"{classes[i]} as {classes[j]}: {counts[i, j]:g}, {percent(part)} of the class")
        opacity = f"{0.12 + 0.88 * part:.2f}"
        place = {"x": x + 0.5, "y": y + 0.5, "width": cell - 1, "height": cell - 1}
        yield element("rect", told, class_="cell", fill_opacity=opacity, **place)
        if numbered:
            kind = "number strong" if part > 0.5 else "number"
            middle = {"x": x + cell / 2, "y": y + cell / 2 + 4}
            yield element("text", f"{counts[i, j]:g}", class_=kind, text_anchor="middle", **middle)


def _names(names: Sequence[str], cell: int, left: int, side: int, turned: bool) -> Iterator[Markup]:
    """Below the matrix and beside it; of many classes every second, third, ... one."""
    for i in range(0, len(names), math.ceil(14 / cell)):
        at = cell * (i + 0.5)
        yield element("text", names[i], class_="tick", x=left - 6, y=at + 4, text_anchor="end")
        x, y = left + at, side + 16
        if turned:
            turn = f"rotate(-90 {x + 4:g} {y - 8:g})"
            yield element("text", names[i], class_="tick", x=x + 4, y=y - 8, text_anchor="end", transform=turn)
        else:
            yield element("text", names[i], class_="tick", x=x, y=y, text_anchor="middle")
