"""Fully connected spiking network with a leaky readout."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

from torch import nn

from snn_zo.models.output import Output
from snn_zo.neuron import Neuron, Readout
from snn_zo.ops import Spikes, leaky_readout, spiking_linear
from snn_zo.strategies import Draw, Strategy


class FeedForward(nn.Module):
    """N_in -> hidden[0] -> ... -> hidden[-1] -> C, the architecture of the LocalZO and SSG papers.

    Args:
        in_features: inputs N_in.
        out_features: classes C.
        strategy: local derivative of the hidden layers' spikes.
        hidden: neurons of each hidden layer.
        neuron: settings of the hidden neurons.
        readout: settings of the output.
        init: `uniform`: weights are drawn from U[-gain, gain] / sqrt(fan in); `normal`: from N(0, gain^2 / fan in).
        gain: of the initial weights.
        bias: whether layers have one; it starts at 0.
        backend: `auto` or one of `snn_zo.ops.backends.BACKENDS`.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        strategy: Strategy,
        hidden: Sequence[int],
        neuron: Neuron,
        readout: Readout,
        init: str = "uniform",
        gain: float = 1.0,
        bias: bool = False,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        self.strategy, self.neuron, self.readout, self.backend = strategy, neuron, readout, backend
        widths = [in_features, *hidden, out_features]
        layers = [nn.Linear(n_in, n_out, bias) for n_in, n_out in pairwise(widths)]
        for layer in layers:
            scale = gain / layer.in_features**0.5
            if init == "uniform":
                nn.init.uniform_(layer.weight, -scale, scale)
            else:
                nn.init.normal_(layer.weight, std=scale)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Spikes, draw: Draw | None = None) -> Output:
        """Class scores and hidden spikes.

        Args:
            x: [B, T, N_in] input spikes.
            draw: randomness of the strategy in a training step; layer i draws from stream i.
        """
        hidden = {}
        *layers, output = cast("list[nn.Linear]", list(self.layers))
        for i, layer in enumerate(layers):
            layer_draw = draw.for_layer(i) if draw else None
            x = spiking_linear(x, layer.weight, layer.bias, self.neuron, self.strategy, layer_draw, self.backend)
            hidden[f"hidden{i + 1}"] = x
        logits = leaky_readout(x, output.weight, output.bias, self.readout, self.backend)
        return Output(logits, hidden)
