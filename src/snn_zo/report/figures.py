"""The comparison as figures for a paper: PDF and SVG files, of the width of a column."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from snn_zo.atomic import write_atomically
from snn_zo.headline import Headline
from snn_zo.report.comparison import Comparison
from snn_zo.report.dashboard.payload import curves, prominence
from snn_zo.report.dashboard.swept import Swept, swept
from snn_zo.report.interval import Estimate
from snn_zo.report.names import Name, mathtext, names, plain, setting, slug
from snn_zo.report.score import is_share, sign_of, title_of
from snn_zo.report.variants import Variant

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import LineStyleType, RcKeyType

WIDTH, PANEL, LINE = 3.3, 2.1, 0.155
"""Inches: of a column of a paper; height of a panel; of a line of the legend."""
STYLE: dict[RcKeyType, object] = {
    "font.size": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.0,
    "lines.markersize": 4.5,
    "pdf.fonttype": 42,  # journals take no fonts of type 3
    "svg.hashsalt": "snn_zo",  # the same file for the same runs
}
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Of Okabe and Ito, which colour-blind readers can tell apart."""
MARKERS = ("o", "s", "D", "^", "v", "P", "*", "X", "<", ">")
DASHES: tuple[LineStyleType, ...] = ("-", "--", ":", "-.")
NAMED = len(COLOURS) * 2
"""Variants that a figure names; the others are grey."""
LETTERS = 48
"""Letters of the legend that fit in a line."""
POINTS = 400
"""Epochs of a curve that are drawn."""
COSTS: dict[str, tuple[str, str, float]] = {
    "active": ("active", "active fraction [%]", 100.0),
    "joules": ("energy", "modelled energy of the training [J]", 1.0),
}
"""Quantities that a score is drawn against: the end of the file's name, the title of the axis, and its scale."""
TICKS = 8
"""Values of a setting that each get a tick."""
LOG_FROM = 3.0
"""Ratio of the largest to the smallest value from which on an axis is logarithmic."""


@dataclass(frozen=True)
class Look:
    """How a variant, or a line of variants, is called and drawn."""

    name: Name
    colour: str
    marker: str
    dash: LineStyleType
    named: bool = True


def write_figures(comparison: Comparison, folder: Path) -> list[Path]:
    """Write each figure that there are values for as a PDF and an SVG file; the files.

    Raises:
        OSError: one could not be written.
    """
    from matplotlib import rc_context

    written = []
    with rc_context(STYLE):
        for name, figure in _figures(comparison):
            for kind, date in (("pdf", "CreationDate"), ("svg", "Date")):
                content = io.BytesIO()
                figure.savefig(content, format=kind, metadata={date: None})
                written.append(folder / f"{name}.{kind}")
                write_atomically(written[-1], content.getvalue())
    return written


def _figures(comparison: Comparison) -> Iterator[tuple[str, Figure]]:
    """Of each data set: score against activity, against energy, over epochs, and against each swept setting."""
    for data in comparison.data:
        variants = comparison.of(data)
        looks = _looks(comparison, data)
        headline, place = comparison.headline_of(data), slug(data)
        for cost, (end, *_) in COSTS.items():
            if any(variant.estimate("score") and variant.estimate(cost) for variant in variants):
                yield f"{place}-{end}", _cost(headline, variants, looks, cost)
        if headline and (learning := _learning(headline, variants)):
            yield f"{place}-curves", _curves(headline, learning, looks)
        for found in swept(sorted(variants, key=lambda variant: variant.order)):
            yield f"{place}-{slug(found.name)}", _swept(headline, found)


def _looks(comparison: Comparison, data: str) -> list[Look]:
    """How each variant of a data set is drawn: the most prominent ones get colours, as on the dashboard."""
    variants = comparison.of(data)
    ranked = sorted(variants, key=lambda variant: variant.order)
    place = {id(variant): i for i, variant in enumerate(ranked)}
    active, joules = ([place[id(v)] for v in comparison.pareto(cost) if v.data == data] for cost in COSTS)
    order = prominence(ranked, data, {"active": [active], "joules": [joules]})
    return [_look(name, order.index(place[id(v)])) for name, v in zip(names(variants), variants, strict=True)]


def _look(name: Name, i: int) -> Look:
    if i >= NAMED:
        return Look(name, "0.7", ".", "-", named=False)
    return Look(name, COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)], DASHES[i // len(COLOURS)])


def _cost(headline: Headline | None, variants: Sequence[Variant], looks: Sequence[Look], cost: str) -> Figure:
    """Mean scores against mean costs, with intervals."""
    _, title, scale = COSTS[cost]
    there = [
        (spent, score, look)
        for variant, look in zip(variants, looks, strict=True)
        if (score := variant.estimate("score")) and (spent := variant.estimate(cost))
    ]
    figure, (axes,) = _figure(1, [replace(look, dash="none") for *_, look in there])
    for spent, score, look in there:
        _points(axes, [(spent, scale)], [(score, _scale(headline))], look, line=False)
    _axis(axes, "x", title, [scale * spent.mean for spent, *_ in there])
    axes.set_ylabel(_score_title(headline, "test"))
    return figure


def _learning(headline: Headline, variants: Sequence[Variant]) -> dict[int, dict[str, list[list[float]]]]:
    """Epochs, and mean, lowest and highest validation score at each, [E], by the place of the variant."""
    found = {}
    for i, variant in enumerate(variants):
        drawn = curves(variant, headline.name, POINTS)
        if values := drawn["y"].get(headline.logged("val")):
            found[i] = {"x": [drawn["x"]["epoch"]], "y": [column for column in values if column]}
    return found  # type: ignore[return-value]


def _curves(headline: Headline, learning: dict[int, dict[str, list[list[float]]]], looks: Sequence[Look]) -> Figure:
    """Validation scores over epochs: means, and the range of the seeds."""
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    figure, (axes,) = _figure(1, [looks[i] for i in learning])
    for i, drawn in learning.items():
        look, (x,) = looks[i], drawn["x"]
        mean, *band = (_scale(headline) * np.array(column, float) for column in drawn["y"])
        every = max(1, len(x) // 8)
        axes.plot(x, mean, color=look.colour, linestyle=look.dash, marker=look.marker, markevery=every, markersize=3)
        if band:
            axes.fill_between(x, band[0], band[1], color=look.colour, alpha=0.15, linewidth=0)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True))
    axes.set_ylabel(_score_title(headline, "validation"))
    return figure


def _swept(headline: Headline | None, found: Swept) -> Figure:
    """Test score and active fraction against a setting."""
    called = names([line.variants[0] for line in found.lines], without=found.setting)
    looks = [_look(name, i) for i, name in enumerate(called)]
    figure, panels = _figure(2, looks)
    for axes, quantity, scale in zip(panels, ("score", "active"), (_scale(headline), 100.0), strict=True):
        means: list[float] = []
        for look, line in zip(looks, found.lines, strict=True):
            estimates = [variant.estimate(quantity) for variant in line.variants]
            there = [(value, known) for value, known in zip(line.values, estimates, strict=True) if known]
            x = [(Estimate(value, None, None, 1), 1.0) for value, _ in there]
            _points(axes, x, [(known, scale) for _, known in there], look, line=True)
            means += [scale * known.mean for _, known in there]
        if quantity == "active":
            _axis(axes, "y", COSTS["active"][1], means)
    panels[0].set_ylabel(_score_title(headline, "test"))
    values = [value for line in found.lines for value in line.values]
    title = mathtext([setting(found.setting, found.name)])
    _axis(panels[-1], "x", title, values, ticks=len(set(values)) <= TICKS)
    return figure


def _points(
    axes: Axes, x: Sequence[tuple[Estimate, float]], y: Sequence[tuple[Estimate, float]], look: Look, *, line: bool
) -> None:
    """Means with their intervals, which are taken times a scale each."""
    axes.errorbar(
        [scale * found.mean for found, scale in x],
        [scale * found.mean for found, scale in y],
        xerr=_errors(x),
        yerr=_errors(y),
        color=look.colour,
        marker=look.marker,
        linestyle=look.dash if line else "none",
        elinewidth=0.7,
        capsize=1.5,
        zorder=2 + look.named,
    )


def _errors(values: Sequence[tuple[Estimate, float]]) -> list[list[float]]:
    """How far the ends of the intervals are from the means, below and above."""
    ends = [
        (scale * found.mean, *(scale * (found.mean if end is None else end) for end in (found.low, found.high)))
        for found, scale in values
    ]
    # a mean may lie a rounding error outside of equal ends
    return [[max(mean - low, 0) for mean, low, _ in ends], [max(high - mean, 0) for mean, _, high in ends]]


def _figure(panels: int, looks: Sequence[Look]) -> tuple[Figure, list[Axes]]:
    """Panels above each other with a common x axis, and the legend below them."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    named = [look for look in looks if look.named]
    labels = [mathtext(look.name, LETTERS) for look in named]
    handles = [Line2D([], [], color=look.colour, marker=look.marker, linestyle=look.dash) for look in named]
    if others := len(looks) - len(named):
        labels.append(f"{others} other{'s' * (others > 1)}")
        handles.append(Line2D([], [], color="0.7", marker=".", linestyle="none"))
    columns = 2 if max(len(plain(look.name)) for look in looks) <= LETTERS // 2 else 1
    lines = sum(1 + label.count("\n") for label in labels)
    size = (WIDTH, PANEL * panels + LINE * (-(-lines // columns) + 1))
    figure = Figure(figsize=size, layout="constrained")
    axes = list(figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0])
    for panel in axes:
        panel.grid(color="0.92", linewidth=0.5)
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False, borderaxespad=0.2)
    return figure, axes


def _axis(axes: Axes, which: Literal["x", "y"], title: str, values: Sequence[float], *, ticks: bool = False) -> None:
    """Title of an axis; a logarithmic scale where values are of different magnitude; perhaps a tick at each value."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

    axes.set(**{f"{which}label": title})
    if not values or min(values) <= 0 or max(values) < LOG_FROM * min(values):
        return
    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    steps = (1,) if max(values) > 1e3 * min(values) else (1, 2, 5)
    axis.set_major_locator(FixedLocator(sorted(set(values))) if ticks else LogLocator(subs=steps, numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if ticks:
        axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def _score_title(headline: Headline | None, part: str) -> str:
    unit = f" [{headline.unit}]" if headline and headline.unit else ""
    hint = ", less is better" if sign_of(headline) < 0 else ""
    return f"{part} {title_of(headline)}{unit}{hint}".replace("$", r"\$")


def _scale(headline: Headline | None) -> float:
    return 100.0 if is_share(headline) else 1.0
