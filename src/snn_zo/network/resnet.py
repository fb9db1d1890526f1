"""Residual networks of spiking layers, as they are described before they are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from snn_zo.network.notation import Connected, Convolutional, Shape

Connect = Literal["add", "and", "iand"]
CONNECTS: tuple[Connect, ...] = get_args(Connect)


class Placed(NamedTuple):
    """A layer of spiking neurons with the shape of its input."""

    name: str
    element: Convolutional | Connected
    in_shape: Shape


@dataclass(frozen=True)
class Block:
    """Two convolutions beside a shortcut; where shapes change, the shortcut is a convolution as well.

    Attributes:
        name: what the names of its layers begin with.
        in_shape: of its input.
        channels: of its output.
        stride: of the first convolution and of the shortcut.
    """

    name: str
    in_shape: Shape
    channels: int
    stride: int

    @property
    def first(self) -> Placed:
        """The convolution that takes the input in."""
        return Placed(f"{self.name}_conv1", Convolutional(self.channels, 3, self.stride, 1), self.in_shape)

    @property
    def second(self) -> Placed:
        """The convolution behind it."""
        return Placed(f"{self.name}_conv2", Convolutional(self.channels, 3, 1, 1), self.out_shape)

    @property
    def shortcut(self) -> Placed | None:
        """The convolution beside them; None where the input itself goes by."""
        if self.stride == 1 and self.channels == self.in_shape[0]:
            return None
        return Placed(f"{self.name}_shortcut", Convolutional(self.channels, 1, self.stride), self.in_shape)

    @property
    def layers(self) -> list[Placed]:
        """All of them."""
        return [each for each in (self.first, self.second, self.shortcut) if each is not None]

    @property
    def out_shape(self) -> Shape:
        """Of its output."""
        return self.first.element.out_shape(self.in_shape)


@dataclass(frozen=True)
class Residual:
    """A residual network.

    Attributes:
        stem: the first layer.
        pooled: whether an or-pooling over 3 x 3 pixels, with a stride of 2, follows.
        blocks: of layers.
        full: the fully connected layer behind the average over the map; None for none.
    """

    stem: Placed
    pooled: bool
    blocks: tuple[Block, ...]
    full: Placed | None

    @property
    def layers(self) -> list[Placed]:
        """The layers of spiking neurons."""
        ends = [] if self.full is None else [self.full]
        return [self.stem, *(layer for block in self.blocks for layer in block.layers), *ends]


class _Kind(NamedTuple):
    stem: tuple[int, int, int]
    """Kernel, stride and padding."""
    pooled: bool
    stages: tuple[tuple[int, int], ...]
    """Channels and blocks; the first has a stride of 1, the others of 2."""
    full: int


_KINDS = {
    18: _Kind((7, 2, 3), True, ((64, 2), (128, 2), (256, 2), (512, 2)), 0),
    19: _Kind((3, 1, 1), False, ((128, 3), (256, 3), (512, 2)), 256),
}
DEPTHS = tuple(_KINDS)


def resnet(depth: int, width: float, in_shape: Shape) -> Residual:
    """The network of that depth, with so many times its channels.

    Args:
        depth: 18 (He et al. 2016) or 19 (Zheng et al. 2021).
        width: factor of the numbers of channels.
        in_shape: (C, H, W) of the input.

    Raises:
        ValueError: the input is no map, or too small.
    """
    kind = _KINDS[depth]

    def scaled(channels: int) -> int:
        return max(round(width * channels), 1)

    stem = Placed("stem", Convolutional(scaled(64), *kind.stem), in_shape)
    shape = stem.element.out_shape(in_shape)
    if kind.pooled:
        channels, *sizes = shape
        shape = (channels, *((size - 1) // 2 + 1 for size in sizes))
    blocks: list[Block] = []
    for stage, (channels, count) in enumerate(kind.stages):
        for i in range(count):
            blocks.append(Block(f"block{len(blocks) + 1}", shape, scaled(channels), 2 if stage and not i else 1))
            shape = blocks[-1].out_shape
    full = Placed("full", Connected(scaled(kind.full)), (shape[0], 1, 1)) if kind.full else None
    return Residual(stem, kind.pooled, tuple(blocks), full)
