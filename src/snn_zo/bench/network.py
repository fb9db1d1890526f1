"""The network that all contestants compute: what is in front of each layer of neurons, as dense operations of torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, linear, max_pool2d

from snn_zo.network import Connected, Convolutional, Pooling, Shape, parts, shapes


@dataclass(frozen=True)
class Connection:
    """Poolings, if there are any, and a convolution or a full connection.

    Inputs and neurons of shape (C, H, W) are numbered with their channels last, (y W + x) C + c, or with their channels
    first, (c H + y) W + x.

    Attributes:
        place: of the layer among all of the network, poolings of their own included: its stream of random numbers.
        in_shape: (N_in,) or (C, H, W) of the input, before it is pooled.
        pools: what the input goes through first.
        element: the convolution or full connection.
        out_shape: (N,) or (C, H, W) of the neurons.
    """

    place: int
    in_shape: Shape
    pools: tuple[Pooling, ...]
    element: Convolutional | Connected
    out_shape: Shape

    @property
    def neurons(self) -> int:
        """N, the product of `out_shape`."""
        return math.prod(self.out_shape)

    @property
    def weight_shape(self) -> Shape:
        """[N, N_in] or [C_out, C_in / groups, kernel, kernel]."""
        shape = self.in_shape
        for pool in self.pools:
            shape = pool.out_shape(shape)
        if isinstance(self.element, Connected):
            return self.neurons, math.prod(shape)
        return self.element.channels, shape[0] // self.element.groups, self.element.kernel, self.element.kernel

    def current(self, s: Tensor, weight: Tensor, channels_last: bool) -> Tensor:
        """[..., N] current for the input [..., N_in], both in the given order."""
        if not self.pools and isinstance(self.element, Connected):
            return linear(s, weight)
        x = images(s.flatten(0, -2), self.in_shape, channels_last)
        for pool in self.pools:
            x = _pooled(x, pool)
        if isinstance(self.element, Convolutional):
            x = conv2d(x, weight, None, self.element.stride, self.element.padding, groups=self.element.groups)
            return flat(x, channels_last).unflatten(0, s.shape[:-1])
        return linear(flat(x, channels_last), weight).unflatten(0, s.shape[:-1])


def _pooled(x: Tensor, pool: Pooling) -> Tensor:
    """Sums in the place of averages: initial weights differ by the factor, and are scaled for a spike rate anyway."""
    if pool.kind == "max":
        return max_pool2d(x, pool.side, pool.stride)
    return avg_pool2d(x, pool.side, pool.stride, divisor_override=1)


def images(s: Tensor, shape: Shape, channels_last: bool) -> Tensor:
    """[M, C, H, W] for [M, N] in the given order; nothing is moved."""
    channels, height, width = shape
    if channels_last:
        return s.unflatten(1, (height, width, channels)).permute(0, 3, 1, 2)
    return s.unflatten(1, (channels, height, width))


def flat(x: Tensor, channels_last: bool) -> Tensor:
    """[M, N] in the given order for [M, C, H, W]; nothing is moved where that is the memory format."""
    return (x.permute(0, 2, 3, 1) if channels_last else x).flatten(1)


def features(x: Tensor, channels_last: bool) -> Tensor:
    """[T, B, N] in the given order for [T, B, C, H, W]; [T, B, N] as it is."""
    return x if x.dim() == 3 else flat(x.flatten(0, 1), channels_last).unflatten(0, x.shape[:2]).contiguous()


def connections(in_shape: Shape, hidden: Sequence[int | str], classes: int) -> list[Connection]:
    """What is in front of each layer of neurons and of the readout, from input to output.

    Args:
        in_shape: (N_in,) or (C, H, W) of the input.
        hidden: in the notation of `snn_zo.network`.
        classes: outputs of the readout.

    Raises:
        ValueError: the notation is wrong, or a layer does not fit to what is in front of it; one line.
    """
    planned = parts(hidden)
    made: list[Connection] = []
    pools: tuple[Pooling, ...] = ()
    before = in_shape
    for place, (part, after) in enumerate(zip(planned, shapes(planned, in_shape), strict=True)):
        if isinstance(part.element, Pooling):
            pools = (*pools, part.element)
        else:
            fused = (Pooling("sum", part.pool, part.pool),) if part.pool > 1 else ()
            made.append(Connection(place, before, (*pools, *fused), part.element, after))
            pools, before = (), after
    return [*made, Connection(len(planned), before, pools, Connected(classes), (classes,))]
