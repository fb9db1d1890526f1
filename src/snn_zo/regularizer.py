"""The spike-count regulariser, as settings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SpikeCount:
    """Penalty on hidden layers that spike too much or hold silent neurons (Perez-Nieves and Goodman 2021).

    With n the spikes of a sample and neuron over all time steps and c the mean of n over a layer's neurons, each layer
    adds upper * mean over samples of max(0, c - at_most) + lower * mean over samples and neurons of
    max(0, at_least - n)^2 to the loss.

    Attributes:
        upper: weight of the upper bound.
        at_most: upper bound of c, in spikes.
        lower: weight of the lower bound.
        at_least: lower bound of n, in spikes.
    """

    upper: float = 0.06
    at_most: float = 1.0
    lower: float = 100.0
    at_least: float = 1e-3

    def __post_init__(self) -> None:
        for name in ("upper", "at_most", "lower", "at_least"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be a number from 0 on, got {getattr(self, name):g}")

    def __bool__(self) -> bool:
        """Whether there is anything to add to the loss."""
        return self.upper > 0 or self.lower > 0
