"""The width of a strategy that makes a wanted share of the elements active."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from torch import nn

from snn_zo.data.store import Batch
from snn_zo.layers import Layer, LeakyReadout, MovingLayer, SpikingLayer, layers_of
from snn_zo.models import Output
from snn_zo.strategies import Draw, Strategy
from snn_zo.training.module import SpikingModule

TOLERANCE = 0.02
"""Relative distance at which a rate counts as the one asked for."""
DIGITS = 3
"""Significant digits of a factor: it is the same where sums are rounded otherwise."""
ATTEMPTS = 50


class Unreachable(ValueError):
    """No factor gives the asked-for rate; the message is one line."""


def solve(measure: Callable[[float], float], target: float, start: float, what: str) -> float:
    """Factor x > 0 with measure(x) = target, by bisection; the last x that is measured is the result.

    Args:
        measure: grows with x, as far as randomness allows.
        target: positive.
        start: where to begin.
        what: what is measured, for the message.

    Raises:
        Unreachable: there is none.
    """
    x, low, high, highest = start, 0.0, float("inf"), 0.0
    for _ in range(ATTEMPTS):
        value = measure(x)
        highest = max(highest, value)
        if abs(value - target) <= TOLERANCE * target:
            return x
        low, high = (x, high) if value < target else (low, x)
        if not 2**-30 < x < 2**30 or high < low * (1 + 1e-9):
            break
        x = 4 * low if high == float("inf") else high / 4 if low == 0 else (low * high) ** 0.5
    if highest == 0:
        raise Unreachable(f"dead: {what} is 0 whatever the scale")
    raise Unreachable(f"unmatched: {what} stays at {value:.3g} where {target:.3g} is asked for (highest {highest:.3g})")


def rounded(factor: float) -> float:
    """The factor in `DIGITS` significant digits."""
    return float(f"{factor:.{DIGITS}g}")


@contextmanager
def computed_on_cpu(model: nn.Module) -> Iterator[None]:
    """Have the layers of a network run on the CPU's own backend, so that what is measured is the same everywhere."""
    kinds = (SpikingLayer, LeakyReadout, MovingLayer)
    layers = [layer for layer in layers_of(model).values() if isinstance(layer, kinds)]
    backends = [layer.backend for layer in layers]
    for layer in layers:
        layer.backend = "cpu"
    try:
        yield
    finally:
        for layer, backend in zip(layers, backends, strict=True):
            layer.backend = backend


def set_active(module: SpikingModule, batch: Batch, active: float) -> float:
    """Scale the widths of all strategies by one factor, with which that share of the elements is active in a batch.

    The factor depends on the weights, the batch and the run's seed alone: it is measured on the CPU, with the random
    draws of the first step.

    Args:
        module: has its initial weights, on the CPU.
        batch: of the training part.
        active: share of the elements (sample, step, neuron) of the hidden layers whose strategies have a width.

    Returns:
        The factor.

    Raises:
        Unreachable: there is none.
    """
    layers = layers_of(module.model)
    widths = _widths(layers)
    if not widths:
        raise Unreachable("the strategy has no width that could be scaled")
    draw = Draw(module.seed, 0, 0, batch.sample)

    def share(factor: float) -> float:
        _scale(widths, factor)
        output: Output = module.model(batch.spikes, draw)
        found = [spikes for name, spikes in output.hidden.items() if layers[name] in widths]
        return sum(int(spikes.active_count) for spikes in found) / sum(math.prod(spikes.shape) for spikes in found)

    with computed_on_cpu(module.model):
        factor = rounded(solve(share, active, 1.0, "the share of active elements"))
        _scale(widths, factor)
    return factor


def scale_widths(module: SpikingModule, factor: float) -> None:
    """Scale the widths of all strategies by the factor that `set_active` has found for the run.

    Raises:
        ValueError: a strategy cannot be that wide.
    """
    _scale(_widths(layers_of(module.model)), factor)


def _widths(layers: Mapping[str, Layer]) -> dict[SpikingLayer, Strategy]:
    """The layers whose strategies have a width, with these strategies."""
    spiking = [layer for layer in layers.values() if isinstance(layer, SpikingLayer)]
    return {layer: layer.strategy for layer in spiking if layer.strategy.scaled(1.0)}


def _scale(widths: Mapping[SpikingLayer, Strategy], factor: float) -> None:
    for layer, strategy in widths.items():
        layer.strategy = strategy.scaled(factor) or strategy


def changed(before: object, after: object, name: str = "") -> list[str]:
    """The numbers by which two strategies of one kind differ: `delta 0.05 -> 0.137`."""
    if dataclasses.is_dataclass(before):
        fields = [field.name for field in dataclasses.fields(before)]
        return [line for field in fields for line in changed(getattr(before, field), getattr(after, field), field)]
    return [f"{name} {before:.4g} -> {after:.4g}"] if isinstance(after, float) and before != after else []
