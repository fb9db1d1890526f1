"""What every backend may rely on: arguments that fit together."""

from __future__ import annotations

from torch import Tensor

from snn_zo.ops.spikes import Spikes
from snn_zo.strategies import Draw


def require_layer(x: Spikes, weight: Tensor, bias: Tensor | None) -> None:
    """Raise ValueError unless x, weight and bias make a fully connected layer."""
    if not isinstance(x, Spikes):
        raise ValueError(f"input must be Spikes, got {type(x).__name__}: Spikes.from_dense makes them from a tensor")
    if x.shape[1] == 0:
        raise ValueError(f"spikes {list(x.shape)} have no time step")
    if weight.dim() != 2 or weight.shape[1] != x.shape[2]:
        raise ValueError(f"weight must be [N, {x.shape[2]}] for spikes {list(x.shape)}, got {list(weight.shape)}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"bias must be [{len(weight)}], got {list(bias.shape)}")


def require_draw(draw: Draw | None, batch: int) -> None:
    """Raise ValueError unless the draw has one entry a sample."""
    if draw is not None and draw.sample.shape != (batch,):
        raise ValueError(f"draw.sample must be [{batch}], one a sample of the batch, got {list(draw.sample.shape)}")
