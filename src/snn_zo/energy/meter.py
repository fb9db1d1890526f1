"""Measuring a run's Joules epoch by epoch, all of it or nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from snn_zo.energy.sensors import NotMeasuredError, Occupancy, Sensor

IDLE_S = 1.0
"""Seconds for which the idle device is watched before a training."""


class Meter:
    """Joules and seconds of windows of time in which no other run used the device.

    One window that was not measured leaves the sum unknown: a part of the energy is never given for all of it.

    Args:
        sensor: makes the sensor.
        occupancy: makes the record of who uses a device.
        clock: seconds.
        sleep: waits for so many seconds.

    Attributes:
        reason: why there is no sum; None where there is one.
        idle_w: power of the idle device before the training, in W.
    """

    def __init__(
        self,
        sensor: Callable[[], Sensor],
        occupancy: Callable[[str], Occupancy] = Occupancy,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock
        self._sensor: Sensor | None = None
        self._occupancy: Occupancy | None = None
        self._joules = self._seconds = 0.0
        self._start: tuple[float, float, int] | None = None
        self.reason: str | None = None
        self.idle_w: float | None = None
        try:
            self._sensor = sensor()
            self._occupancy = occupancy(self._sensor.device)
            if not self._occupancy.alone():
                raise NotMeasuredError("another run uses the device")
        except NotMeasuredError as error:
            self.reason = str(error)
            return
        before, since = self._sensor.joules(), clock()
        sleep(IDLE_S)
        self.idle_w = (self._sensor.joules() - before) / (clock() - since)

    @property
    def name(self) -> str | None:
        """Of the sensor."""
        return self._sensor.name if self._sensor else None

    @property
    def joules(self) -> float | None:
        """Of all windows so far; None where there was none, or where one was not measured."""
        return self._joules if self.reason is None and self._seconds else None

    @property
    def seconds(self) -> float:
        """Of all measured windows so far."""
        return self._seconds

    def start(self) -> None:
        """Begin a window."""
        if self._sensor and self._occupancy and self.reason is None:
            self._start = self._sensor.joules(), self._clock(), self._occupancy.arrivals()

    def keep_up(self) -> None:
        """To be called every few seconds."""
        if self._sensor:
            self._sensor.keep_up()

    def stop(self) -> None:
        """End the window."""
        if self._start is None or self._sensor is None or self._occupancy is None:
            return
        joules, since, arrivals = self._start
        self._joules += self._sensor.joules() - joules
        self._seconds += self._clock() - since
        self._start = None
        if self._occupancy.arrivals() != arrivals or not self._occupancy.alone():
            self.reason = "another run came to the device"

    def close(self) -> None:
        """Leave the device."""
        if self._occupancy:
            self._occupancy.leave()
            self._occupancy = None

    def state_dict(self) -> dict[str, Any]:
        """What has been measured."""
        return {"joules": self._joules, "seconds": self._seconds, "reason": self.reason}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what an earlier session measured, or from why it did not."""
        self._joules, self._seconds = float(state["joules"]), float(state["seconds"])
        self.reason = self.reason or state["reason"]
