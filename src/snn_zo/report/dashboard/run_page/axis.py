"""Axes of the pictures of a run's page: where a value stands, and which values are named."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TICKS = 5
"""Ticks of an axis, about."""


@dataclass(frozen=True)
class Axis:
    """From values to shares of an axis' length.

    Attributes:
        title: what stands beside it.
        low, high: values at its ends; of a logarithmic one their decimal logarithms.
        ticks: values and what is said of them.
        log: whether it is logarithmic.
    """

    title: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False

    def at(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Shares, 0 at the low end."""
        with np.errstate(divide="ignore", invalid="ignore"):
            placed = np.log10(values) if self.log else values
        return (placed - self.low) / (self.high - self.low)


def linear(
    title: str, values: NDArray[np.float64], shown: Callable[[float], str], *, least: float = 0.0, tight: bool = False
) -> Axis:
    """An axis that suits finite values; equal ones stand in its middle.

    Args:
        title: what stands beside it.
        values: that are drawn, at least one.
        shown: a tick in words.
        least: length that it has at least, in the unit of the values.
        tight: whether it ends at the lowest and the highest value.
    """
    low, high = float(values.min()), float(values.max())
    room = max(least, 1e-9 * max(abs(low), abs(high)), 0.1 * abs(high) if low == high else 0.0, 1e-30)
    if high - low < room:
        low, high = (low + high - room) / 2, (low + high + room) / 2
    margin = 0.0 if tight else 0.05 * (high - low)
    low, high = low - margin, high + margin
    step = _step((high - low) / TICKS)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return Axis(title, low, high, tuple((i * step, shown(i * step)) for i in range(first, last + 1)))


def logarithmic(title: str, values: NDArray[np.float64], shown: Callable[[float], str]) -> Axis:
    """An axis of values above 0, at least one, with ticks at 1, 2 and 5 where there are few decades."""
    low, high = float(np.log10(values.min())), float(np.log10(values.max()))
    margin = max(0.05 * (high - low), 0.15)
    low, high = low - margin, high + margin
    steps = (1, 2, 5) if high - low < 2.5 else (1,)
    every = math.ceil((high - low) / 6)
    powers = range(math.floor(low), math.ceil(high) + 1)
    ticks = [step * 10.0**power for power in powers if power % every == 0 for step in steps]
    kept = tuple((tick, shown(tick)) for tick in ticks if low <= math.log10(tick) <= high)
    return Axis(title, low, high, kept, log=True)


def whole_numbers(title: str, highest: int) -> Axis:
    """An axis of epochs, from 1 on."""
    step = max(1, round(_step(highest / TICKS)))
    ticks = [1, *range(step, highest + 1, step)] if step > 1 else range(1, highest + 1)
    return Axis(title, 1 - 0.02 * highest, highest + 0.02 * highest, tuple((tick, str(tick)) for tick in ticks))


def _step(size: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is not below `size`."""
    power = 10.0 ** math.floor(math.log10(size))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= size * (1 - 1e-9))
