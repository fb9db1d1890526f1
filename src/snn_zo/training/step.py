"""What a training step computes."""

from __future__ import annotations

from typing import NamedTuple, TypedDict

from torch import Tensor

from snn_zo.layers import Done
from snn_zo.ops import Spikes


class DivergedError(RuntimeError):
    """The loss became nan or infinite; the message is one line."""


class Trained(TypedDict):
    """What callbacks see of a training step.

    Attributes:
        loss: scalar, penalty included.
        hidden: spikes of each hidden layer, without their graph.
        layers: what each layer did.
    """

    loss: Tensor
    hidden: dict[str, Spikes]
    layers: list[Done]


class Step(NamedTuple):
    """Result of a training step.

    Attributes:
        loss: scalar, penalty included.
        fit: scalar, the loss of the task alone.
        penalty: scalar, of the hidden layers' spike counts; None where nothing is regularised.
        readout: [B, C] values of the readout.
        hidden: spikes of each hidden layer.
        layers: what each layer did.
    """

    loss: Tensor
    fit: Tensor
    penalty: Tensor | None
    readout: Tensor
    hidden: dict[str, Spikes]
    layers: list[Done]

    def detach(self) -> Step:
        """The same without the autograd graph."""
        penalty = None if self.penalty is None else self.penalty.detach()
        hidden = {name: spikes.detach() for name, spikes in self.hidden.items()}
        return Step(self.loss.detach(), self.fit.detach(), penalty, self.readout.detach(), hidden, self.layers)
