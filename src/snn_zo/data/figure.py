"""The figure of a data set; loads matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from snn_zo.data.dataset import EventDataset
    from snn_zo.data.description import Part

_COLUMNS, _MOST = 10, 40


def draw(dataset: EventDataset, parts: list[Part]) -> Figure:
    """Rate over time and events of a recording in each split; an image, or a raster, of the first classes."""
    shown = list(parts[0].example)[:_MOST]
    camera = dataset.grid.rows > 1
    columns = _COLUMNS if camera else _COLUMNS // 2
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(13, 3.2 + (1.6 if camera else 2.0) * rows), layout="constrained")
    halves = figure.subfigures(2, 1, squeeze=False, height_ratios=(3.2, (1.6 if camera else 2.0) * rows))
    above, below = halves[:, 0]
    rate, events = above.subplots(1, 2)
    _statistics(rate, events, dataset, parts)
    left_out = f", the first {len(shown)} classes" if len(shown) < len(parts[0].example) else ""
    what = "mean events of a training recording at each pixel" if camera else "a training recording: input over ms"
    below.suptitle(f"{what}{left_out}", fontsize=10)
    grid = below.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, label in zip(grid.flat, shown, strict=False):
        (_image if camera else _raster)(axes, dataset, parts[0], label)
        axes.set_title(dataset.class_name(label), fontsize=8)
    return figure


def _statistics(rate: Axes, events: Axes, dataset: EventDataset, parts: list[Part]) -> None:
    ms = dataset.start + dataset.dt * np.arange(dataset.steps)
    edges = np.histogram_bin_edges(np.concatenate([part.events for part in parts]), 40)
    for part in parts:
        rate.plot(ms, part.rate, label=part.name, linewidth=1)
        weight = np.full(len(part.events), 1 / len(part.events))
        events.hist(part.events, list(edges), weights=weight, histtype="step", label=part.name)
    rate.set_xlabel("ms since the beginning")
    rate.set_ylabel(f"events in {dataset.dt:g} ms")
    rate.set_ylim(bottom=0)
    events.set_xlabel("events of a recording")
    events.set_ylabel("share of the recordings")
    rate.legend(fontsize=8)


def _image(axes: Axes, dataset: EventDataset, part: Part, label: int) -> None:
    """Polarity 0 in blue, 1 in red; grey where they are merged."""
    grid = dataset.grid
    planes = part.image[label].reshape(grid.polarities, grid.rows, grid.columns)
    if grid.polarities == 1:
        axes.imshow(planes[0], cmap="gray_r", vmin=0)
        return
    ink = planes / max(planes.max(), 1e-9)
    axes.imshow(np.clip(np.stack([1 - ink[0], 1 - ink.sum(0) / 2 - ink.max(0) / 2, 1 - ink[1]], -1), 0, 1))


def _raster(axes: Axes, dataset: EventDataset, part: Part, label: int) -> None:
    step, col = part.example[label]
    axes.set_axis_on()
    axes.plot(
        dataset.start + dataset.dt * step, col, "|" if dataset.features < 150 else ",", color="black", markersize=2
    )
    axes.set_xlim(dataset.start, dataset.start + dataset.dt * dataset.steps)
    axes.set_ylim(0, dataset.features)
    axes.tick_params(labelsize=7)
