"""Networks in a short notation, as the papers write them: [16c5, p2, 32c3, p2, 200].

Elements, from input to output; the readout comes behind the last one:

    16c5    convolution with 16 channels and a 5 x 5 kernel, in front of spiking neurons. Letters behind it, in any
            order: s2 stride, p1 padding, g4 groups, as 32c3s2p1; without them 1, 0 and 1, as of torch.nn.Conv2d
    p2      sum pooling over 2 x 2 squares without overlap
    a2      average pooling: the same sums, and initial weights of what follows that are a quarter as large
    m2      or-pooling (the maximum over spikes); p3s2, a3s2, m3s2: a stride of its own
    200     200 fully connected spiking neurons

Spiking layers are called conv1, conv2 and so on, and full1, full2 and so on. A sum or average pooling without overlap
in front of a convolution is part of it; any other pooling is a layer of its own, pool1, pool2 and so on.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, NamedTuple

Shape = tuple[int, ...]
PoolKind = Literal["sum", "average", "max"]

FORMS = "16c5, 16c3s2p1g4, p2, a2, m2, p3s2, 200"
_KINDS: dict[str, PoolKind] = {"p": "sum", "a": "average", "m": "max"}
_EACH = re.compile(
    r"(?P<channels>\d+)c(?P<kernel>\d+)(?P<rest>([spg]\d+)*)|(?P<kind>[pam])(?P<side>\d+)(s(?P<step>\d+))?|(?P<neurons>\d+)"
)


@dataclass(frozen=True)
class Convolutional:
    """A convolution with square kernel in front of spiking neurons; stride, padding, groups as of torch.nn.Conv2d."""

    channels: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1

    def out_shape(self, in_shape: Shape) -> Shape:
        """(C_out, H_out, W_out).

        Raises:
            ValueError: it cannot follow such an input.
        """
        channels, *sizes = _image(in_shape)
        if channels % self.groups or self.channels % self.groups:
            raise ValueError(f"{channels} and {self.channels} channels do not divide into {self.groups} groups")
        return (self.channels, *(_places(size + 2 * self.padding, self.kernel, self.stride) for size in sizes))

    def weights(self, in_shape: Shape) -> int:
        """Number of weights."""
        return self.channels * in_shape[0] // self.groups * self.kernel**2


@dataclass(frozen=True)
class Pooling:
    """Squares of pixels that become one: their sum, average or maximum. The stride is the side if not given."""

    kind: PoolKind
    side: int
    stride: int

    def out_shape(self, in_shape: Shape) -> Shape:
        """(C, H_out, W_out).

        Raises:
            ValueError: it cannot follow such an input.
        """
        channels, *sizes = _image(in_shape)
        return (channels, *(_places(size, self.side, self.stride) for size in sizes))

    @property
    def is_fused(self) -> bool:
        """Whether a convolution behind it does it at no cost."""
        return self.kind != "max" and self.side == self.stride

    @property
    def factor(self) -> float:
        """Of the initial weights of what follows."""
        return 1 / self.side**2 if self.kind == "average" else 1.0


@dataclass(frozen=True)
class Connected:
    """Fully connected spiking neurons."""

    neurons: int

    def out_shape(self, in_shape: Shape) -> Shape:
        """(N,)."""
        return (self.neurons,)

    def weights(self, in_shape: Shape) -> int:
        """Number of weights."""
        return self.neurons * math.prod(in_shape)


Element = Convolutional | Pooling | Connected


class Part(NamedTuple):
    """A layer of a network.

    Attributes:
        name: of the layer.
        text: how it is written.
        element: what it is.
        pool: side of the squares over which its input is summed first, in the same tables; 1 for none.
        factor: of its initial weights, or of those that follow a pooling.
    """

    name: str
    text: str
    element: Element
    pool: int = 1
    factor: float = 1.0

    @property
    def spikes(self) -> bool:
        """Whether it has neurons of its own."""
        return not isinstance(self.element, Pooling)

    def out_shape(self, in_shape: Shape) -> Shape:
        """Feature shape of its output.

        Raises:
            ValueError: it cannot follow such an input; the message is one line.
        """
        try:
            pooled = Pooling("sum", self.pool, self.pool).out_shape(in_shape) if self.pool > 1 else in_shape
            return self.element.out_shape(pooled)
        except ValueError as error:
            raise ValueError(f"{self.name} ({self.text}): {error}") from error


def parse(text: str) -> Element:
    """What an element of the notation stands for.

    Raises:
        ValueError: nothing; the message names the nearest form.
    """
    found = _EACH.fullmatch(text)
    settings = re.findall(r"([spg])(\d+)", (found and found["rest"]) or "")
    if found is None or len({letter for letter, _ in settings}) < len(settings):
        raise ValueError(
            f"network holds '{text}', which is none of its elements; {_nearest(text)}the forms are {FORMS}"
        )
    of = {letter: int(number) for letter, number in settings}
    numbers = [int(found[name]) for name in ("channels", "kernel", "side", "step", "neurons") if found[name]]
    if 0 in (*numbers, of.get("s"), of.get("g")):
        raise ValueError(f"network holds '{text}': all numbers but the padding must be at least 1")
    if found["channels"]:
        return Convolutional(numbers[0], numbers[1], of.get("s", 1), of.get("p", 0), of.get("g", 1))
    if found["kind"]:
        return Pooling(_KINDS[found["kind"]], numbers[0], numbers[-1])
    return Connected(numbers[0])


def parts(network: Sequence[str | int]) -> list[Part]:
    """The layers that a network in short notation has.

    Raises:
        ValueError: an element is misspelt, or nothing in it spikes.
    """
    found: list[Part] = []
    number: Counter[str] = Counter()
    factor = 1.0
    for text in map(str, network):
        element, pool = parse(text), 1
        kind = {Convolutional: "conv", Pooling: "pool", Connected: "full"}[type(element)]
        before = found[-1].element if found else None
        if isinstance(element, Pooling):
            factor *= element.factor
        elif isinstance(element, Convolutional) and isinstance(before, Pooling) and before.is_fused:
            pool = before.side
            number["pool"] -= 1
            found.pop()
        number[kind] += 1
        found.append(Part(f"{kind}{number[kind]}", text, element, pool, factor))
        if not isinstance(element, Pooling):
            factor = 1.0
    if not any(part.spikes for part in found):
        raise ValueError("network must have a layer that spikes, as 16c5 or 200")
    return found


def shapes(layers: Sequence[Part], in_shape: Shape) -> list[Shape]:
    """Feature shape of each layer's output.

    Raises:
        ValueError: one cannot follow the other.
    """
    found = []
    for part in layers:
        in_shape = part.out_shape(in_shape)
        found.append(in_shape)
    return found


def _image(shape: Shape) -> Shape:
    if len(shape) != 3:
        raise ValueError(f"it needs an input of channels, rows and columns, and gets {list(shape)}")
    return shape


def _places(size: int, side: int, stride: int) -> int:
    """Places along an axis that a window of that side can take."""
    if size < side:
        raise ValueError(f"a square of side {side} does not fit into {size} pixels")
    return (size - side) // stride + 1


def _nearest(text: str) -> str:
    """The form with the same numbers that is the most like a misspelt one."""
    numbers = re.findall(r"\d+", text) or ["2"]
    first, second = numbers[0], numbers[1] if len(numbers) > 1 else "3"
    likely = [f"{first}c{second}", *(f"{letter}{first}" for letter in "pam"), first]
    swapped = [form for form in likely if sorted(form) == sorted(text.lower())]
    near = swapped or get_close_matches(text.lower(), likely, n=1, cutoff=0.5)
    return f"did you mean {near[0]}? " if near else ""
