"""Convolutional spiking networks in a short notation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from snn_zo.layers import Layer
from snn_zo.layers.layer import Shape
from snn_zo.models.stack import Common, Maker, Stack
from snn_zo.network import Connected, Convolutional, parts, shapes
from snn_zo.strategies import Strategy


class Conv(Stack):
    """Convolutions, pooling and fully connected layers one after the other, and a readout.

    The defaults are those of `conf/model/conv.yaml`, but for `dt` of neurons and readout, the time step of the data.

    Args:
        in_shape: feature shape (C, H, W) of the input.
        outputs: values of the readout.
        strategy: local derivative of the hidden layers' spikes.
        network: its layers in the notation of `snn_zo.network`, which also says how they are called.
        common: settings that all networks take, see `Maker`.

    Raises:
        ValueError: the notation is wrong, or a layer does not fit to what is in front of it.
    """

    def __init__(
        self,
        in_shape: Shape,
        outputs: int,
        strategy: Strategy,
        network: Sequence[str | int] = ("16c5", "p2", "32c3", "p2"),
        **common: Unpack[Common],
    ) -> None:
        maker, planned = Maker(strategy, **common), parts(network)
        stack: list[Layer] = []
        for part, out_shape in zip(planned, shapes(planned, in_shape), strict=True):
            match part.element:
                case Convolutional():
                    stack.append(maker.conv(part.name, in_shape, part.element, part.pool))
                case Connected():
                    stack.append(maker.linear(part.name, in_shape, part.element.neurons))
                case pooling:
                    stack.append(maker.pool(part.name, in_shape, pooling))
            in_shape = out_shape
        super().__init__(stack, maker.output(in_shape, outputs))
        of_readout = 1.0 if planned[-1].spikes else planned[-1].factor
        maker.initialise(self.layers, {part.name: part.factor for part in planned} | {"readout": of_readout})
