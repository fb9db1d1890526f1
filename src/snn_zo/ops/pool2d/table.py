"""A pooling as a table: to which cells each neuron belongs."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from snn_zo.ops.pooling import Cells, Pooling


class Table(NamedTuple):
    """Neurons and cells by their numbers.

    Attributes:
        cells: [N_in, M] int32, the cells of each neuron; -1 in the place of those that it has fewer than others.
        first: [N_out] int32, the first neuron of each cell, row by row.
    """

    cells: NDArray[np.int32]
    first: NDArray[np.int32]


@lru_cache(maxsize=64)
def table(pooling: Pooling, last_in: bool, last_out: bool) -> Table:
    """The table of a pooling.

    Args:
        pooling: which elements belong to which cell.
        last_in, last_out: whether neurons and cells are numbered channels last.
    """
    (channels, height, width), (_, _, out_width) = pooling.in_shape, pooling.out_shape
    rows, columns = pooling.cells
    by_row, by_column = _cells_of(rows, height), _cells_of(columns, width)
    row, column = by_row[:, None, :, None], by_column[None, :, None, :]
    # [H, W, M] cells of a map
    cell = np.where((row < 0) | (column < 0), -1, row * out_width + column).reshape(height, width, -1)
    start = np.array([[top * width + left for left, _ in columns] for top, _ in rows])
    return Table(
        _with_channels(cell, len(rows) * len(columns), channels, last_in, last_out),
        _with_channels(start[..., None], height * width, channels, last_out, last_in)[:, 0].copy(),
    )


def _cells_of(cells: Cells, size: int) -> NDArray[np.int64]:
    """[size, most] numbers of the cells that each place lies in, -1 behind them."""
    found = [[i for i, (first, last) in enumerate(cells) if first <= place < last] for place in range(size)]
    most = max(map(len, found))
    return np.array([each + [-1] * (most - len(each)) for each in found])


def _with_channels(
    target: NDArray[np.int64], targets: int, channels: int, last_from: bool, last_to: bool
) -> NDArray[np.int32]:
    """[N, M] from targets [H, W, M] of a map, each channel to itself."""
    channel = np.arange(channels)
    source = target[:, :, None, :] if last_from else target[None]
    channel = channel[None, None, :, None] if last_from else channel[:, None, None, None]
    number = source * channels + channel if last_to else channel * targets + source
    return np.where(source < 0, -1, number).astype(np.int32).reshape(-1, target.shape[-1])
