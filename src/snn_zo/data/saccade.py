"""An event camera in front of still images: the recording procedure of N-MNIST, simulated.

The sensor makes three minimum-jerk saccades of 105 ms (Orchard et al. 2015); a pixel sends an event whenever its log
intensity has moved by a contrast threshold since its last event. The constants were fitted to N-MNIST recordings.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from snn_zo.data.recordings import Recordings

if TYPE_CHECKING:
    from snn_zo.target import Values

SENSOR = 34
SACCADE_MS = 105
CORNERS_X = (0.0, 3.5, 7.0, 0.0)
CORNERS_Y = (0.0, 7.0, 0.0, 0.0)
OFFSET = (-1.5, 0.5)
BLUR = 0.6
FLOOR = 0.2
CONTRAST, CONTRAST_SIGMA = 0.35, 0.03
TIE = 1e-4
"""Share of a contrast threshold that a change must exceed it by, as less may be rounding."""
_MARGIN = 12
_CHUNK = 128


def trajectory() -> NDArray[np.float64]:
    """[T, 2] (x, y) shift of the image on the sensor in pixels, each ms from 0 to 315."""
    s = np.arange(1, SACCADE_MS + 1) / SACCADE_MS
    progress = 10 * s**3 - 15 * s**4 + 6 * s**5
    axes = []
    for corners, offset in zip((CORNERS_X, CORNERS_Y), OFFSET, strict=True):
        moves = [a + (b - a) * progress for a, b in pairwise(corners)]
        path = np.concatenate([[corners[0]], *moves])
        axes.append(path - max(corners) / 2 + offset)
    return np.stack(axes, 1)


def record(images: NDArray[np.float32], target: Values, seed: int = 0) -> Recordings:
    """Recordings of still images moved before a 34 x 34 sensor.

    Args:
        images: [S, H, W] intensities in [0, 1], H and W at most 34; centred on the sensor.
        target: [S] classes, or [S, K] values.
        seed: of the pixels' contrast thresholds, which differ a little as on a real chip.

    Returns:
        Recordings of 315 ms. Polarity 1 means darker: the trailing edge of a bright stroke.
    """
    contrast = np.random.default_rng(seed).normal(CONTRAST, CONTRAST_SIGMA, (SENSOR, SENSOR)).astype(np.float32)
    starts = range(0, len(images), _CHUNK)
    with ThreadPoolExecutor() as pool:
        parts = list(pool.map(lambda start: _chunk(images[start : start + _CHUNK], contrast), starts))
    sample = np.concatenate([part[0] + start for part, start in zip(parts, starts, strict=True)])
    t, y, x, p = (np.concatenate([part[i] for part in parts]) for i in range(1, 5))
    order = np.argsort(sample, kind="stable")
    return Recordings(
        sample[order].astype(np.int32),
        1000 * t[order].astype(np.int32),
        x[order].astype(np.int16),
        y[order].astype(np.int16),
        p[order].astype(np.int8),
        target,
        SENSOR,
        SENSOR,
    )


def _chunk(images: NDArray[np.float32], contrast: NDArray[np.float32]) -> tuple[NDArray, ...]:
    """Events (sample, t, y, x, p) of some images, in order of time."""
    before = [(SENSOR - size) // 2 + _MARGIN for size in images.shape[1:]]
    after = [SENSOR + 2 * _MARGIN - size - pad for size, pad in zip(images.shape[1:], before, strict=True)]
    padded = np.pad(images, ((0, 0), *zip(before, after, strict=True)))
    blurred = gaussian_filter(padded, (0, BLUR, BLUR)).astype(np.float32)
    # at the end every pixel is back where it began, exactly at a threshold but for rounding
    limit = contrast * (1 + TIE)
    reference = np.zeros(())
    events: list[tuple[NDArray, ...]] = []
    for ms, (dx, dy) in enumerate(trajectory()):
        level = np.log(FLOOR + _shifted(blurred, dx, dy))
        if ms == 0:
            reference = level
            continue
        change = level - reference
        darker, brighter = change < -limit, change > limit
        reference = reference + contrast * (brighter.astype(np.float32) - darker)
        sample, y, x = np.nonzero(darker | brighter)
        events.append((sample, np.full(len(sample), ms - 1), y, x, darker[sample, y, x]))
    return tuple(np.concatenate([event[i] for event in events]) for i in range(5))


def _shifted(images: NDArray[np.float32], dx: float, dy: float) -> NDArray[np.float32]:
    """The sensor's view [S, 34, 34] of padded images moved right by dx and down by dy pixels, bilinear."""
    left, top = int(np.floor(-dx)), int(np.floor(-dy))
    fx, fy = np.float32(-dx - left), np.float32(-dy - top)

    def view(down: int, right: int) -> NDArray[np.float32]:
        y, x = _MARGIN + top + down, _MARGIN + left + right
        return images[:, y : y + SENSOR, x : x + SENSOR]

    upper = view(0, 0) * (1 - fx) + view(0, 1) * fx
    lower = view(1, 0) * (1 - fx) + view(1, 1) * fx
    return (upper * (1 - fy) + lower * fy).astype(np.float32, copy=False)
