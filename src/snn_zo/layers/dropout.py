"""Dropout as a layer."""

from __future__ import annotations

from snn_zo.energy.moves import Move
from snn_zo.layers.layer import Shape
from snn_zo.layers.moving_layer import MovingLayer
from snn_zo.ops.dropout import dropout, require_probability
from snn_zo.ops.spikes import Spikes
from snn_zo.strategies import Draw


class Dropout(MovingLayer):
    """Leaves neurons out in training, each for all time steps of a sample; `snn_zo.ops.dropout` has the definition.

    What stays is worth 1 / (1 - p), which the layer behind takes into its weight. In evaluation nothing is done.

    Args:
        in_shape: feature shape of the input.
        p: probability that a neuron is left out.
        name: of the layer.
        backend: `auto` or the name of a backend.

    Raises:
        ValueError: p is not at least 0 and less than 1.
    """

    move = Move(compared=True, masked=True)

    def __init__(self, in_shape: Shape, p: float, name: str, backend: str = "auto") -> None:
        super().__init__(name, in_shape, in_shape, backend)
        require_probability(p)
        self.p = p

    def forward(self, x: Spikes, draw: Draw | None = None) -> Spikes:
        """[B, T, *in_shape] spikes, fewer in training; the draw says which, and one of the strategies will do."""
        return self.moved([x], dropout(x, self.p, draw, self.backend)) if self.training and self.p else x

    def extra_repr(self) -> str:
        """For `print`."""
        return f"{super().extra_repr()}, p={self.p:g}"
