"""Recordings with real numbers each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from snn_zo.headline import Direction, Headline
from snn_zo.target import Continuous
from snn_zo.tasks.losses import ValueLoss
from snn_zo.tasks.task import Task

if TYPE_CHECKING:
    from torchmetrics import MetricCollection

    from snn_zo.tasks.tested import TestedValues


@dataclass(frozen=True)
class Regression(Task):
    """The values of the readout are the prediction.

    Its metrics are `r2`, the share of the targets' variance that is predicted (the mean over the K values), and, over
    all values, `mae`, the mean absolute error, and `rmse`, the root of the mean squared error.
    """

    target: Continuous
    criterion: ValueLoss

    of = Continuous
    learns = "real numbers"
    losses = ValueLoss
    headline: ClassVar[Headline] = Headline("r2", "R2", "max")
    directions: ClassVar[Mapping[str, Direction]] = {"r2": "max", "mae": "min", "rmse": "min", "loss": "min"}

    def metrics(self) -> MetricCollection:
        """See the class."""
        from torchmetrics import MeanAbsoluteError, MeanSquaredError, MetricCollection

        from snn_zo.tasks.r2 import R2

        return MetricCollection(
            {"r2": R2(self.target.size), "mae": MeanAbsoluteError(), "rmse": MeanSquaredError(squared=False)}
        )

    def tested(self) -> TestedValues:
        """Predicted and true values."""
        from snn_zo.tasks.tested import TestedValues

        return TestedValues()
