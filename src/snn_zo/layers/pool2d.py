"""Pooling as layers."""

from __future__ import annotations

from snn_zo.energy.moves import Move
from snn_zo.layers.layer import Shape
from snn_zo.layers.moving_layer import MovingLayer
from snn_zo.ops.convolution import Pair, pair
from snn_zo.ops.pool2d import pool
from snn_zo.ops.pooling import AdaptivePooling, Kind, Pooling, WindowPooling
from snn_zo.ops.spikes import Spikes
from snn_zo.strategies import Draw


class _Pool(MovingLayer):
    def __init__(self, name: str, pooling: Pooling, backend: str) -> None:
        super().__init__(name, pooling.in_shape, pooling.out_shape, backend)
        self.pooling = pooling
        self.move = Move(pooling.most_cells, compared=pooling.kind == "max")

    @property
    def additions(self) -> int:
        """See `MovingLayer.additions`."""
        return self.pooling.additions

    def forward(self, x: Spikes, draw: Draw | None = None) -> Spikes:
        """[B, T, C, H_out, W_out] spikes for spikes [B, T, C, H, W]; no draw is needed."""
        return self.moved([x], pool(x, self.pooling, self.backend))


class Pool2d(_Pool):
    """Sum, average or largest count of each window; `snn_zo.ops.pool2d` has the definitions.

    In front of a convolution, the sum over squares without overlap is better left to `SpikingConv2d(pool=)`, where it
    costs nothing.

    Args:
        in_shape: (C, H, W) of the input.
        kind: `sum`, `average` or `max`; of spikes, the largest is their `or`.
        kernel: its side, or (rows, columns).
        name: of the layer.
        stride: as of torch.nn.MaxPool2d; that of the kernel if None.
        padding: as of torch.nn.MaxPool2d.
        backend: `auto` or the name of a backend.

    Raises:
        ValueError: these make no pooling.
    """

    def __init__(
        self,
        in_shape: Shape,
        kind: Kind,
        kernel: int | Pair,
        name: str,
        stride: int | Pair | None = None,
        padding: int | Pair = 0,
        backend: str = "auto",
    ) -> None:
        steps = pair(kernel if stride is None else stride)
        pooling = WindowPooling(tuple(in_shape), kind, pair(kernel), steps, pair(padding))  # type: ignore[arg-type]
        super().__init__(name, pooling, backend)


class AdaptivePool2d(_Pool):
    """Sum, average or largest count of the cells that divide the input; see `snn_zo.ops.adaptive_pool2d`.

    Args:
        in_shape: (C, H, W) of the input.
        kind: `sum`, `average` (of cells of equal size) or `max`.
        size: (rows, columns) of the output, or one number for both: 1 for one cell that is the whole map.
        name: of the layer.
        backend: `auto` or the name of a backend.

    Raises:
        ValueError: these make no pooling.
    """

    def __init__(self, in_shape: Shape, kind: Kind, size: int | Pair, name: str, backend: str = "auto") -> None:
        super().__init__(name, AdaptivePooling(tuple(in_shape), kind, pair(size)), backend)  # type: ignore[arg-type]
