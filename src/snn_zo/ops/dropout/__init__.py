"""Dropout of spikes: some neurons are left out of a sample, for all of its time steps."""

from __future__ import annotations

from snn_zo.ops.backends import implementation
from snn_zo.ops.shapes import require_draw, require_spikes
from snn_zo.ops.spikes import Spikes
from snn_zo.strategies import Draw

STREAM = 2**31
"""Added to the layer's number of a draw: a mask shares no random word with the strategy of any layer."""


def dropout(x: Spikes, p: float, draw: Draw | None = None, backend: str = "auto") -> Spikes:
    """Leave out each neuron of each sample with probability p; the spikes of the others are worth 1 / (1 - p).

    A neuron is left out at all time steps or at none: masks that change from step to step would average out over the
    time constant of the neurons behind them. SpikingJelly's dropout does the same (Fang et al. 2023), and so does Rathi
    et al. 2020. Counts stay whole numbers: their value is in `Spikes.scale`.

    Args:
        x: [B, T, *features] spikes.
        p: probability, at least 0 and less than 1.
        draw: randomness. What is left out follows from its seed, layer and step, and the sample and neuron alone. None
            for a fresh draw from torch's global generator.
        backend: `auto` or the name of a backend.

    Returns:
        [B, T, *features] spikes of the neurons that stay; active are those that were.

    Raises:
        ValueError: p is no such probability, or the backend does not run here or does not support this.
    """
    require_spikes(x, scaled=True)
    require_draw(draw, x.shape[0])
    require_probability(p)
    run = implementation("dropout", backend, x.handle, x.shape[2])
    draw = Draw.fresh(x.shape[0], x.handle.device) if draw is None else draw
    kept: Spikes = run(x.scaled(1.0), p, draw.for_layer((draw.layer + STREAM) % 2**32))
    return kept.scaled(x.scale / (1 - p))


def require_probability(p: float) -> None:
    """Raise ValueError unless p is at least 0 and less than 1."""
    if not 0 <= p < 1:
        raise ValueError(f"the probability of a dropout must be at least 0 and less than 1, got {p}")
