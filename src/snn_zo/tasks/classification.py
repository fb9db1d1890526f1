"""Recordings of one class each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from snn_zo.headline import Direction, Headline
from snn_zo.target import Classes
from snn_zo.tasks.losses import ClassLoss
from snn_zo.tasks.task import Task

if TYPE_CHECKING:
    from torchmetrics import MetricCollection

    from snn_zo.tasks.tested import TestedClasses

TOP = 3


@dataclass(frozen=True)
class Classification(Task):
    """The class with the largest value of the readout; its metrics are `acc` and, with more than 3 classes, `top3`."""

    target: Classes
    criterion: ClassLoss

    of = Classes
    learns = "classes"
    losses = ClassLoss
    headline: ClassVar[Headline] = Headline("acc", "accuracy", "max", "%")
    directions: ClassVar[Mapping[str, Direction]] = {"acc": "max", f"top{TOP}": "max", "loss": "min"}

    def metrics(self) -> MetricCollection:
        """Shares of the samples whose class has the largest value, or one of the three largest."""
        from torchmetrics import Metric, MetricCollection
        from torchmetrics.classification import MulticlassAccuracy

        def accuracy(top: int) -> Metric:
            # classes were checked when the data was read; to look again at each step, a GPU would have to stop
            return MulticlassAccuracy(self.target.count, top, average="micro", validate_args=False)

        tops = {"acc": 1} | ({f"top{TOP}": TOP} if self.target.count > TOP else {})
        return MetricCollection({name: accuracy(top) for name, top in tops.items()})

    def tested(self) -> TestedClasses:
        """Predictions and the confusion matrix."""
        from snn_zo.tasks.tested import TestedClasses

        return TestedClasses()
