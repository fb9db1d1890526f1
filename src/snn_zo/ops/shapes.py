"""What every backend may rely on: arguments that fit together."""

from __future__ import annotations

from torch import Tensor

from snn_zo.ops.analogue import Analogue, Input
from snn_zo.ops.convolution import Convolution, Pair
from snn_zo.ops.spikes import Spikes
from snn_zo.strategies import Draw


def require_spikes(x: Input, scaled: bool = False) -> None:
    """Raise ValueError unless x is Spikes with a time step, and of value 1 where they may not be `scaled`."""
    if isinstance(x, Analogue):
        raise ValueError("an analogue input is for a layer of spiking neurons: put one in front of this")
    if not isinstance(x, Spikes):
        raise ValueError(f"input must be Spikes, got {type(x).__name__}: Spikes.from_dense makes them from a tensor")
    if x.shape[1] == 0:
        raise ValueError(f"spikes {list(x.shape)} have no time step")
    if x.scale != 1 and not scaled:
        raise ValueError(f"each of these spikes has the value {x.scale:g}, which this operation knows nothing of")


def require_map(x: Input, what: str, scaled: bool = False) -> tuple[int, int, int]:
    """The features (C, H, W) of spikes.

    Args:
        x: spikes.
        what: needs them, for the message.
        scaled: whether they may have a value other than 1.

    Raises:
        ValueError: x is none, or has others.
    """
    require_spikes(x, scaled)
    if len(x.features) != 3:
        raise ValueError(
            f"{what} needs spikes [B, T, C, H, W], got {[*x.shape[:2], *x.features]}: view(C, H, W) says so"
        )
    channels, height, width = x.features
    return channels, height, width


def require_layer(x: Spikes, weight: Tensor, bias: Tensor | None) -> None:
    """Raise ValueError unless x, weight and bias make a fully connected layer."""
    require_spikes(x)
    if weight.dim() != 2 or weight.shape[1] != x.shape[2]:
        raise ValueError(f"weight must be [N, {x.shape[2]}] for spikes {list(x.shape)}, got {list(weight.shape)}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"bias must be [{len(weight)}], got {list(bias.shape)}")


def require_kernel(
    x: Input, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair, groups: int, pool: Pair
) -> Convolution:
    """The convolution that these make.

    Raises:
        ValueError: they make none.
    """
    if isinstance(x, Analogue) and len(x.features) == 3:
        channels, height, width = x.features
    else:
        channels, height, width = require_map(x, "a convolution")
    if weight.dim() != 4:
        raise ValueError(f"weight must be [C_out, C_in / groups, rows, columns], got {list(weight.shape)}")
    kernel = (weight.shape[2], weight.shape[3])
    made = Convolution((channels, height, width), len(weight), kernel, stride, padding, groups, pool)
    if tuple(weight.shape) != made.weight_shape:
        raise ValueError(f"weight must be {list(made.weight_shape)} for these spikes, got {list(weight.shape)}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"bias must be [{len(weight)}], got {list(bias.shape)}")
    return made


def require_draw(draw: Draw | None, batch: int) -> None:
    """Raise ValueError unless the draw has one entry a sample."""
    if draw is not None and draw.sample.shape != (batch,):
        raise ValueError(f"draw.sample must be [{batch}], one a sample of the batch, got {list(draw.sample.shape)}")
