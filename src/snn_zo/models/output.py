"""What every network returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from snn_zo.ops import Spikes


class Output(NamedTuple):
    """Result of a forward pass.

    Attributes:
        readout: [B, C] values of the readout: the logits of a classification, the predictions of a regression.
        hidden: spikes of each hidden layer by name, from input to output; what sparsity is read from.
        over_time: [B, T, C] values of the readout at each step, where a loss asked for them.
    """

    readout: Tensor
    hidden: dict[str, Spikes]
    over_time: Tensor | None = None
