"""Mean and variance of the currents of a layer over a batch, for its normalisation."""

from __future__ import annotations

from torch import Tensor

from snn_zo.ops.analogue import Analogue, Input
from snn_zo.ops.backends import implementation
from snn_zo.ops.convolution import Convolution
from snn_zo.ops.current_statistics.reference import current_statistics as of_values
from snn_zo.ops.scale import fold_scale
from snn_zo.ops.shapes import require_kernel, require_layer


def current_statistics(
    x: Input, weight: Tensor, convolution: Convolution | None = None, backend: str = "auto"
) -> tuple[Tensor, Tensor]:
    """Mean and variance, of each output channel, of the currents I[t] that a layer without a bias makes from its input.

    They are taken over samples, time steps and space; the leak has no part in them. A layer that is normalised by them
    is the layer of other weights: (I - mean) / sqrt(variance) = I' - mean / sqrt(variance), where I' is the current of
    weight / sqrt(variance).

    Args:
        x: [B, T, *features] input spikes, or an analogue input; (C_in, H, W) where there is a convolution.
        weight: [C_out, C_in / groups, rows, columns], or [N, N_in] of a fully connected layer, whose channels are its
            neurons.
        convolution: which it is; None for a fully connected layer.
        backend: `auto` or the name of a backend.

    Returns:
        [C_out] mean and [C_out] variance (without Bessel's correction). Both give gradients to `weight`, and to
        `x.handle` at the active elements of x.

    Raises:
        ValueError: shapes do not fit, or the backend does not run here or does not support this.
    """
    if isinstance(x, Analogue):
        return of_values(x, weight, convolution)
    x, weight = fold_scale(x, weight)
    if convolution is None:
        require_layer(x, weight, None)
        x = x.view(x.shape[2])
    else:
        made = convolution
        require_kernel(x, weight, None, made.stride, made.padding, made.groups, made.pool)
    run = implementation("current_statistics", backend, weight, len(weight))
    statistics: tuple[Tensor, Tensor] = run(x, weight, convolution)
    return statistics
