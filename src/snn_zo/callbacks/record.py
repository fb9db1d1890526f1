"""Writing a run's tables while it trains."""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable

import lightning
from lightning.pytorch.utilities.types import STEP_OUTPUT
from torch import Tensor

from snn_zo.callbacks.step_clock import StepClock
from snn_zo.data.store import Batch
from snn_zo.runs.folder import RunFolder
from snn_zo.runs.summary import Summary
from snn_zo.runs.table_file import TableFile
from snn_zo.training.devices import of_all_devices

log = logging.getLogger(__name__)


class RunRecord(lightning.Callback):
    """Appends a row to metrics.csv and to timing.csv at the end of each training epoch.

    Rows count epochs from 0, as Lightning does; what a person reads counts them from 1.

    A row holds what was logged in its epoch alone: without a validation in it, there are no values of one. Of several
    validations it holds the last, and where the weights have changed since, `val/step` says of which step. metrics.csv
    holds nothing that a clock or a sensor said: it is the same for the same settings and seed. What is
    logged as `measured/...` goes to timing.csv, and so do the seconds of an epoch's forward passes (with loss and
    metrics) and backward passes, unless whole steps are replayed. Of several devices the first one writes.

    Where kernels are compiled, `train_s` and `val_s` are without the time that this takes, which is `compile_s`.

    Args:
        folder: the run's folder.
        compiled: says for how many seconds kernels have been compiled so far.
    """

    def __init__(self, folder: RunFolder, compiled: Callable[[], float] = lambda: 0.0) -> None:
        self._compiled = compiled
        self.metrics, self.timing = TableFile(folder.metrics), TableFile(folder.timing)
        self._epoch_start = self._val_start = self._val_s = 0.0
        self._compiled_before = self._compiled_before_val = 0.0
        self._fit_start: float | None = None
        self._steps: StepClock | None = None
        self._samples = self._val_step = 0
        self._earlier_s = 0.0

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the clock of the training."""
        self._fit_start = time.perf_counter()

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Drop the rows of epochs that a resumed run does again."""
        if not trainer.is_global_zero:
            return
        done = {str(epoch) for epoch in range(trainer.current_epoch)}
        for table in (self.metrics, self.timing):
            table.keep(lambda row: row.get("epoch") in done)

    def state_dict(self) -> dict[str, float]:
        """Seconds of training so far."""
        return {"fit_s": self.fit_s}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Seconds of training before the run was resumed."""
        self._earlier_s = float(state_dict["fit_s"])

    @property
    def fit_s(self) -> float:
        """Seconds of training so far, over all sessions of the run."""
        running = time.perf_counter() - self._fit_start if self._fit_start is not None else 0.0
        return self._earlier_s + running

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the clock of the epoch."""
        self._epoch_start, self._val_s, self._samples = time.perf_counter(), 0.0, 0
        self._compiled_before = self._compiled()
        # Lightning keeps what earlier epochs logged, for whoever looks to take it for this one's
        trainer.callback_metrics.clear()
        self._steps = StepClock.of(pl_module)

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Begin a step."""
        if self._steps:
            self._steps.start()

    def on_before_backward(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, loss: Tensor
    ) -> None:
        """The forward pass is over."""
        if self._steps:
            self._steps.lap("forward")

    def on_after_backward(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """The backward pass is over."""
        if self._steps:
            self._steps.lap("backward")

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: STEP_OUTPUT,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Count samples."""
        self._samples += len(batch.target)

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop the clock of the epoch."""
        self._val_start, self._compiled_before_val = time.perf_counter(), self._compiled()

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start it again."""
        compile_s = self._compiled() - self._compiled_before_val
        self._val_s += time.perf_counter() - self._val_start - compile_s
        self._val_step = trainer.global_step

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the epoch's rows."""
        compile_s = self._compiled() - self._compiled_before
        train_s = time.perf_counter() - self._epoch_start - self._val_s - compile_s
        samples = sum(of_all_devices(self._samples))
        if not trainer.is_global_zero:
            return
        epoch = {"epoch": trainer.current_epoch, "step": trainer.global_step}
        logged = {name: float(value) for name, value in sorted(trainer.callback_metrics.items()) if "/" in name}
        measured = {name: value for name, value in logged.items() if name.startswith("measured/")}
        values = {name: value for name, value in logged.items() if name not in measured}
        if self._val_step != trainer.global_step and any(name.startswith("val/") for name in values):
            values["val/step"] = self._val_step
        rate = {"lr": trainer.optimizers[0].param_groups[0]["lr"]}
        self.metrics.append(epoch | rate | values)
        times = {"train_s": train_s, "val_s": self._val_s, "samples_per_s": samples / train_s}
        times |= {"compile_s": compile_s} if compile_s else {}
        # the passes of an epoch in which kernels were compiled say nothing of others
        passes = self._steps.seconds() if self._steps and not compile_s else {}
        self.timing.append(epoch | times | passes | measured)
        shown = "  ".join(f"{name}={value:.6g}" for name, value in values.items())
        log.info("epoch %d: %s", trainer.current_epoch + 1, shown)

    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop the clock of the training."""
        self._earlier_s, self._fit_start = self.fit_s, None

    def contribution(self) -> Summary:
        """Times of the training."""
        return Summary(timing=self.summary())

    def summary(self) -> dict[str, float | None]:
        """Sums: `fit_s`, of which `train_s` is training, `val_s` validation, `compile_s` compilation, and the rest the
        beginning, and checkpoints. Medians over epochs: `epoch_s` (training), its parts `forward_s` and
        `backward_s`, and `samples_per_s`; None where an epoch has no such part.

        The first epoch, which warms up, is left out of the medians unless it is the only one.
        """
        every = self.timing.rows()
        rows = every[1:] or every
        sums = {name: sum(float(row.get(name) or 0) for row in every) for name in ("train_s", "val_s", "compile_s")}

        def median(column: str) -> float | None:
            values = [float(row[column]) for row in rows if row.get(column)]
            return statistics.median(values) if values else None

        parts = {name: median(name) for name in ("forward_s", "backward_s", "samples_per_s")}
        return {"fit_s": self.fit_s, **sums, "epoch_s": median("train_s"), **parts}
