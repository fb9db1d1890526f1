"""What a network is trained and judged by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

from snn_zo.headline import Direction, Headline
from snn_zo.target import Target
from snn_zo.tasks.losses import Loss

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torchmetrics import MetricCollection

    from snn_zo.models import Output
    from snn_zo.tasks.tested import Tested


@dataclass(frozen=True)
class Task(ABC):
    """Target, loss and metrics; torch is loaded where one of them is computed.

    Attributes:
        target: what is to be learned of each recording.
        criterion: the loss.
    """

    target: Target
    criterion: Loss

    of: ClassVar[type[Target]]
    """The kind of target that it is for."""
    learns: ClassVar[str]
    """The same in words."""
    losses: ClassVar[type[Loss]]
    """The kind of loss that fits."""
    headline: ClassVar[Headline]
    """The metric that checkpoints, early stopping, tables and figures go by."""
    directions: ClassVar[Mapping[str, Direction]]
    """Whether the largest or the smallest value is the best, of what is logged behind `train/`, `val/` and `test/`."""

    def __post_init__(self) -> None:
        self.criterion.require_fit(self.target)

    def loss(self, output: Output, target: torch.Tensor) -> torch.Tensor:
        """Scalar, the mean over the samples of a batch.

        Args:
            output: of the network.
            target: [B, *shape of the target].
        """
        return self.criterion(output, target)

    def informed(self, targets: NDArray[np.generic]) -> Self:
        """The task whose loss knows the targets of the training part, [S, *shape of the target].

        Raises:
            ValueError: the loss cannot do with these.
        """
        return replace(self, criterion=self.criterion.informed(self.target, targets))

    @abstractmethod
    def metrics(self) -> MetricCollection:
        """What is logged beside the loss, by the names of `directions`; updated with a prediction and targets."""

    def prediction(self, readout: torch.Tensor) -> torch.Tensor:
        """What metrics see of values [B, C] of the readout."""
        return readout

    @abstractmethod
    def tested(self) -> Tested:
        """What is written down at the end of the test."""
