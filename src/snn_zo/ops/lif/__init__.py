"""Leaky integrate-and-fire neurons driven by a dense current."""

from __future__ import annotations

from torch import Tensor

from snn_zo.neuron import Neuron
from snn_zo.ops.backends import implementation
from snn_zo.ops.shapes import require_draw
from snn_zo.ops.spikes import Spikes
from snn_zo.strategies import Draw, Strategy


def lif(
    current: Tensor,
    neuron: Neuron,
    strategy: Strategy,
    draw: Draw | None = None,
    backend: str = "auto",
    steps: int | None = None,
    channels_last: bool = False,
) -> Spikes:
    """Spikes of neurons that start from v = 0 (`Neuron` has the equations).

    Args:
        current: [B, T, N] or [B, T, C, H, W] input current in units of v_th a time step; [B, N] or [B, C, H, W] of one
            that is constant over `steps`.
        neuron: leak, threshold and reset.
        strategy: local derivative of the spike.
        draw: randomness of a stochastic strategy; without one, a fresh draw from torch's global generator.
        backend: `auto` or the name of a backend.
        steps: T of a constant current; None where the current has a value for each step.
        channels_last: how the neurons of a current [B, T, C, H, W] are numbered.

    Returns:
        [B, T, N] or [B, T, C, H, W] spikes; their active set is empty when gradients are disabled.

    Raises:
        ValueError: wrong shape, or the backend does not run here or does not support this.
    """
    if steps is not None:
        if current.dim() not in (2, 4) or steps < 1:
            raise ValueError(
                f"a constant current must be [B, N] or [B, C, H, W], and steps positive, got {list(current.shape)} and "
                f"{steps}"
            )
        current = current.unsqueeze(1)
    if current.dim() < 3 or current.shape[1] == 0:
        raise ValueError(f"current must be [B, T, N] or [B, T, C, H, W], T > 0, got {list(current.shape)}")
    require_draw(draw, len(current))
    features = current.shape[2:]
    flat = (current.permute(0, 1, 3, 4, 2) if channels_last and len(features) == 3 else current).flatten(2)
    run = implementation("lif", backend, flat, flat.shape[2], neuron.reset)
    spikes: Spikes = run(flat, neuron, strategy, draw, steps or flat.shape[1])
    return spikes.view(*features, channels_last=channels_last)
