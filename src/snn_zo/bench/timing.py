"""Timing in rounds: in each, every contestant makes one step, so that what disturbs the machine disturbs them all."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from snn_zo.bench.contestants import Contestant
from snn_zo.bench.device import Clock


class Phases(NamedTuple):
    """Milliseconds of one training step; None is what could not be timed apart.

    Attributes:
        step: the whole step.
        forward: with the loss.
        backward: of all layers.
        optimizer: with the clearing of the gradients.
        layer: the part of the backward that belongs to the last hidden layer: from the arrival of the gradient of its
            spikes to that of its input, the gradient of its weight included.
    """

    step: float
    forward: float | None = None
    backward: float | None = None
    optimizer: float | None = None
    layer: float | None = None


class Quartiles(NamedTuple):
    """Lower quartile, median and upper quartile."""

    low: float
    median: float
    high: float


class Timing(NamedTuple):
    """Medians over rounds in milliseconds.

    Attributes:
        faster: baseline's step time over this one's, paired by round; None without a baseline.
    """

    step: float
    forward: float | None
    backward: float | None
    optimizer: float | None
    layer: float | None
    faster: Quartiles | None


def training_step(contestant: Contestant, clock: Clock, step: int) -> Phases:
    """One step of the contestant, timed."""
    clock.start()
    if contestant.whole_step is not None:
        contestant.whole_step(step)
        clock.mark()
        return Phases(*clock.milliseconds())
    loss, forward = contestant.loss(step)
    clock.mark()
    layer = _mark_last_layer(contestant, forward, clock)
    loss.backward()
    clock.mark()
    contestant.optimizer.step()
    contestant.optimizer.zero_grad()
    clock.mark()
    del forward  # held until here, as a training loop holds it for its callbacks
    ahead, *back, update = clock.milliseconds()
    return Phases(ahead + sum(back) + update, ahead, sum(back), update, back[1] if layer else None)


def _mark_last_layer(contestant: Contestant, forward: Any, clock: Clock) -> bool:
    """Have the clock marked where the last hidden layer's backward begins and ends, if both can be seen."""
    carriers = [contestant.carrier(hidden) for hidden in forward.hidden[-2:]] if forward else []
    if len(carriers) < 2 or any(carrier is None or not carrier.requires_grad for carrier in carriers):
        return False
    for carrier in carriers:
        assert carrier is not None
        carrier.register_hook(lambda _: clock.mark())
    return True


def interleaved(contestants: dict[str, Contestant], rounds: int, warmup: int, clock: Clock) -> dict[str, list[Phases]]:
    """One step of each contestant a round, each round beginning with another one.

    Args:
        contestants: by name.
        rounds: that count.
        warmup: rounds before them that do not.
        clock: of the device.

    Returns:
        The steps of each contestant by round.
    """
    names = list(contestants)
    times: dict[str, list[Phases]] = {name: [] for name in names}
    with _without_collector():
        for step in range(warmup + rounds):
            first = step % max(1, len(names))
            for name in names[first:] + names[:first]:
                gc.collect()
                phases = training_step(contestants[name], clock, step)
                if step >= warmup:
                    times[name].append(phases)
    return times


def fastest(times: dict[str, list[Phases]], baseline: str) -> str | None:
    """The contestant of this name, or the fastest one of which it is the first part; None if none has been timed."""
    named = [name for name in times if name == baseline or name.startswith(f"{baseline}/")]
    return min(named, key=lambda name: statistics.median(phases.step for phases in times[name]), default=None)


def summarise(times: dict[str, list[Phases]], baseline: str | None) -> dict[str, Timing]:
    """Medians and paired ratios; without ratios where the baseline has not been timed."""
    reference = times.get(baseline) if baseline else None
    timings = {}
    for name, phases in times.items():
        medians = [_median(column) for column in zip(*phases, strict=True)]
        ratios = [theirs.step / ours.step for theirs, ours in zip(reference, phases, strict=True)] if reference else []
        timings[name] = Timing(*medians, quartiles(ratios) if ratios else None)  # type: ignore[arg-type,call-arg]
    return timings


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def quartiles(values: list[float]) -> Quartiles:
    """Quartiles, interpolated between the values."""
    if len(values) == 1:
        return Quartiles(*values * 3)
    return Quartiles(*statistics.quantiles(values, n=4, method="inclusive"))


@contextmanager
def _without_collector() -> Iterator[None]:
    """Python's garbage collector runs between the steps and not inside them; what exists already is left out of it."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
