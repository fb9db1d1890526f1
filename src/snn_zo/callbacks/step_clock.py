"""Where the time of training steps goes."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

import lightning
import torch

from snn_zo.training import CapturedModule


class StepClock:
    """Adds up the seconds of the parts that training steps consist of.

    On a GPU they lie between events in its stream, which nobody waits for before the sum is asked for.

    Args:
        gpu: whether a GPU does the steps.
    """

    def __init__(self, gpu: bool) -> None:
        self.gpu = gpu
        self._laps: list[tuple[str, Any, Any]] = []
        self._last: Any = None

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
        if self._laps and self.gpu:
            self._last.synchronize()
        sums: defaultdict[str, float] = defaultdict(float)
        for part, begin, end in self._laps:
            sums[f"{part}_s"] += begin.elapsed_time(end) / 1000 if self.gpu else end - begin
        return dict(sums)

    def _now(self) -> Any:
        if not self.gpu:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event
