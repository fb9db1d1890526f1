"""Leaky integrate-and-fire neurons driven by a dense current."""

from __future__ import annotations

from torch import Tensor

from snn_zo.neuron import Neuron
from snn_zo.ops.backends import implementation
from snn_zo.ops.shapes import require_draw
from snn_zo.ops.spikes import Spikes
from snn_zo.strategies import Draw, Strategy


def lif(current: Tensor, neuron: Neuron, strategy: Strategy, draw: Draw | None = None, backend: str = "auto") -> Spikes:
    """Spikes of neurons that start from v = 0 (`Neuron` has the equations).

    Args:
        current: [B, T, N] or [B, T, C, H, W] input current in units of v_th a time step.
        neuron: leak, threshold and reset.
        strategy: local derivative of the spike.
        draw: randomness of a stochastic strategy; without one, a fresh draw from torch's global generator.
        backend: `auto` or the name of a backend.

    Returns:
        Spikes of the current's shape; their active set is empty when gradients are disabled.

    Raises:
        ValueError: wrong shape, or the backend does not run here or does not support this.
    """
    if current.dim() < 3 or current.shape[1] == 0:
        raise ValueError(f"current must be [B, T, N] or [B, T, C, H, W], T > 0, got {list(current.shape)}")
    require_draw(draw, len(current))
    flat = current.flatten(2)
    spikes: Spikes = implementation("lif", backend, flat, flat.shape[2], neuron.reset)(flat, neuron, strategy, draw)
    return spikes.view(*current.shape[2:])
