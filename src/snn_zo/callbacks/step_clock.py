"""Where the time of training steps goes."""

from __future__ import annotations

import time
from collections import defaultdict

import lightning
import torch

from snn_zo.training import CapturedModule

Moment = float | torch.cuda.Event
"""Seconds of the host's clock, or a place in the GPU's stream."""


class StepClock:
    """Adds up the seconds of the parts that training steps consist of.

    On a GPU they lie between events in its stream, which nobody waits for before the sum is asked for.

    Args:
        gpu: whether a GPU does the steps.
    """

    def __init__(self, gpu: bool) -> None:
        self.gpu = gpu
        self._laps: list[tuple[str, Moment, Moment]] = []
        self._last: Moment = 0.0

    @classmethod
    def of(cls, module: lightning.LightningModule) -> StepClock | None:
        """A clock for the module's device; None for steps that are replayed whole, and where time cannot be told."""
        device = module.device.type
        return None if isinstance(module, CapturedModule) or device not in ("cpu", "cuda") else cls(device == "cuda")

    def start(self) -> None:
        """Begin a step."""
        self._last = self._now()

    def lap(self, part: str) -> None:
        """What came since the step began, or since the last lap, was this part of it."""
        now = self._now()
        self._laps.append((part, self._last, now))
        self._last = now

    def seconds(self) -> dict[str, float]:
        """`<part>_s` of each part."""
        if self._laps and not isinstance(self._last, float):
            self._last.synchronize()
        sums: defaultdict[str, float] = defaultdict(float)
        for part, begin, end in self._laps:
            sums[f"{part}_s"] += _seconds(begin, end)
        return dict(sums)

    def _now(self) -> Moment:
        if not self.gpu:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event


def _seconds(begin: Moment, end: Moment) -> float:
    if isinstance(begin, float):
        assert isinstance(end, float)
        return end - begin
    assert not isinstance(end, float)
    return begin.elapsed_time(end) / 1000
