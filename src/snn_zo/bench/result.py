"""What a benchmark has found."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from snn_zo.bench.agreement import Agreement
from snn_zo.bench.contestants import Contestant
from snn_zo.bench.timing import Timing


@dataclass
class Row:
    """One contestant in one case; None is what has not been measured.

    Attributes:
        reason: why it must not be compared, in place of its times.
        strategy: local derivative of its hidden layers, as calibrated.
        note: what it is.
        layer_ms: of the backward, the last hidden layer's part.
        baseline: whether the others' times are compared with its own.
        faster: the baseline's step time over this one's: lower quartile, median, upper quartile over rounds.
        spike_rate: of all hidden layers; `spike_rates` of each.
        active: fraction of all hidden layers; `actives` of each.
        gradient_error: largest relative norm error of a weight gradient; `gradient_errors` of each.
        saved_bytes: kept by autograd between forward and backward.
        peak_bytes: of a step, beyond network and batch.
    """

    contestant: str
    reason: str | None = None
    strategy: str | None = None
    note: str = ""
    forward_ms: float | None = None
    backward_ms: float | None = None
    optimizer_ms: float | None = None
    step_ms: float | None = None
    layer_ms: float | None = None
    baseline: bool = False
    faster_low: float | None = None
    faster: float | None = None
    faster_high: float | None = None
    spike_rate: float | None = None
    active: float | None = None
    gradient_error: float | None = None
    saved_bytes: int | None = None
    peak_bytes: int | None = None
    spike_rates: list[float] = field(default_factory=list)
    actives: list[float] = field(default_factory=list)
    gradient_errors: list[float | None] = field(default_factory=list)

    def describe(self, contestant: Contestant, agreement: Agreement) -> None:
        """Take over what the check before the timing has found."""
        self.note, self.reason = contestant.note, agreement.reason
        self.strategy = re.sub(
            r"\d+\.\d+(e-?\d+)?", lambda number: f"{float(number[0]):.4g}", repr(contestant.strategy)
        )
        self.spike_rates, self.actives = agreement.spike_rate, agreement.active
        self.gradient_errors = [error if math.isfinite(error) else None for error in agreement.gradient_error]
        neurons = contestant.case.neurons
        self.spike_rate, self.active = _mean(self.spike_rates, neurons), _mean(self.actives, neurons)
        self.gradient_error = max(agreement.gradient_error) if None not in self.gradient_errors else None
        self.note = self.note or "; ".join([self.strategy, *map(_forms, count(1), agreement.forms)])

    def time(self, timing: Timing) -> None:
        """Take over the medians."""
        self.step_ms, self.forward_ms, self.backward_ms, self.optimizer_ms, self.layer_ms = timing[:5]
        if timing.faster:
            self.faster_low, self.faster, self.faster_high = timing.faster


class Result(NamedTuple):
    """The rows of a case; axis and value say which point of a sweep it is."""

    axis: str | None
    value: float | str | None
    rows: list[Row]


def _forms(layer: int, forms: dict[str, str]) -> str:
    return f"hidden{layer} " + (", ".join(f"{what} {how}" for what, how in forms.items()) or "dense throughout")


def _mean(values: list[float], neurons: list[int]) -> float:
    """Over layers, weighted by their neurons."""
    return sum(value * n for value, n in zip(values, neurons, strict=True)) / sum(neurons)
