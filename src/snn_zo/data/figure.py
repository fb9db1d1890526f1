"""The figure of a data set; loads matplotlib."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from snn_zo.data.dataset import EventDataset
from snn_zo.data.statistics import Part
from snn_zo.target import Classes

_COLUMNS, _MOST = 10, 40
"""Images in a row of the figure, and groups that are shown at most."""
_TARGETS = 3
"""Continuous targets that are shown at most."""


def draw(dataset: EventDataset, parts: list[Part]) -> Figure:
    """Rate over time, events of a recording and continuous targets in each split, and the first groups.

    A group is a class, or a range of continuous targets; it is shown as an image, or as the raster of a recording.
    """
    shown = list(parts[0].example)[:_MOST]
    camera = dataset.grid.rows > 1
    columns = _COLUMNS if camera else _COLUMNS // 2
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(13, 3.2 + (1.6 if camera else 2.0) * rows), layout="constrained")
    halves = figure.subfigures(2, 1, squeeze=False, height_ratios=(3.2, (1.6 if camera else 2.0) * rows))
    above, below = halves[:, 0]
    targets = 0 if isinstance(dataset.target, Classes) else min(dataset.target.outputs, _TARGETS)
    rate, events, *histograms = above.subplots(1, 2 + targets)
    _statistics(rate, events, dataset, parts)
    for number, axes in enumerate(histograms):
        _histogram(axes, parts, [part.target[:, number] for part in parts])
        axes.set_xlabel("target" if dataset.target.outputs == 1 else f"target {number}")
    left_out = f", the first {len(shown)} classes" if len(shown) < len(parts[0].example) else ""
    what = "mean events of a training recording at each pixel" if camera else "a training recording: input over ms"
    below.suptitle(f"{what}{left_out}", fontsize=10)
    grid = below.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, group in zip(grid.flat, shown, strict=False):
        (_image if camera else _raster)(axes, dataset, parts[0], group)
        axes.set_title(parts[0].groups[group], fontsize=8)
    return figure


def _statistics(rate: Axes, events: Axes, dataset: EventDataset, parts: list[Part]) -> None:
    ms = dataset.start + dataset.dt * np.arange(dataset.steps)
    for part in parts:
        rate.plot(ms, part.rate, label=part.name, linewidth=1)
    _histogram(events, parts, [part.events for part in parts])
    rate.set_xlabel("ms since the beginning")
    rate.set_ylabel(f"events in {dataset.dt:g} ms")
    rate.set_ylim(bottom=0)
    events.set_xlabel("events of a recording")
    events.set_ylabel("share of the recordings")
    rate.legend(fontsize=8)


def _histogram(axes: Axes, parts: list[Part], values: list[NDArray]) -> None:
    """Shares of the recordings of each split over values [S] that they have."""
    edges = np.histogram_bin_edges(np.concatenate(values), 40)
    for part, one in zip(parts, values, strict=True):
        axes.hist(one, list(edges), weights=np.full(len(one), 1 / len(one)), histtype="step", label=part.name)


def _image(axes: Axes, dataset: EventDataset, part: Part, group: int) -> None:
    """Polarity 0 in blue, 1 in red; grey where they are merged."""
    grid = dataset.grid
    planes = part.image[group].reshape(grid.polarities, grid.rows, grid.columns)
    if grid.polarities == 1:
        axes.imshow(planes[0], cmap="gray_r", vmin=0)
        return
    ink = planes / max(planes.max(), 1e-9)
    axes.imshow(np.clip(np.stack([1 - ink[0], 1 - ink.sum(0) / 2 - ink.max(0) / 2, 1 - ink[1]], -1), 0, 1))


def _raster(axes: Axes, dataset: EventDataset, part: Part, group: int) -> None:
    step, col = part.example[group]
    axes.set_axis_on()
    axes.plot(dataset.start + dataset.dt * step, col, "|" if dataset.inputs < 150 else ",", color="black", markersize=2)
    axes.set_xlim(dataset.start, dataset.start + dataset.dt * dataset.steps)
    axes.set_ylim(0, dataset.inputs)
    axes.tick_params(labelsize=7)
