"""Residual connections and concatenation as a layer."""

from __future__ import annotations

from snn_zo.energy.moves import Move
from snn_zo.layers.layer import Shape
from snn_zo.layers.moving_layer import MovingLayer
from snn_zo.ops.merge import Merging, merge, merged_shape
from snn_zo.ops.spikes import Spikes
from snn_zo.strategies import Draw


class Merge(MovingLayer):
    """Two layers' spikes into one; `snn_zo.ops.merge` has the definitions.

    Args:
        in_shape: feature shape of the first input.
        how: `add`, `and` or `iand` (SEW residual blocks), or `cat`.
        name: of the layer.
        other_shape: feature shape of the second input; that of the first if None.
        backend: `auto` or the name of a backend.

    Raises:
        ValueError: the shapes do not fit together, or there is no such way.
    """

    def __init__(
        self, in_shape: Shape, how: Merging, name: str, other_shape: Shape | None = None, backend: str = "auto"
    ) -> None:
        other = tuple(in_shape if other_shape is None else other_shape)
        super().__init__(name, in_shape, merged_shape(tuple(in_shape), other, how), backend)
        self.other_shape, self.how = other, how
        gated = how in ("and", "iand")
        self.move = Move(compared=gated, weighed=gated)

    def forward(self, a: Spikes, b: Spikes, draw: Draw | None = None) -> Spikes:
        """[B, T, *out_shape] spikes for spikes [B, T, *in_shape] and [B, T, *other_shape]; no draw is needed."""
        return self.moved([a, b], merge(a, b, self.how, self.backend))

    def extra_repr(self) -> str:
        """For `print`."""
        return f"{super().extra_repr()}, {self.how} {list(self.other_shape)}"
