"""A fully connected layer of leaky integrate-and-fire neurons, from spikes to spikes."""

from __future__ import annotations

from torch import Tensor

from snn_zo.neuron import Neuron
from snn_zo.ops.analogue import Analogue, Input
from snn_zo.ops.backends import implementation
from snn_zo.ops.encoding import encode_linear
from snn_zo.ops.scale import fold_scale
from snn_zo.ops.shapes import require_draw, require_layer
from snn_zo.ops.spikes import Spikes
from snn_zo.strategies import Draw, Strategy


def spiking_linear(
    x: Input,
    weight: Tensor,
    bias: Tensor | None,
    neuron: Neuron,
    strategy: Strategy,
    draw: Draw | None = None,
    backend: str = "auto",
) -> Spikes:
    """Spikes of N neurons with input current I[t] = weight s_in[t] + bias.

    Args:
        x: [B, T, N_in] input spikes, whatever their feature shape; or an analogue input.
        weight: [N, N_in].
        bias: [N], added at every time step, or None.
        neuron: leak, threshold and reset.
        strategy: local derivative of the spike.
        draw: randomness of a stochastic strategy; without one, a fresh draw from torch's global generator.
        backend: `auto` or the name of a backend.

    Returns:
        [B, T, N] spikes; their active set is empty when gradients are disabled. The backward gives gradients to
        `weight`, to `bias`, and to `x.handle` at the active elements of x.

    Raises:
        ValueError: shapes do not fit, or the backend does not run here or does not support this.
    """
    if isinstance(x, Analogue):
        return encode_linear(x, weight, bias, neuron, strategy, draw, backend)
    x, weight = fold_scale(x, weight)
    require_layer(x, weight, bias)
    require_draw(draw, x.shape[0])
    run = implementation("spiking_linear", backend, weight, len(weight), neuron.reset)
    spikes: Spikes = run(x.view(x.shape[2]), weight, bias, neuron, strategy, draw)
    return spikes
