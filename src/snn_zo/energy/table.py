"""What operations and memory accesses cost, and where arrays lie."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import NamedTuple

from snn_zo.energy.work import OPERATIONS, Work

PICO = 1e-12


class Level(NamedTuple):
    """A memory.

    Attributes:
        name: of the level.
        bytes: the largest array that lies in it; inf for the last one.
        pj: pJ for 32 bits read or written.
    """

    name: str
    bytes: float
    pj: float


class Joules(NamedTuple):
    """Price of some work: J of its operations, and J of its memory accesses by level."""

    operations: float
    memory: dict[str, float]


@dataclass(frozen=True)
class CostTable:
    """A technology: pJ an operation, and a memory hierarchy.

    Attributes:
        name: of the table, as in results.
        source: where the numbers are from, and which of them are assumptions.
        word_bytes: size of a number.
        addition, multiply_add, function, random: pJ each; a random is a block of four words.
        product: pJ of a multiply-add in a dense product; null for a multiply-add.
        binary_product: pJ of one that a spike takes part in; null for an addition.
        update: pJ of a neuron update; null for a multiply-add and an addition.
        tile: a dense product is done in tiles of so many rows and columns: an operand that was read serves so often.
        operations_per_s: rate of operations, for the energy-delay product.
        products_per_s, gathered_per_s: rates of dense products, and of operations on rows that indices choose; null for
            the same.
        memory: levels {name, bytes, pj}, the smallest first; an array lies in the first that is large enough.

    Raises:
        ValueError: a number is negative, or the levels are not ascending or end before infinity.
    """

    name: str
    source: str
    word_bytes: int
    addition: float
    multiply_add: float
    function: float
    random: float
    operations_per_s: float
    memory: list[Level]
    product: float | None = None
    binary_product: float | None = None
    update: float | None = None
    tile: int = 16
    products_per_s: float | None = None
    gathered_per_s: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "memory", [_level(level) for level in self.memory])
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, (int, float)) and not 0 <= value < math.inf:
                raise ValueError(f"{item.name} must be a number from 0 on, got {value:g}")
        positive = ("word_bytes", "tile", "operations_per_s", "products_per_s", "gathered_per_s")
        if 0 in (getattr(self, name) for name in positive):
            raise ValueError(f"{', '.join(positive)} must be positive")
        sizes = [level.bytes for level in self.memory]
        if not sizes or sizes != sorted(set(sizes)) or sizes[-1] != math.inf:
            raise ValueError(f"memory levels must ascend and end with bytes: .inf, got {sizes}")

    @cached_property
    def prices(self) -> dict[str, float]:
        """pJ of each of `OPERATIONS`."""
        assumed = {
            "product": self.multiply_add, "binary_product": self.addition, "update": self.multiply_add + self.addition,
        }  # fmt: skip
        priced = (getattr(self, name.removesuffix("s")) for name in OPERATIONS)
        pairs = zip(OPERATIONS, priced, strict=True)
        return {name: assumed[name.removesuffix("s")] if price is None else price for name, price in pairs}

    def level(self, size: float) -> Level:
        """Where an array of so many bytes lies."""
        return next(level for level in self.memory if size <= level.bytes)

    def blocks(self, size: float) -> list[int]:
        """Into how many blocks an array of so many bytes may be cut: 1, and as many as let one fit a smaller memory."""
        lower = [level.bytes for level in self.memory if level.bytes < size]
        return [1, *(math.ceil(size / fits) for fits in reversed(lower))]

    def bytes_by_level(self, work: Work, sizes: Mapping[str, float]) -> dict[str, float]:
        """Bytes that some work moves from and to each memory.

        A dense product is done in square blocks, one in the other: a tile in the registers, and in each memory a block
        of as many numbers as it holds, which moves least (Hong and Kung 1981). A number once read serves a row of it.

        Args:
            work: what was done.
            sizes: bytes of each array in the work, or of the block of it that is worked on.
        """
        moved = {level.name: 0.0 for level in self.memory}
        for name, amount in work.moved.items():
            moved[self.level(sizes[name]).name] += amount
        for (name, times), amount in work.uses.items():
            side: float = self.tile
            for level in self.memory[: self.memory.index(self.level(sizes[name])) + 1]:
                moved[level.name] += amount / min(side, times)
                side = math.sqrt(level.bytes / self.word_bytes)
        return moved

    def price(self, work: Work, moved: Mapping[str, float]) -> Joules:
        """J of some work.

        Args:
            work: what was done.
            moved: bytes from and to each memory.
        """
        operations = sum(price * getattr(work, name) for name, price in self.prices.items())
        return Joules(PICO * operations, {level.name: PICO * level.pj * moved[level.name] / 4 for level in self.memory})


def _level(level: Level | Mapping[str, object]) -> Level:
    if isinstance(level, Level):
        return level
    if set(level) != set(Level._fields):
        raise ValueError(f"memory has levels of {', '.join(Level._fields)}, got {', '.join(level)}")
    name, size, pj = str(level["name"]), float(str(level["bytes"])), float(str(level["pj"]))
    if not (size > 0 and 0 <= pj < math.inf):
        raise ValueError(f"memory level {name}: bytes must be positive and pj a number from 0 on")
    return Level(name, size, pj)
