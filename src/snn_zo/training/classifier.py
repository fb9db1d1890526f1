"""The LightningModule: classification of spike trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix

from snn_zo.data.store import Batch
from snn_zo.models import Output
from snn_zo.ops import spike_count_penalty
from snn_zo.regularizer import SpikeCount
from snn_zo.strategies import Draw

TOP = 3


class SpikingClassifier(lightning.LightningModule):
    """Cross-entropy training of a spiking network.

    Logs `train|val|test/loss`, `/acc` and, with more than 3 classes, `/top3`. `confusion` holds the test set's
    confusion matrix, [C, C], true class by row.

    Args:
        model: called as model(spikes, draw); returns an `Output`.
        classes: number of classes C.
        seed: run seed; keys the strategy's random draws together with optimizer step and sample.
        optimizer: makes the optimizer from parameters.
        schedule: makes the schedule from an optimizer and `total_steps`; None for a constant learning rate.
        regularizer: of the hidden layers' spike counts; its sum over layers is logged as `train/penalty`.
        backend: of the regulariser.
    """

    def __init__(
        self,
        model: nn.Module,
        classes: int,
        seed: int,
        optimizer: Callable[..., Optimizer],
        schedule: Callable[..., LRScheduler] | None = None,
        regularizer: SpikeCount = SpikeCount(upper=0, lower=0),  # noqa: B008
        backend: str = "auto",
    ) -> None:
        super().__init__()
        self.model, self.seed = model, seed
        self.make_optimizer, self.make_schedule = optimizer, schedule
        self.regularizer, self.backend = regularizer, backend
        metrics: dict[str, Any] = {"acc": MulticlassAccuracy(classes, average="micro")}
        if classes > TOP:
            metrics[f"top{TOP}"] = MulticlassAccuracy(classes, top_k=TOP, average="micro")
        collection = MetricCollection(metrics)
        self.metrics = nn.ModuleDict(
            {f"{stage}_metrics": collection.clone(prefix=f"{stage}/") for stage in ("train", "val", "test")}
        )
        self.confusion = MulticlassConfusionMatrix(classes)

    def forward(self, *args: Any) -> Output:
        """The model's output."""
        return self.model(*args)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Loss, and the hidden spikes without their graph for callbacks."""
        output = self(batch.spikes, Draw(self.seed, 0, self.global_step, batch.sample))
        loss = self._score("train", output.logits, batch)
        if self.regularizer:
            penalties = [spike_count_penalty(x, self.regularizer, self.backend) for x in output.hidden.values()]
            penalty = torch.stack(penalties).sum()
            self.log("train/penalty", penalty.detach(), on_step=False, on_epoch=True, batch_size=len(batch.label))
            loss = loss + penalty
        self.log("loss", loss.detach(), prog_bar=True, on_step=True, on_epoch=False, logger=False)
        return {"loss": loss, "hidden": {name: spikes.detach() for name, spikes in output.hidden.items()}}

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Metrics of a validation batch."""
        self._score("val", self(batch.spikes).logits, batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Metrics and confusion matrix of a test batch."""
        logits = self(batch.spikes).logits
        self._score("test", logits, batch)
        self.confusion.update(logits, batch.label)

    def _score(self, stage: str, logits: Tensor, batch: Batch) -> Tensor:
        loss = cross_entropy(logits, batch.label)
        metrics = self.metrics[f"{stage}_metrics"]
        metrics.update(logits.detach(), batch.label)  # type: ignore[operator]
        size = len(batch.label)
        self.log(f"{stage}/loss", loss, on_step=False, on_epoch=True, batch_size=size)
        self.log_dict(metrics, on_step=False, on_epoch=True, batch_size=size)  # type: ignore[arg-type]
        return loss

    def configure_optimizers(self) -> Any:
        """Optimizer, and the schedule over all optimizer steps of the training."""
        optimizer = self.make_optimizer(self.model.parameters())
        if self.make_schedule is None:
            return optimizer
        total = self.trainer.estimated_stepping_batches
        if total == float("inf"):
            raise ValueError("a schedule needs an end: set trainer.max_epochs or trainer.max_steps, or schedule=none")
        schedule = self.make_schedule(optimizer, total_steps=int(total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
