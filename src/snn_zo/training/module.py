"""The LightningModule: a network learns a task from spike trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, cast, get_args

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import Metric, MetricCollection

from snn_zo.config import ConfigError
from snn_zo.data.datamodule import EventDataModule
from snn_zo.data.errors import DataError
from snn_zo.data.store import Batch
from snn_zo.layers import Done, recording
from snn_zo.layers.norm import normalises_batches
from snn_zo.models import Output
from snn_zo.ops import Spikes, spike_count_penalty
from snn_zo.regularizer import SpikeCount
from snn_zo.strategies import Draw
from snn_zo.tasks import Task
from snn_zo.training.devices import mean_of_devices
from snn_zo.training.schedules import optimizer_steps
from snn_zo.training.step import Step, Trained

Stage = Literal["train", "val", "test"]
STAGES: tuple[Stage, ...] = get_args(Stage)


class SpikingModule(lightning.LightningModule):
    """Training of a spiking network.

    Logs `train|val|test/loss` and the task's metrics; `tested` holds what is written down of the test.

    Where several devices share out each batch, the mean of their gradients is the gradient of the whole batch's loss,
    and what is logged is of the whole. A device that has no share of a batch takes part with a loss of 0.

    Args:
        model: called as model(spikes, draw); returns an `Output`.
        task: target, loss and metrics.
        seed: run seed; keys the strategy's random draws together with optimizer step and sample.
        optimizer: makes the optimizer from parameters.
        schedule: makes the schedule from an optimizer and `total_steps`; None for a constant learning rate.
        regularizer: of the hidden layers' spike counts, by default that of `conf/regularizer/spike_count.yaml`; its sum
            over layers is logged as `train/penalty`. SpikeCount(upper=0, lower=0) does without.
        backend: of the regulariser.
    """

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        seed: int,
        optimizer: Callable[..., Optimizer],
        schedule: Callable[..., LRScheduler] | None = None,
        regularizer: SpikeCount = SpikeCount(),  # noqa: B008
        backend: str = "auto",
    ) -> None:
        super().__init__()
        self.model, self.task, self.seed = model, task, seed
        self.make_optimizer, self.make_schedule = optimizer, schedule
        self.regularizer, self.backend = regularizer, backend
        metrics = task.metrics()
        self.metrics = nn.ModuleDict({f"{stage}_metrics": metrics.clone(prefix=f"{stage}/") for stage in STAGES})
        self.tested = task.tested()

    def setup(self, stage: str) -> None:
        """Tell a loss that asks for them the targets of the training part.

        Raises:
            ConfigError: several devices train a network that takes statistics of batches.
            DataError: the loss cannot do with these targets.
        """
        if stage == "fit" and self.trainer.world_size > 1 and normalises_batches(self.model):
            raise ConfigError(
                "norm=tdbn takes statistics of whole batches, which several devices share out: trainer.devices=1, or "
                "norm=weight"
            )
        if not self.task.criterion.asks_for_targets:
            return
        data = getattr(self.trainer, "datamodule", None)
        if not isinstance(data, EventDataModule):
            raise DataError(
                "the loss asks for the targets of the training part: train and test with an EventDataModule"
            )
        store, sample = data.splits.train
        try:
            self.task = self.task.informed(store.target[sample])
        except ValueError as error:
            raise DataError(str(error)) from error

    def forward(self, spikes: Spikes, draw: Draw | None = None) -> Output:
        """The model's output."""
        output: Output = self.model(spikes, draw)
        return output

    def training_step(self, batch: Batch, batch_idx: int) -> Trained:
        """Loss, and the hidden spikes without their graph for callbacks."""
        step = self.compute(batch, self.global_step)
        return self.report(step.detach(), batch) | {"loss": step.loss}

    def compute(self, batch: Batch, step: int | Tensor) -> Step:
        """Forward pass and loss of a batch; nothing is logged.

        Args:
            batch: spikes, targets, samples.
            step: optimizer step, which keys the random draws.
        """
        if not len(batch.target):
            return self._no_share()
        with recording() as layers:
            output = self(batch.spikes, Draw(self.seed, 0, step, batch.sample))
        loss = fit = self.task.loss(output, batch.target)
        penalty = None
        if self.regularizer:
            penalties = [spike_count_penalty(x, self.regularizer, self.backend) for x in output.hidden.values()]
            penalty = torch.stack(penalties).sum()
            loss = fit + penalty
        return Step(batch.share * loss, fit, penalty, output.readout, output.hidden, layers)

    def _no_share(self) -> Step:
        """A loss of 0 that depends on every parameter: there has to be a gradient to take the devices' mean of."""
        loss = 0 * torch.stack([parameter.sum() for parameter in self.model.parameters()]).sum()
        return Step(loss, loss, loss if self.regularizer else None, loss.new_empty(0, self.task.target.outputs), {}, [])

    def report(self, step: Step, batch: Batch) -> Trained:
        """Log a training step; what callbacks see of it."""
        self._score("train", step.readout, step.fit, batch)
        if step.penalty is not None:
            self._log_mean("train/penalty", step.penalty, batch)
        self.log("loss", mean_of_devices(step.loss), prog_bar=True, on_step=True, on_epoch=False, logger=False)
        return {"loss": step.loss, "hidden": step.hidden, "layers": step.layers}

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Metrics of a validation batch."""
        self._evaluate("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, list[Done]]:
        """Metrics of a test batch, and what is written down of it; what the layers did for callbacks."""
        with recording() as layers:
            readout = self._evaluate("test", batch)
        self.tested.update(self.task.prediction(readout), batch.target, batch.sample)
        return {"layers": layers}

    def on_test_epoch_start(self) -> None:
        """Forget an earlier test."""
        self.tested.reset()

    def on_test_epoch_end(self) -> None:
        """Put together what the devices have tested while they are all there; the metric keeps the result."""
        self.tested.compute()

    def _evaluate(self, stage: Stage, batch: Batch) -> Tensor:
        """Log the metrics of a batch; its values of the readout."""
        if len(batch.target):
            output = self(batch.spikes)
            readout, loss = output.readout, self.task.loss(output, batch.target)
        else:
            nothing = self._no_share()
            readout, loss = nothing.readout, nothing.loss
        self._score(stage, readout, loss, batch)
        return readout

    def _score(self, stage: Stage, readout: Tensor, loss: Tensor, batch: Batch) -> None:
        metrics = cast("MetricCollection", self.metrics[f"{stage}_metrics"])
        if len(readout):
            metrics.update(self.task.prediction(readout), batch.target)
        self._log_mean(f"{stage}/loss", loss, batch)
        self.log_dict(cast("dict[str, Metric]", metrics), on_step=False, on_epoch=True)

    def _log_mean(self, name: str, value: Tensor, batch: Batch) -> None:
        """Log the mean over samples of a batch; the epoch's is that of all devices."""
        # not an int: Lightning takes the mean of the devices' numbers of samples, and would round it down
        size = cast("int", float(len(batch.target)))
        self.log(name, value, on_step=False, on_epoch=True, batch_size=size, sync_dist=True)

    def new_optimizer(self) -> Optimizer:
        """The optimizer of all parameters."""
        return self.make_optimizer(self.model.parameters())

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Optimizer, and the schedule over all optimizer steps of the training."""
        optimizer = self.new_optimizer()
        if self.make_schedule is None:
            return optimizer
        total = optimizer_steps(self.trainer)
        if total == float("inf"):
            raise ValueError("a schedule needs an end: set trainer.max_epochs or trainer.max_steps, or schedule=none")
        schedule = self.make_schedule(optimizer, total_steps=int(total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
