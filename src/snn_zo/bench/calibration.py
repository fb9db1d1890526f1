"""Matching contestants: weights for a spike rate, a width for an active fraction, each measured on the contestant."""

from __future__ import annotations

import torch

from snn_zo.bench.contestants import Contestant, Forward
from snn_zo.training.width import solve


def calibrate_rates(contestant: Contestant, target: float, start: list[float]) -> list[float]:
    """Scale the weights of each hidden layer, from input to output, until its spike rate is the target.

    Args:
        contestant: has its initial weights; is left with the scaled ones.
        target: spikes per neuron and time step.
        start: a first guess for each hidden layer.

    Returns:
        The scale of each hidden layer.

    Raises:
        Unreachable: a layer does not fire at this rate whatever its weights.
    """
    scales: list[float] = []
    for i, weight in enumerate(contestant.weights[:-1]):
        original = weight.detach().clone()

        def rate(scale: float, i: int = i, original: torch.Tensor = original) -> float:
            contestant.weights[i].data.copy_(scale * original)
            with torch.no_grad():
                return fractions(contestant, contestant.forward())[i]

        scales.append(solve(rate, target, start[i], f"spike rate of hidden{i + 1}"))
    return scales


def fractions(contestant: Contestant, forward: Forward) -> list[float]:
    """Spike rate of each hidden layer."""
    return [float(contestant.spikes(hidden).mean()) for hidden in forward.hidden]


def calibrate_activity(contestant: Contestant, target: float, start: float) -> float:
    """Widen or narrow the strategy until the active fraction over all hidden layers is the target.

    Strategies without a width (a surrogate for everyone) are left as they are.

    Returns:
        The factor of the width.

    Raises:
        Unreachable: no width gives this fraction.
    """
    original = contestant.strategy
    if original.scaled(1.0) is None:
        return start

    def activity(factor: float) -> float:
        contestant.strategy = original.scaled(factor) or original
        local = [contestant.local(hidden) for hidden in contestant.forward().hidden]
        active = [g != 0 for g in local if g is not None]
        return sum(int(a.sum()) for a in active) / sum(a.numel() for a in active)

    return solve(activity, target, start, "active fraction")
