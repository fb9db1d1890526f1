"""Residual networks whose shortcuts connect spikes with spikes."""

from __future__ import annotations

from dataclasses import replace
from typing import Unpack

from torch import nn

from snn_zo.layers import AdaptivePool2d, Merge, Pool2d, SpikingLayer
from snn_zo.layers.layer import Shape
from snn_zo.models.output import Output
from snn_zo.models.stack import Common, Maker, read_out
from snn_zo.network import Block, Connect, Connected, Placed, resnet
from snn_zo.ops import Spikes
from snn_zo.ops.analogue import Input
from snn_zo.strategies import Draw, Strategy


class ResNet(nn.Module):
    """SEW ResNet (Fang et al. 2021): spikes of a block's second convolution and of its shortcut, element by element.

    Depth 18 is that of He et al. (2016): a 7 x 7 stem, an or-pooling, four stages of two blocks. Depth 19 has the
    layers of Zheng et al. (2021): a 3 x 3 stem, stages of three, three and two blocks, and 256 fully connected neurons.
    There the shortcut is added to the current of the neurons; here it is connected as in depth 18. Both end with an
    average over the map, and a readout.

    The defaults are those of `conf/model/resnet.yaml`, but for `dt` of neurons and readout, the time step of the data.

    Args:
        in_shape: feature shape (C, H, W) of the input.
        outputs: values of the readout.
        strategy: local derivative of the hidden layers' spikes.
        depth: 18 or 19.
        connect: `add`; `and`: spikes where both do; `iand`: spikes of the shortcut where the convolution has none.
        width: factor of the numbers of channels.
        common: settings that all networks take, see `Maker`; the fully connected layer is not normalised.

    Raises:
        ValueError: the input is no map.
    """

    def __init__(
        self,
        in_shape: Shape,
        outputs: int,
        strategy: Strategy,
        depth: int = 18,
        connect: Connect = "add",
        width: float = 1.0,
        **common: Unpack[Common],
    ) -> None:
        super().__init__()
        maker, plan = Maker(strategy, **common), resnet(depth, width, in_shape)
        self.stem = _made(maker, plan.stem)
        shape = self.stem.out_shape
        self.pool = None
        if plan.pooled:
            self.pool = Pool2d(shape, "max", 3, "pool", stride=2, padding=1, backend=maker.backend)
        self.blocks = nn.ModuleList(_Residual(maker, block, connect) for block in plan.blocks)
        self.mean = AdaptivePool2d(plan.blocks[-1].out_shape, "average", 1, "mean", backend=maker.backend)
        self.full = None if plan.full is None else _made(replace(maker, norm=None), plan.full)
        self.readout = maker.output(self.mean.out_shape if self.full is None else self.full.out_shape, outputs)
        maker.initialise(self.modules())
        self._stream = {layer.name: i for i, layer in enumerate(plan.layers)}

    def forward(self, x: Input, draw: Draw | None = None) -> Output:
        """Values of the readout, and the spikes of the hidden layers.

        Args:
            x: [B, T, *in_shape] input spikes, or an analogue input of the stem.
            draw: randomness of the strategies in a training step; layer i draws from stream i.
        """
        hidden: dict[str, Spikes] = {}

        def spikes_of(layer: SpikingLayer, x: Input) -> Spikes:
            hidden[layer.name] = layer(x, draw.for_layer(self._stream[layer.name]) if draw else None)
            return hidden[layer.name]

        found = spikes_of(self.stem, x)
        if self.pool is not None:
            found = self.pool(found)
        for block in self.blocks:
            assert isinstance(block, _Residual)
            shortcut = found if block.shortcut is None else spikes_of(block.shortcut, found)
            found = block.merge(spikes_of(block.second, spikes_of(block.first, found)), shortcut)
        found = self.mean(found)
        if self.full is not None:
            found = spikes_of(self.full, found)
        return read_out(self.readout, found, hidden, draw.for_layer(len(self._stream)) if draw else None)


class _Residual(nn.Module):
    """The layers of a block, which the network runs."""

    def __init__(self, maker: Maker, block: Block, connect: Connect) -> None:
        super().__init__()
        self.first, self.second = _made(maker, block.first), _made(maker, block.second)
        self.shortcut = None if block.shortcut is None else _made(maker, block.shortcut)
        self.merge = Merge(block.out_shape, connect, f"{block.name}_{connect}", backend=maker.backend)


def _made(maker: Maker, layer: Placed) -> SpikingLayer:
    if isinstance(layer.element, Connected):
        return maker.linear(layer.name, layer.in_shape, layer.element.neurons)
    return maker.conv(layer.name, layer.in_shape, layer.element)
