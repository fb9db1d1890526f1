"""A convolutional layer of leaky integrate-and-fire neurons, from spikes to spikes."""

from __future__ import annotations

import math

from torch import Tensor

from snn_zo.neuron import Neuron
from snn_zo.ops.analogue import Analogue, Input
from snn_zo.ops.backends import implementation
from snn_zo.ops.convolution import Pair, pair
from snn_zo.ops.encoding import encode_conv2d
from snn_zo.ops.scale import fold_scale
from snn_zo.ops.shapes import require_draw, require_kernel
from snn_zo.ops.spikes import Spikes
from snn_zo.strategies import Draw, Strategy


def spiking_conv2d(
    x: Input,
    weight: Tensor,
    bias: Tensor | None,
    neuron: Neuron,
    strategy: Strategy,
    draw: Draw | None = None,
    backend: str = "auto",
    *,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    groups: int = 1,
    pool: int | Pair = 1,
) -> Spikes:
    """Spikes of neurons with input current I[t] = conv2d(sum_pool2d(s_in[t]), weight) + bias.

    Args:
        x: [B, T, C_in, H, W] input spikes, in either order of their neurons; or an analogue input.
        weight: [C_out, C_in / groups, rows, columns], as of torch.nn.functional.conv2d.
        bias: [C_out], added at every time step, or None.
        neuron: leak, threshold and reset.
        strategy: local derivative of the spike.
        draw: randomness of a stochastic strategy; without one, a fresh draw from torch's global generator.
        backend: `auto` or the name of a backend.
        stride, padding, groups: as of torch.nn.functional.conv2d.
        pool: side of the squares without overlap over which the input is summed before it is convolved.

    Returns:
        [B, T, C_out, H_out, W_out] spikes, channels last; their active set is empty when gradients are disabled. The
        backward gives gradients to `weight`, to `bias`, and to `x.handle` at the active elements of x.

    Raises:
        ValueError: shapes do not fit, or the backend does not run here or does not support this.
    """
    geometry = pair(stride), pair(padding), groups, pair(pool)
    if isinstance(x, Analogue):
        convolution = require_kernel(x, weight, bias, *geometry)
        return encode_conv2d(x, weight, bias, convolution, neuron, strategy, draw, backend)
    x, weight = fold_scale(x, weight)
    convolution = require_kernel(x, weight, bias, *geometry)
    require_draw(draw, x.shape[0])
    run = implementation("spiking_conv2d", backend, weight, math.prod(convolution.out_shape), neuron.reset)
    spikes: Spikes = run(x, weight, bias, convolution, neuron, strategy, draw)
    return spikes.view(*convolution.out_shape, channels_last=True)
