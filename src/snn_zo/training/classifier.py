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
from snn_zo.layers import recording
from snn_zo.models import Output
from snn_zo.ops import Spikes, spike_count_penalty
from snn_zo.regularizer import SpikeCount
from snn_zo.strategies import Draw
from snn_zo.training.devices import mean_of_devices
from snn_zo.training.schedules import optimizer_steps
from snn_zo.training.step import Step

TOP = 3


class SpikingClassifier(lightning.LightningModule):
    """Cross-entropy training of a spiking network.

    Logs `train|val|test/loss`, `/acc` and, with more than 3 classes, `/top3`. `confusion` holds the test set's
    confusion matrix, [C, C], true class by row.

    Where several devices share out each batch, the mean of their gradients is the gradient of the whole batch's loss,
    and what is logged is of the whole. A device that has no share of a batch takes part with a loss of 0.

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
        # labels were checked when the data was read; to look again at each step, a GPU would have to stop
        settings: dict[str, Any] = {"average": "micro", "validate_args": False}
        metrics: dict[str, Any] = {"acc": MulticlassAccuracy(classes, **settings)}
        if classes > TOP:
            metrics[f"top{TOP}"] = MulticlassAccuracy(classes, top_k=TOP, **settings)
        collection = MetricCollection(metrics)
        self.metrics = nn.ModuleDict(
            {f"{stage}_metrics": collection.clone(prefix=f"{stage}/") for stage in ("train", "val", "test")}
        )
        self.classes, self.confusion = classes, MulticlassConfusionMatrix(classes)

    def forward(self, *args: Any) -> Output:
        """The model's output."""
        return self.model(*args)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Loss, and the hidden spikes without their graph for callbacks."""
        step = self.compute(batch, self.global_step)
        return {"loss": step.loss, "hidden": self.report(step.detach(), batch), "layers": step.layers}

    def compute(self, batch: Batch, step: int | Tensor) -> Step:
        """Forward pass and loss of a batch; nothing is logged.

        Args:
            batch: spikes, labels, samples.
            step: optimizer step, which keys the random draws.
        """
        if not len(batch.target):
            return self._no_share()
        with recording() as layers:
            output = self(batch.spikes, Draw(self.seed, 0, step, batch.sample))
        loss = fit = cross_entropy(output.readout, batch.target)
        penalty = None
        if self.regularizer:
            penalties = [spike_count_penalty(x, self.regularizer, self.backend) for x in output.hidden.values()]
            penalty = torch.stack(penalties).sum()
            loss = fit + penalty
        return Step(batch.share * loss, fit, penalty, output.readout, output.hidden, layers)

    def _no_share(self) -> Step:
        """A loss of 0 that depends on every parameter: there has to be a gradient to take the devices' mean of."""
        loss = 0 * torch.stack([parameter.sum() for parameter in self.model.parameters()]).sum()
        return Step(loss, loss, loss if self.regularizer else None, loss.new_empty(0, self.classes), {}, [])

    def report(self, step: Step, batch: Batch) -> dict[str, Spikes]:
        """Log a training step; its hidden spikes."""
        self._score("train", step.readout, step.fit, batch)
        if step.penalty is not None:
            self._log_mean("train/penalty", step.penalty, batch)
        self.log("loss", mean_of_devices(step.loss), prog_bar=True, on_step=True, on_epoch=False, logger=False)
        return step.hidden

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Metrics of a validation batch."""
        self._evaluate("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Metrics and confusion matrix of a test batch; what the layers did for callbacks."""
        with recording() as layers:
            logits = self._evaluate("test", batch)
        if len(logits):
            self.confusion.update(logits, batch.target)
        return {"layers": layers}

    def on_test_epoch_end(self) -> None:
        """Add up the devices' confusion matrices while they are all there; the metric keeps the sum."""
        self.confusion.compute()

    def _evaluate(self, stage: str, batch: Batch) -> Tensor:
        """Log the metrics of a batch; its logits."""
        if len(batch.target):
            logits = self(batch.spikes).readout
            loss = cross_entropy(logits, batch.target)
        else:
            loss, _, _, logits, *_ = self._no_share()
        self._score(stage, logits, loss, batch)
        return logits

    def _score(self, stage: str, logits: Tensor, loss: Tensor, batch: Batch) -> None:
        metrics = self.metrics[f"{stage}_metrics"]
        if len(logits):
            metrics.update(logits, batch.target)  # type: ignore[operator]
        self._log_mean(f"{stage}/loss", loss, batch)
        self.log_dict(metrics, on_step=False, on_epoch=True)  # type: ignore[arg-type]

    def _log_mean(self, name: str, value: Tensor, batch: Batch) -> None:
        """Log the mean over samples of a batch; the epoch's is that of all devices."""
        # not an int: Lightning takes the mean of the devices' numbers of samples, and would round it down
        size: Any = float(len(batch.target))
        self.log(name, value, on_step=False, on_epoch=True, batch_size=size, sync_dist=True)

    def new_optimizer(self) -> Optimizer:
        """The optimizer of all parameters."""
        return self.make_optimizer(self.model.parameters())

    def configure_optimizers(self) -> Any:
        """Optimizer, and the schedule over all optimizer steps of the training."""
        optimizer = self.new_optimizer()
        if self.make_schedule is None:
            return optimizer
        total = optimizer_steps(self.trainer)
        if total == float("inf"):
            raise ValueError("a schedule needs an end: set trainer.max_epochs or trainer.max_steps, or schedule=none")
        schedule = self.make_schedule(optimizer, total_steps=int(total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
