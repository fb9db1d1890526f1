"""What a training step computes."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from snn_zo.ops import Spikes


class DivergedError(RuntimeError):
    """The loss became nan or infinite; the message is one line."""


class Step(NamedTuple):
    """Result of a training step.

    Attributes:
        loss: scalar, penalty included.
        cross_entropy: scalar.
        penalty: scalar, of the hidden layers' spike counts; None where nothing is regularised.
        logits: [B, C].
        hidden: spikes of each hidden layer.
    """

    loss: Tensor
    cross_entropy: Tensor
    penalty: Tensor | None
    logits: Tensor
    hidden: dict[str, Spikes]

    def detach(self) -> Step:
        """The same without the autograd graph."""
        penalty = None if self.penalty is None else self.penalty.detach()
        hidden = {name: spikes.detach() for name, spikes in self.hidden.items()}
        return Step(self.loss.detach(), self.cross_entropy.detach(), penalty, self.logits.detach(), hidden)
