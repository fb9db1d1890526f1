"""Maps of channels as one row of neurons."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from snn_zo.layers.layer import Shape
from snn_zo.layers.moving_layer import MovingLayer
from snn_zo.ops.spikes import Spikes
from snn_zo.strategies import Draw


class Flatten(MovingLayer):
    """Gives spikes the feature shape (N,), which moves nothing: neurons keep their numbers.

    Channels last, they are another row than torch.nn.Flatten makes. A fully connected layer behind it, which needs no
    `Flatten` to take maps in, has the columns of its weight in the order of the numbers: `weight[:, order(shape)]` is
    the weight behind torch's.

    Args:
        in_shape: feature shape of the input.
        name: of the layer.
    """

    def __init__(self, in_shape: Shape, name: str) -> None:
        super().__init__(name, in_shape, (math.prod(in_shape),))

    def forward(self, x: Spikes, draw: Draw | None = None) -> Spikes:
        """[B, T, N] spikes for spikes [B, T, *in_shape]; there is nothing to note, and no draw is needed."""
        return x.view(*self.out_shape)


def order(shape: tuple[int, int, int]) -> Tensor:
    """[N] numbers that the neurons of features (C, H, W) have channels last, as torch.nn.Flatten goes through them."""
    channels, height, width = shape
    return torch.arange(channels * height * width).view(height, width, channels).permute(2, 0, 1).flatten()
