"""The same as one picture; loads matplotlib."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from snn_zo.look.images import Levels, raster, rgba, shaded, shaded_values, strip
from snn_zo.look.look import Look
from snn_zo.look.maps import FeatureMaps
from snn_zo.look.page import drawn_values, layout, outcome, title
from snn_zo.look.panels import ALL, WORDS, which
from snn_zo.look.seen import Seen
from snn_zo.look.settings import LookSettings
from snn_zo.quantity import percent

WIDTH = 12.0
"""Inches."""
TALL = {"times": 1.75, "channels": 3.4, "few": 1.8, "readout": 2.8}
"""Inches of a row of maps over time, of the channels of a layer, of few of them, and of the readout."""
ROW, FEW = 1.5 / 110, 4
"""Inches of a raster's row, with which none is lost, and channels that are few."""
SIZE = 8
"""Points of the letters."""


def draw(look: Look, settings: LookSettings) -> Figure:
    """The input, each layer and the readout, from top to bottom."""
    heights = [TALL["few"] + 0.3] * (look.image is not None)
    heights += [_height(seen) for seen in look.seen] + [TALL["readout"]] * (look.over_time is not None)
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.5), layout="constrained")
    figure.suptitle(f"{title(look)}. {outcome(look)}".replace("$", r"\$"), fontsize=SIZE + 3)
    places = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    if look.image is not None:
        _heading(places[0], f"input, {layout(look.image.shape)}")
        _show(places[0].subplots(), _mosaic(list(shaded_values(look.image))))
    for place, seen in zip(places[int(look.image is not None) :], look.seen, strict=False):
        active = seen.share("active")
        told = "" if active is None else f", {percent(active)} active (orange)"
        about = f"{seen.name}, {layout(seen.features)}: {percent(seen.share('spikes'))} spiked (blue){told}"
        _heading(place, about)
        (_maps if seen.is_map else _raster)(place, look, seen, settings)
    if look.over_time is not None:
        _readout(places[-1], look)
    return figure


def _heading(place: SubFigure, text: str) -> None:
    place.suptitle(text, fontsize=SIZE + 1, x=0.01, ha="left")


def _height(seen: Seen) -> float:
    if not seen.is_map:
        return 0.9 + max(1.2, ROW * len(raster(seen)[0]))
    return (1 + (seen.active is not None)) * TALL["times"] + _below(seen) + 0.4


def _below(seen: Seen) -> float:
    return TALL["few" if seen.channels <= FEW else "channels"]


def _raster(place: SubFigure, look: Look, seen: Seen, settings: LookSettings) -> None:
    axes = place.subplots()
    levels, *_ = raster(seen)
    extent = (look.ms(0), look.ms(look.steps), seen.neurons - 0.5, -0.5)
    axes.imshow(rgba(levels), extent=extent, aspect="auto", interpolation="nearest")
    axes.set_xlabel("ms" if seen.active is None else "ms; violet: spiked and active", fontsize=SIZE)
    axes.set_ylabel("neuron", fontsize=SIZE)
    axes.tick_params(labelsize=SIZE - 1)


def _maps(place: SubFigure, look: Look, seen: Seen, settings: LookSettings) -> None:
    """All channels together over time, and below that each channel over the whole time."""
    maps = FeatureMaps.of(look, seen, settings)
    kinds = list(maps.whole)
    parts = place.subfigures(2, 1, squeeze=False, height_ratios=(len(kinds) * TALL["times"], _below(seen)))[:, 0]
    grid = parts[0].subplots(len(kinds), 1 + len(maps.spans), squeeze=False)
    sides = parts[1].subplots(1, len(kinds), squeeze=False)[0]
    for row, side, kind in zip(grid, sides, kinds, strict=True):
        images = [shaded(maps.whole[kind].sum(0), kind), *shaded(maps.parts[kind].sum(1), kind)]
        for axes, image, span in zip(row, images, [ALL, *maps.spans], strict=True):
            _show(axes, image)
            axes.set_title(span if kind == "spikes" else "", fontsize=SIZE)
        _show(side, _mosaic(list(shaded(maps.whole[kind][maps.chosen], kind))))
        about = which(seen, maps, settings) or f"all {seen.channels} channels"
        side.set_title(f"{WORDS[kind][1]} of {about}, the {ALL}", fontsize=SIZE)


def _mosaic(images: list[Levels]) -> Levels:
    columns = math.ceil(1.4 * len(images) ** 0.5)
    blank = np.zeros_like(images[0])
    images = [*images, *[blank] * (-len(images) % columns)]
    return strip([images[i : i + columns] for i in range(0, len(images), columns)])


def _show(axes: Axes, levels: Levels) -> None:
    axes.imshow(rgba(levels), interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color="0.8", linewidth=0.6)


def _readout(place: SubFigure, look: Look) -> None:
    _heading(place, "output")
    axes = place.subplots()
    assert look.over_time is not None
    ms = np.array([look.ms(step) for step in range(1, look.steps + 1)])
    for value in drawn_values(look):
        true = " (true class)" if value == look.target and isinstance(look.target, int) else ""
        label = f"{look.names[value]}{true}".replace("$", r"\$")
        axes.plot(ms, look.over_time[:, value], label=label, linewidth=2 if true else 1)
    axes.set_xlabel("ms", fontsize=SIZE)
    axes.tick_params(labelsize=SIZE - 1)
    axes.legend(fontsize=SIZE - 1, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
