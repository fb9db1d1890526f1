"""The figure of a data set; loads matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import NamedTuple

import numpy as np
from matplotlib import rc_context, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from numpy.typing import NDArray

from snn_zo.data.dataset import EventDataset
from snn_zo.data.statistics import Part
from snn_zo.page import embedded_png
from snn_zo.target import Classes

_COLUMNS, _MOST = 10, 40
"""Images in a row of the figure, and groups that are shown at most."""
_TARGETS = 3
"""Continuous targets that are shown at most."""
_LIGHT, _DARK = "#1a1c1e", "#e3e1db"
"""Inks of page.css on its two grounds."""


class Picture(NamedTuple):
    """A part of the figure for a page, as PNG in base64: on a light and on a dark ground, and in words."""

    light: str
    dark: str
    about: str


def draw(dataset: EventDataset, parts: list[Part]) -> Figure:
    """Rate over time, events of a recording and continuous targets in each split, and the first groups.

    A group is a class, or a range of continuous targets; it is shown as an image, or as the raster of a recording.
    """
    columns = _COLUMNS if _of_camera(dataset) else _COLUMNS // 2
    height = _height(dataset, parts, columns)
    figure = Figure(figsize=(13, 3.2 + height), layout="constrained")
    halves = figure.subfigures(2, 1, squeeze=False, height_ratios=(3.2, height))
    above, below = halves[:, 0]
    panels = _panels(dataset, parts)
    for axes, (_, panel) in zip(above.subplots(1, len(panels), squeeze=False).flat, panels, strict=True):
        panel(axes)
    _groups(below, dataset, parts, columns)
    return figure


def pictures(dataset: EventDataset, parts: list[Part]) -> list[Picture]:
    """The same in pieces that a telephone has room for."""
    light, dark = (list(_pieces(dataset, parts, ink)) for ink in (_LIGHT, _DARK))
    return [Picture(one, other, about) for (about, one), (_, other) in zip(light, dark, strict=True)]


def _pieces(dataset: EventDataset, parts: list[Part], ink: str) -> Iterator[tuple[str, str]]:
    """What each piece is, and its bytes; what is behind it shows through."""
    with _drawn_with(ink):
        for about, panel in _panels(dataset, parts):
            figure = Figure(figsize=(4.6, 3.1), layout="constrained")
            panel(figure.subplots())
            yield about, embedded_png(figure)
        columns = _COLUMNS // 2 if _of_camera(dataset) else 2
        figure = Figure(figsize=(5.6, _height(dataset, parts, columns) + 0.5), layout="constrained")
        _groups(figure, dataset, parts, columns)
        yield "recordings of each class or range of targets", embedded_png(figure)


def _drawn_with(ink: str) -> AbstractContextManager[None]:
    return rc_context(
        {
            "text.color": ink,
            "axes.edgecolor": ink,
            "axes.labelcolor": ink,
            "xtick.color": ink,
            "ytick.color": ink,
            "figure.facecolor": "none",
            "axes.facecolor": "none",
            "legend.framealpha": 0,
        }
    )


def _of_camera(dataset: EventDataset) -> bool:
    return dataset.grid.rows > 1


def _height(dataset: EventDataset, parts: list[Part], columns: int) -> float:
    """Inches that the groups take."""
    rows = -(-min(len(parts[0].example), _MOST) // columns)
    return (1.6 if _of_camera(dataset) else 2.0) * rows


def _panels(dataset: EventDataset, parts: list[Part]) -> list[tuple[str, Callable[[Axes], None]]]:
    """What each of the statistics is, and how it is drawn."""
    targets = 0 if isinstance(dataset.target, Classes) else min(dataset.target.outputs, _TARGETS)
    return [
        ("rate over time", partial(_rate, dataset=dataset, parts=parts)),
        ("events of a recording", partial(_events, parts=parts)),
        *(
            (f"target {number}", partial(_target, dataset=dataset, parts=parts, number=number))
            for number in range(targets)
        ),
    ]


def _rate(axes: Axes, dataset: EventDataset, parts: list[Part]) -> None:
    ms = dataset.start + dataset.dt * np.arange(dataset.steps)
    for part in parts:
        axes.plot(ms, part.rate, label=part.name, linewidth=1)
    axes.set_xlabel("ms since the beginning")
    axes.set_ylabel(f"events in {dataset.dt:g} ms")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8)


def _events(axes: Axes, parts: list[Part]) -> None:
    _histogram(axes, parts, [part.events for part in parts])
    axes.set_xlabel("events of a recording")
    axes.set_ylabel("share of the recordings")


def _target(axes: Axes, dataset: EventDataset, parts: list[Part], number: int) -> None:
    _histogram(axes, parts, [part.target[:, number] for part in parts])
    axes.set_xlabel("target" if dataset.target.outputs == 1 else f"target {number}")
    axes.set_ylabel("share of the recordings")


def _groups(place: FigureBase, dataset: EventDataset, parts: list[Part], columns: int) -> None:
    camera = _of_camera(dataset)
    shown = list(parts[0].example)[:_MOST]
    left_out = f", the first {len(shown)} classes" if len(shown) < len(parts[0].example) else ""
    what = "mean events of a training recording at each pixel" if camera else "a training recording: input over ms"
    place.suptitle(f"{what}{left_out}", fontsize=10)
    grid = place.subplots(-(-len(shown) // columns), columns, squeeze=False, sharex=True, sharey=True)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, group in zip(grid.flat, shown, strict=False):
        (_image if camera else _raster)(axes, dataset, parts[0], group)
        axes.set_title(parts[0].groups[group], fontsize=10)


def _histogram(axes: Axes, parts: list[Part], values: list[NDArray]) -> None:
    """Shares of the recordings of each split over values [S] that they have."""
    edges = np.histogram_bin_edges(np.concatenate(values), 40)
    for part, one in zip(parts, values, strict=True):
        axes.hist(one, list(edges), weights=np.full(len(one), 1 / len(one)), histtype="step", label=part.name)


def _image(axes: Axes, dataset: EventDataset, part: Part, group: int) -> None:
    """Polarity 0 in blue, 1 in red; grey where they are merged."""
    grid, dark = dataset.grid, rcParams["text.color"] == _DARK
    planes = part.image[group].reshape(grid.polarities, grid.rows, grid.columns)
    if grid.polarities == 1:
        axes.imshow(planes[0], cmap="gray" if dark else "gray_r", vmin=0)
        return
    off, on = planes / max(planes.max(), 1e-9)
    both = (off + on + np.maximum(off, on)) / 2
    light = np.stack([1 - off, 1 - both, 1 - on], -1)
    axes.imshow(np.clip(np.stack([on, both / 2, off], -1) if dark else light, 0, 1))


def _raster(axes: Axes, dataset: EventDataset, part: Part, group: int) -> None:
    step, col = part.example[group]
    axes.set_axis_on()
    ms, ink = dataset.start + dataset.dt * step, rcParams["text.color"]
    axes.plot(ms, col, "|" if dataset.inputs < 150 else ",", color=ink, markersize=2)
    axes.set_xlim(dataset.start, dataset.start + dataset.dt * dataset.steps)
    axes.set_ylim(0, dataset.inputs)
    axes.tick_params(labelsize=7)
