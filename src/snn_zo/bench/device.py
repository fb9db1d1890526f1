"""What differs between devices: clocks and threads. All knowledge of CUDA's asynchrony is here."""

from __future__ import annotations

import time
from itertools import pairwise

import torch

from snn_zo.config import ConfigError


def prepare(device: str, threads: int | None) -> None:
    """Set the number of CPU threads, for torch and our compiled loops alike.

    Raises:
        ConfigError: the device is not there.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device=cuda: there is no CUDA device here, or torch was built without CUDA")
    if threads is not None:
        torch.set_num_threads(threads)


class Clock:
    """Marks in time: CUDA events on a GPU, so that no phase waits for the one before; the wall clock elsewhere."""

    def __init__(self, device: str) -> None:
        self.cuda = device == "cuda"
        self._marks: list[float | torch.cuda.Event] = []

    def start(self) -> None:
        """Wait for the device, forget earlier marks, and set the first one."""
        if self.cuda:
            torch.cuda.synchronize()
        self._marks = []
        self.mark()

    def mark(self) -> None:
        """Set a mark."""
        if self.cuda:
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self._marks.append(event)
        else:
            self._marks.append(time.perf_counter())

    def milliseconds(self) -> list[float]:
        """Time between successive marks, after the device has reached the last one."""
        if self.cuda:
            torch.cuda.synchronize()
            return [before.elapsed_time(after) for before, after in pairwise(self._marks)]  # type: ignore[union-attr,arg-type]
        return [1e3 * (after - before) for before, after in pairwise(self._marks)]  # type: ignore[operator]
