"""The leaky integrate-and-fire neuron and the readouts, as settings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

Reset = Literal["soft", "hard", "none"]
Reduction = Literal["max", "sum", "mean", "last"]
Init = Literal["uniform", "normal"]
NormName = Literal["tdbn", "weight"]

RESETS: tuple[Reset, ...] = get_args(Reset)
REDUCTIONS: tuple[Reduction, ...] = get_args(Reduction)
INITS: tuple[Init, ...] = get_args(Init)
NORMS: tuple[NormName, ...] = get_args(NormName)


def _leak(tau: float, dt: float) -> float:
    for name, value in (("tau", tau), ("dt", dt)):
        if not value > 0 or (name == "dt" and value == math.inf):
            raise ValueError(f"{name} must be a positive number of milliseconds, got {value:g}")
    return math.exp(-dt / tau)


def _require_one_of(name: str, value: str, names: tuple[str, ...]) -> None:
    if value not in names:
        raise ValueError(f"{name} must be one of {', '.join(names)}, got '{value}'")


@dataclass(frozen=True)
class Neuron:
    """A leaky integrate-and-fire neuron: s[t] = 1(v[t] > v_th), with the membrane potential

        soft reset  v[t] = beta v[t-1] + I[t] - v_th s[t-1]
        hard reset  v[t] = beta v[t-1] (1 - s[t-1]) + I[t]
        no reset    v[t] = beta v[t-1] + I[t]

    Attributes:
        tau: membrane time constant in ms; inf for no leak.
        dt: time step in ms.
        v_th: threshold.
        reset: `soft`, `hard` or `none`.
        detach_reset: whether the gradient passes by the reset (s[t-1] is then a constant in the equations above).
    """

    tau: float = 20.0
    dt: float = 1.0
    v_th: float = 1.0
    reset: Reset = "soft"
    detach_reset: bool = True

    def __post_init__(self) -> None:
        _leak(self.tau, self.dt)
        if not 0 < self.v_th < math.inf:
            raise ValueError(f"v_th must be a positive number, got {self.v_th:g}")
        _require_one_of("reset", self.reset, RESETS)

    @property
    def beta(self) -> float:
        """Leak exp(-dt / tau) a time step."""
        return _leak(self.tau, self.dt)


@dataclass(frozen=True)
class Readout:
    """A leaky readout: o[t] = beta o[t-1] + (1 - beta) I[t], reduced over time to one value a class.

    Attributes:
        tau: time constant in ms.
        dt: time step in ms.
        reduce: `max`, `sum`, `mean` or `last` over time.
        scale: factor of the result, the inverse temperature of the softmax.
    """

    tau: float = 20.0
    dt: float = 1.0
    reduce: Reduction = "mean"
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not _leak(self.tau, self.dt) < 1:
            raise ValueError("tau must be finite: a readout that does not leak (beta = 1) never takes anything in")
        _require_one_of("reduce", self.reduce, REDUCTIONS)
        if not 0 < self.scale < math.inf:
            raise ValueError(f"scale must be a positive number, got {self.scale:g}")

    @property
    def beta(self) -> float:
        """Leak exp(-dt / tau) a time step."""
        return _leak(self.tau, self.dt)


@dataclass(frozen=True)
class CountReadout:
    """Output neurons that spike: an output is the number of its neuron's spikes over all time steps, times a factor.

    Attributes:
        neuron: settings of the output neurons.
        scale: factor of the counts.
    """

    neuron: Neuron
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.scale < math.inf:
            raise ValueError(f"scale must be a positive number, got {self.scale:g}")
