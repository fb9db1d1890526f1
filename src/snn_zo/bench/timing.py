"""Timing in rounds: in each, every contestant makes one step, so that what disturbs the machine disturbs them all."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from snn_zo.bench.contestants import Contestant
from snn_zo.bench.device import Clock


class Phases(NamedTuple):
    """Milliseconds of one training step. The forward includes the loss, the optimizer clearing the gradients."""

    forward: float
    backward: float
    optimizer: float

    @property
    def step(self) -> float:
        """The whole step."""
        return sum(self)


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

    forward: float
    backward: float
    optimizer: float
    step: float
    faster: Quartiles | None


def training_step(contestant: Contestant, clock: Clock, step: int) -> Phases:
    """One step of the contestant, timed."""
    clock.start()
    loss, forward = contestant.loss(step)
    clock.mark()
    loss.backward()
    clock.mark()
    contestant.optimizer.step()
    contestant.optimizer.zero_grad()
    clock.mark()
    del forward  # held until here, as a training loop holds it for its callbacks
    return Phases(*clock.milliseconds())


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


def summarise(times: dict[str, list[Phases]], baseline: str) -> dict[str, Timing]:
    """Medians and paired ratios; without ratios where the baseline has not been timed."""
    reference = times.get(baseline)
    timings = {}
    for name, phases in times.items():
        forward, backward, optimizer = (statistics.median(column) for column in zip(*phases, strict=True))
        ratios = [theirs.step / ours.step for theirs, ours in zip(reference, phases, strict=True)] if reference else []
        step = statistics.median(each.step for each in phases)
        timings[name] = Timing(forward, backward, optimizer, step, quartiles(ratios) if ratios else None)
    return timings


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
