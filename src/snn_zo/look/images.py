"""Small images for a page: feature maps and rasters as PNG in a palette that shows on light and on dark grounds."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from snn_zo.look.seen import Counts, Kind, Marks, Seen

Levels = NDArray[np.uint8]
"""Places in the palette, [H, W]."""

SHADES = 15
"""Of a colour; the lightest is of the smallest counts, and still seen."""
COLOURS: dict[Kind, tuple[int, int, int]] = {"spikes": (34, 128, 214), "active": (226, 96, 20)}
BOTH, GAP = 2 * SHADES + 1, 2 * SHADES + 2
"""Places of an element that spiked and was active, and of what separates images."""
ROWS, COLUMNS = 400, 360
"""Most pixels of a raster."""


def colour(kind: Kind | None) -> str:
    """Of spikes, of active elements, or (None) of what is both, for a style sheet."""
    return "rgb({}, {}, {})".format(*(COLOURS[kind] if kind else _PALETTE[BOTH][:3]))


def _palette() -> list[tuple[int, int, int, int]]:
    shades = [
        (*rgb, round(255 * (0.25 + 0.75 * shade / SHADES)))
        for rgb in COLOURS.values()
        for shade in range(1, SHADES + 1)
    ]
    return [(0, 0, 0, 0), *shades, (150, 50, 170, 255), (128, 128, 128, 90)]


_PALETTE = _palette()


def shaded(counts: Counts, kind: Kind) -> Levels:
    """Counts [...] in shades of a colour, the darkest for the largest of them, and none where nothing was counted."""
    shade = -(-SHADES * counts // max(int(counts.max(initial=0)), 1))
    return np.where(counts > 0, shade + (SHADES if kind == "active" else 0), 0).astype(np.uint8)


def shaded_values(values: NDArray[np.float64]) -> Levels:
    """Values [...] of an input that is no spikes, in shades of blue from the smallest to the largest of them."""
    low, high = values.min(), values.max()
    return np.ceil(SHADES * (values - low) / max(high - low, 1e-12)).astype(np.uint8)


def strip(images: Sequence[Sequence[Levels]]) -> Levels:
    """Rows of images of one size as one, a pixel apart."""
    height, width = images[0][0].shape
    whole = np.full((len(images) * (height + 1) - 1, len(images[0]) * (width + 1) - 1), GAP, np.uint8)
    for i, row in enumerate(images):
        for j, image in enumerate(row):
            y, x = i * (height + 1), j * (width + 1)
            whole[y : y + height, x : x + width] = image
    return whole


def raster(seen: Seen) -> tuple[Levels, int, int]:
    """Neurons from top to bottom over time; how many neurons, and how many steps, a pixel stands for."""
    neurons, steps = -(-seen.neurons // ROWS), -(-seen.steps // COLUMNS)
    shape = -(-seen.neurons // neurons), -(-seen.steps // steps)

    def there(marks: Marks) -> NDArray[np.bool_]:
        found = np.zeros(shape, bool)
        found[marks.neuron // neurons, marks.step // steps] = True
        return found

    spiked = there(seen.spikes)
    active = there(seen.active) if seen.active else np.zeros(shape, bool)
    levels = np.select([spiked & active, spiked, active], [BOTH, SHADES, 2 * SHADES])
    return levels.astype(np.uint8), neurons, steps


def rgba(levels: Levels) -> NDArray[np.uint8]:
    """[H, W, 4] the colours themselves."""
    return np.array(_PALETTE, np.uint8)[levels]


def uri(levels: Levels) -> str:
    """An image as the address of a PNG in itself."""
    return f"data:image/png;base64,{base64.b64encode(png(levels)).decode()}"


def png(levels: Levels) -> bytes:
    """An indexed-colour PNG, by ISO/IEC 15948."""
    height, width = levels.shape
    palette = np.array(_PALETTE, np.uint8)
    rows = np.zeros((height, width + 1), np.uint8)  # each begins with the number of its filter, which is none
    rows[:, 1:] = levels
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0),
        b"PLTE": palette[:, :3].tobytes(),
        b"tRNS": palette[:, 3].tobytes(),
        b"IDAT": zlib.compress(rows.tobytes(), 9),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks.items()
    )
