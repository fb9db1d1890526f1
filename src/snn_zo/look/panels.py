"""What a page shows of a layer: feature maps over time and by channel, or a raster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from snn_zo.look.images import Levels, raster, shaded, shaded_values, strip, uri
from snn_zo.look.look import Look
from snn_zo.look.maps import FeatureMaps
from snn_zo.look.seen import Counts, Kind, Seen
from snn_zo.look.settings import LookSettings
from snn_zo.quantity import percent

WORDS: dict[Kind, tuple[str, str]] = {"spikes": ("spike", "spikes"), "active": ("active element", "active elements")}
SPIKED: dict[Kind, str] = {"spikes": "spiked", "active": "active"}
ALL = "whole recording"
SIDE = 104
"""Px of an image's side, about."""
HIGH, TALL = 420, 10
"""Px of a raster's height, and of a neuron's in it, at most."""


class Image(NamedTuple):
    """An image, its size in px, and what it shows, in words."""

    uri: str
    width: int
    height: int
    about: str


class Frame(NamedTuple):
    """Images of one time, or of one channel, with the lines that stand below them."""

    images: Sequence[Image]
    caption: Sequence[str]


@dataclass(frozen=True)
class Maps:
    """Feature maps of a layer.

    Attributes:
        times: all channels together, over the whole recording and in each slice of it.
        channels: each channel over the whole recording.
        strips: each channel in each slice.
        notes: what a pixel in full colour stands for in each of these three, and what is left out.
    """

    times: Sequence[Frame]
    channels: Sequence[Frame]
    strips: Sequence[Frame]
    notes: tuple[str, str, str]


class Raster(NamedTuple):
    """Neurons from top to bottom over time."""

    image: Image
    note: str


def maps_of(look: Look, seen: Seen, settings: LookSettings) -> Maps:
    """Feature maps of a layer whose neurons lie in rows and columns."""
    maps = FeatureMaps.of(look, seen, settings)
    together = {kind: found.sum(0) for kind, found in maps.whole.items()}
    by_time = {kind: found.sum(1) for kind, found in maps.parts.items()}
    shades = {kind: shaded(found, kind) for kind, found in by_time.items()}
    times = [Frame(_images({kind: shaded(found, kind) for kind, found in together.items()}, seen.name), [ALL])]
    for i, span in enumerate(maps.spans):
        times.append(Frame(_images({kind: found[i] for kind, found in shades.items()}, f"{seen.name}, {span}"), [span]))
    left_out = which(seen, maps, settings)
    return Maps(
        times,
        _channels(seen, maps),
        _strips(seen, maps),
        (
            f"{_darkest(together, f' of the {ALL}')} {_darkest(by_time, ' of a part')}",
            f"{_darkest(maps.whole)} {left_out}",
            f"{_darkest(maps.parts)} {left_out}",
        ),
    )


def image_of(values: NDArray[np.float64]) -> tuple[list[Frame], str]:
    """An input that is no spikes, by channel, and what its shades stand for."""
    shades = shaded_values(values)
    frames = [
        Frame([_image(one, f"input, channel {c}", max(one.shape))], [f"channel {c}"]) for c, one in enumerate(shades)
    ]
    return frames, f"From {values.min():.4g}, without colour, to {values.max():.4g}."


def which(seen: Seen, maps: FeatureMaps, settings: LookSettings) -> str:
    """Which channels are shown, where not all of them are."""
    if len(maps.chosen) == seen.channels:
        return ""
    kind: Kind = "active" if settings.order == "active" else "spikes"
    return f"{len(maps.chosen)} of {seen.channels} channels, those with most {WORDS[kind][1]}."


def raster_of(seen: Seen) -> Raster:
    """The raster of a layer whose neurons stand in a row."""
    levels, neurons, steps = raster(seen)
    height = max(1, min(TALL, HIGH // len(levels))) * len(levels)
    order = f"neurons 0 to {seen.neurons - 1} from top to bottom"
    note = f"{order.capitalize()}."
    if neurons * steps > 1:
        note += f" A point stands for {neurons} neuron{'s' * (neurons > 1)} in {steps} step{'s' * (steps > 1)}."
    return Raster(Image(uri(levels), levels.shape[1], height, f"{seen.name}: {order}, over time"), note)


def _images(shades: Mapping[Kind, Levels], about: str) -> list[Image]:
    """A map of each kind."""
    return [_image(levels, f"{about}: {WORDS[kind][1]}", max(levels.shape)) for kind, levels in shades.items()]


def _image(levels: Levels, about: str, side: int) -> Image:
    """An image in whole px for each of its pixels, so that a side of so many pixels has the usual size."""
    by = max(1, SIDE // side)
    height, width = levels.shape
    return Image(uri(levels), by * width, by * height, about)


def _channels(seen: Seen, maps: FeatureMaps) -> list[Frame]:
    shades = {kind: shaded(found, kind) for kind, found in maps.whole.items()}
    return [
        Frame(
            _images({kind: found[c] for kind, found in shades.items()}, f"{seen.name}, channel {c}"),
            [f"channel {c}", *(f"{percent(seen.share_of_channel(kind, c))} {SPIKED[kind]}" for kind in shades)],
        )
        for c in maps.chosen
    ]


def _strips(seen: Seen, maps: FeatureMaps) -> list[Frame]:
    """Of each channel its parts of the time beside each other, spikes above active elements."""
    shades = {kind: shaded(found, kind) for kind, found in maps.parts.items()}
    images = {c: strip([list(found[:, c]) for found in shades.values()]) for c in maps.chosen}
    side = 2 * max(next(iter(shades.values())).shape[-2:])
    return [
        Frame([_image(one, f"{seen.name}, channel {c}, over time", side)], [f"channel {c}"])
        for c, one in images.items()
    ]


def _darkest(counts: Mapping[Kind, Counts], where: str = "") -> str:
    most = {kind: int(found.max()) for kind, found in counts.items()}
    told = " or ".join(f"{count} {WORDS[kind][count != 1]}" for kind, count in most.items() if count)
    return f"A pixel{where} in full colour stands for {told}." if told else f"Nothing happened{where}."


def shown(values: NDArray[np.float64]) -> str:
    """A few numbers in a row."""
    return ", ".join(f"{value:.4g}" for value in values)
