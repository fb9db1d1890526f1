"""A convolution in the instrumented loop: which weight is between which input and which neuron, found one by one."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping

from torch import Tensor

from snn_zo.ops.convolution import Convolution
from tests.energy.instrumented import Key, Layer, cut

NOWHERE = -1
"""Where an input is put that lies in no square of the pooling."""


class Convolved(Layer):
    """A convolutional layer; its neurons, and its inputs if `channels_last`, are numbered with channels last.

    Places are the numbers of the padded map of pooled inputs.
    """

    convolution: Convolution
    channels_last: bool

    def _neurons(self, weight: Tensor) -> int:
        made = self.convolution
        channels, height, width = made.out_shape
        places, groups = itertools.count(), made.groups
        self.place_of: dict[Key, int] = {key: next(places) for key in itertools.product(*map(range, made.padded_shape))}
        self.patches: list[list[tuple[int, Key]]] = []
        self.reaching: dict[int, list[tuple[int, Key]]] = {}
        for y, x, c in itertools.product(range(height), range(width), range(channels)):
            patch = []
            for i, ky, kx in itertools.product(*map(range, made.weight_shape[1:])):
                channel = c // (channels // groups) * made.weight_shape[1] + i
                place = self.place_of[channel, y * made.stride[0] + ky, x * made.stride[1] + kx]
                patch.append((place, (c, i, ky, kx)))
                self.reaching.setdefault(place, []).append((len(self.patches), (c, i, ky, kx)))
            self.patches.append(patch)
        self.inputs_at = [self._put(i) for i in range(self.i)]
        return len(self.patches)

    def _put(self, i: int) -> int:
        made = self.convolution
        channels, height, width = made.in_shape
        if self.channels_last:
            (y, x), c = divmod(i // channels, width), i % channels
        else:
            c, (y, x) = i // (height * width), divmod(i % (height * width), width)
        y, x = y // made.pool[0], x // made.pool[1]
        if y >= made.pooled_shape[1] or x >= made.pooled_shape[2]:
            return NOWHERE
        return self.place_of[c, y + made.padding[0], x + made.padding[1]]

    def _blocks_of_neurons(self, blocks: int) -> list[list[int]]:
        of_channels = cut(self.convolution.channels, blocks)
        return [[n for n in range(self.n) if self.bias_of(n) in channels] for channels in of_channels]

    def _blocks_of_places(self, blocks: int) -> list[list[int]]:
        of_channels = cut(self.convolution.in_shape[0], blocks)
        found = [[place for (c, _, _), place in self.place_of.items() if c in channels] for channels in of_channels]
        found[0].append(NOWHERE)
        return found

    def place(self, i: int) -> int:
        return self.inputs_at[i]

    def reached(self, i: int, block: list[int]) -> Iterable[tuple[int, Key]]:
        of_block = set(block)
        return [(n, key) for n, key in self.reaching.get(self.place(i), []) if n in of_block]

    def patch(self, n: int, block: list[int]) -> Iterable[tuple[int, Key]]:
        of_block = set(block)
        return [(place, key) for place, key in self.patches[n] if place in of_block]

    def bias_of(self, n: int) -> int:
        return n % self.convolution.channels

    def at_places(self, b: int, t: int) -> Mapping[int, float]:
        found: Counter[int] = Counter()
        for i, count in enumerate(self.x[b][t]):
            found[self.place(i)] += count
        return found

    def pool(self, b: int, t: int) -> None:
        if self.convolution.pool == (1, 1):
            return
        into = [self.place(i) for i in range(self.i) if self.place(i) != NOWHERE]
        for _ in into:
            self.meter.bit("input bits").add()
        for _ in set(into):
            self.meter.bit("input bits")


def convolved(convolution: Convolution, channels_last: bool, kind: type[Layer] = Layer) -> type[Layer]:
    """The loop of a layer of that kind, of this convolution."""
    return type("Made", (Convolved, kind), {"convolution": convolution, "channels_last": channels_last})
