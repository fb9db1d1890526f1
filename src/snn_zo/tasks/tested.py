"""What is written down at the end of a test."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import MulticlassConfusionMatrix
from torchmetrics.utilities import dim_zero_cat


class Tested(Metric):
    """Takes in the predictions of the test, of all devices, and makes a table of them.

    Attributes:
        name: of the table.
    """

    name: ClassVar[Literal["confusion", "predictions"]]

    @abstractmethod
    def update(self, prediction: Tensor, target: Tensor, sample: Tensor) -> None:
        """Take in what metrics see of a batch, its targets, and the numbers of its samples in the data set."""

    @abstractmethod
    def rows(self) -> list[list[object]]:
        """Rows of the table, its header first if it has one."""


class Confusion(Tested, MulticlassConfusionMatrix):
    """The confusion matrix [C, C], true class by row: a table without a header.

    Args:
        classes: C.
    """

    name = "confusion"

    def __init__(self, classes: int) -> None:
        super().__init__(num_classes=classes)

    def update(self, prediction: Tensor, target: Tensor, sample: Tensor) -> None:  # type: ignore[override]
        """See `Tested.update`."""
        if len(target):
            MulticlassConfusionMatrix.update(self, prediction, target)

    def rows(self) -> list[list[object]]:
        """See `Tested.rows`."""
        matrix: list[list[object]] = self.compute().tolist()
        return matrix


class Predictions(Tested):
    """Predicted and true values of each sample: `sample,predicted,true`, numbered where there are several values.

    Args:
        size: values of a sample, K.
    """

    name = "predictions"
    full_state_update = False

    samples: list[Tensor]
    values: list[Tensor]

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.add_state("samples", [], dist_reduce_fx="cat")
        self.add_state("values", [], dist_reduce_fx="cat")

    def update(self, prediction: Tensor, target: Tensor, sample: Tensor) -> None:
        """See `Tested.update`."""
        # also of nothing: devices put together what each of them has
        self.samples.append(sample)
        self.values.append(torch.cat([prediction, target.to(prediction.dtype)], 1))

    def compute(self) -> tuple[Tensor, Tensor]:
        """[S] samples in ascending order, and their K predicted and K true values, [S, 2 K]."""
        samples, order = dim_zero_cat(self.samples).sort()
        return samples, dim_zero_cat(self.values)[order]

    def rows(self) -> list[list[object]]:
        """See `Tested.rows`."""
        samples, values = self.compute()
        numbers = [""] if self.size == 1 else [f"_{i + 1}" for i in range(self.size)]
        header: list[object] = ["sample", *(f"{kind}{number}" for kind in ("predicted", "true") for number in numbers)]
        lines = zip(samples.tolist(), values.tolist(), strict=True)
        return [header, *([sample, *(f"{value:.9g}" for value in line)] for sample, line in lines)]
