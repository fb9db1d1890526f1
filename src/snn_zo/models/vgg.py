"""The VGG of the papers on event vision."""

from __future__ import annotations

from typing import Unpack

from snn_zo.layers.layer import Shape
from snn_zo.models.conv import Conv
from snn_zo.models.stack import Common
from snn_zo.network import vgg
from snn_zo.strategies import Strategy


class VGG(Conv):
    """VGGSNN (Deng et al. 2022): 64C3-128C3-AP2-256C3-256C3-AP2-512C3-512C3-AP2-512C3-512C3-AP2, and a readout.

    The defaults are those of `conf/model/vgg.yaml`, but for `dt` of neurons and readout, the time step of the data. The
    papers give it 48 x 48 pixels; 16 x 16 are the least.

    Args:
        in_shape: feature shape (C, H, W) of the input.
        outputs: values of the readout.
        strategy: local derivative of the hidden layers' spikes.
        width: factor of the numbers of channels.
        common: settings that all networks take, see `Maker`.

    Raises:
        ValueError: the input is too small.
    """

    def __init__(
        self, in_shape: Shape, outputs: int, strategy: Strategy, width: float = 1.0, **common: Unpack[Common]
    ) -> None:
        super().__init__(in_shape, outputs, strategy, vgg(width), **common)
