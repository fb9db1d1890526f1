"""What every network returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from snn_zo.ops import Spikes


class Output(NamedTuple):
    """Result of a forward pass.

    Attributes:
        logits: [B, C].
        hidden: spikes of each hidden layer by name, from input to output; what sparsity and energy are read from.
    """

    logits: Tensor
    hidden: dict[str, Spikes]
