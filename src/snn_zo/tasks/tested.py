"""What is written down at the end of a test."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

Rows: TypeAlias = "list[list[object]]"
"""Of a table, its header first."""


class Tested(Metric):
    """Takes in the predictions of the test, of all devices, and makes tables of them."""

    full_state_update = False

    samples: list[Tensor]
    predictions: list[Tensor]
    targets: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in ("samples", "predictions", "targets"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, prediction: Tensor, target: Tensor, sample: Tensor) -> None:
        """Take in a batch, which may be empty: devices put together what each of them has.

        Args:
            prediction: [B, C] what metrics see of it.
            target: [B, *shape of the target].
            sample: [B] numbers of its recordings in the data set.
        """
        self.samples.append(sample)
        self.predictions.append(prediction)
        self.targets.append(target)

    def compute(self) -> tuple[Tensor, Tensor, Tensor]:
        """[S] recordings in ascending order, their predictions [S, C] and their targets [S, *shape of the target]."""
        samples, order = dim_zero_cat(self.samples).sort()
        return samples, dim_zero_cat(self.predictions)[order], dim_zero_cat(self.targets)[order]

    @abstractmethod
    def tables(self) -> Mapping[Literal["confusion", "predictions"], Rows]:
        """Tables by name."""


class TestedClasses(Tested):
    """Of each recording its label, the prediction and the scores of all classes; and the confusion matrix."""

    def tables(self) -> Mapping[Literal["confusion", "predictions"], Rows]:
        """See `Tested.tables`; the confusion matrix has a row for each label and a column for each prediction."""
        samples, scores, label = self.compute()
        prediction, classes = scores.argmax(1), range(scores.shape[1])
        predictions: Rows = [["recording", "label", "prediction", *(f"score_{c}" for c in classes)]]
        columns = samples.tolist(), label.tolist(), prediction.tolist(), scores.tolist()
        predictions += [[r, y, p, *(f"{score:.6g}" for score in line)] for r, y, p, line in zip(*columns, strict=True)]
        matrix = np.zeros((len(classes), len(classes)), np.int64)
        np.add.at(matrix, (label.cpu().numpy(), prediction.cpu().numpy()), 1)
        confusion: Rows = [["label\\predicted", *classes]]
        confusion += [[c, *row] for c, row in enumerate(matrix.tolist())]
        return {"predictions": predictions, "confusion": confusion}


class TestedValues(Tested):
    """Of each recording the predicted and the true values, which are numbered where there are several."""

    def tables(self) -> Mapping[Literal["confusion", "predictions"], Rows]:
        """See `Tested.tables`."""
        samples, predicted, true = self.compute()
        size = predicted.shape[1]
        numbers = [""] if size == 1 else [f"_{i + 1}" for i in range(size)]
        rows: Rows = [["recording", *(f"{kind}{number}" for kind in ("predicted", "true") for number in numbers)]]
        values = torch.cat([predicted, true.to(predicted.dtype)], 1).tolist()
        rows += [[s, *(f"{value:.9g}" for value in line)] for s, line in zip(samples.tolist(), values, strict=True)]
        return {"predictions": rows}
