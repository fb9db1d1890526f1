"""Pooling of spikes in two dimensions, from spikes to spikes."""

from __future__ import annotations

import math

from snn_zo.ops.backends import implementation
from snn_zo.ops.convolution import Pair, pair
from snn_zo.ops.pooling import AdaptivePooling, Kind, Pooling, WindowPooling
from snn_zo.ops.shapes import require_map
from snn_zo.ops.spikes import Spikes


def pool2d(
    x: Spikes,
    kind: Kind,
    kernel: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    backend: str = "auto",
) -> Spikes:
    """Sum, average or largest count of each cell, at each time step.

    Of spikes, the largest is their `or`. Its gradient goes to the first element of the largest count, which is the
    cell's first element where none spikes, as that of torch.nn.functional.max_pool2d. An average is a sum whose spikes
    have the value 1 / (rows * columns): see `Spikes.scale`.

    Args:
        x: [B, T, C, H, W] spikes, in either order of their neurons.
        kind: `sum`, `average` or `max`.
        kernel, stride, padding: as of torch.nn.functional.max_pool2d.
        backend: `auto` or the name of a backend.

    Returns:
        [B, T, C, H_out, W_out] spikes in the order of x. Active are the images of the active elements of x (for `max`,
        of those that are the largest of a cell); none when gradients are disabled.

    Raises:
        ValueError: shapes do not fit, or the backend does not run here or does not support this.
    """
    shape = require_map(x, "a pooling", scaled=True)
    steps = pair(kernel if stride is None else stride)
    return pool(x, WindowPooling(shape, kind, pair(kernel), steps, pair(padding)), backend)


def adaptive_pool2d(x: Spikes, kind: Kind, size: int | Pair, backend: str = "auto") -> Spikes:
    """The same for cells that divide the input into `size` rows and columns, as torch's adaptive_max_pool2d.

    Args:
        x: [B, T, C, H, W] spikes, in either order of their neurons.
        kind: `sum`, `average` or `max`; an average needs cells of equal size.
        size: (rows, columns) of the output, or one number for both.
        backend: `auto` or the name of a backend.

    Returns:
        [B, T, C, *size] spikes, see `pool2d`.

    Raises:
        ValueError: as `pool2d`, and for an average of cells of unequal size.
    """
    return pool(x, AdaptivePooling(require_map(x, "a pooling", scaled=True), kind, pair(size)), backend)


def pool(x: Spikes, pooling: Pooling, backend: str = "auto") -> Spikes:
    """The pooling of spikes [B, T, *pooling.in_shape]; see `pool2d`."""
    if require_map(x, "a pooling", scaled=True) != pooling.in_shape:
        raise ValueError(f"this pooling takes features {list(pooling.in_shape)}, got {list(x.features)}")
    run = implementation("pool2d", backend, x.handle, math.prod(pooling.out_shape))
    pooled: Spikes = run(x.scaled(1.0), pooling, x.channels_last)
    return pooled.scaled(x.scale / pooling.cell_size if pooling.kind == "average" else x.scale)


def in_order(x: Spikes, channels_last: bool, backend: str = "auto") -> Spikes:
    """The same spikes of features (C, H, W) with their neurons numbered channels last, or channels first."""
    if x.channels_last == channels_last:
        return x
    run = implementation("pool2d", backend, x.handle, x.shape[2])
    moved: Spikes = run(
        x.scaled(1.0), WindowPooling(require_map(x, "an order", scaled=True), "sum", (1, 1), (1, 1)), channels_last
    )
    return moved.scaled(x.scale)
