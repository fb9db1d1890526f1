"""Best and last checkpoint."""

from __future__ import annotations

import dataclasses
import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Checkpoint as LightningCheckpoint
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.types import STEP_OUTPUT

from snn_zo.data.store import Batch
from snn_zo.headline import Direction
from snn_zo.runs.summary import CheckpointEntry, Summary

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Validated:
    """Weights that were validated.

    Attributes:
        score: value of the monitored metric.
        epoch: in which they were, from 0.
        step: optimizer steps that led to them.
        metrics: everything that the validation logged.
    """

    score: float
    epoch: int
    step: int
    metrics: dict[str, float]


class Checkpoint(LightningCheckpoint):
    """Writes `best.ckpt`, the best weights that were validated, and `last.ckpt` at the end of every epoch.

    The last of equally good weights counts as best: on a small validation set ties are frequent, and the later weights
    have been trained for longer. The epoch that `trainer.max_steps` ends is validated like any other. Nothing is ever
    removed, and no path is taken from a checkpoint: the run's folder may have been moved, or come from somebody else.

    Args:
        monitor: metric of the validation by which the best weights are chosen.
        mode: which of its values is the best.
        dirpath: folder of the two files; a run sets it.

    Attributes:
        best: what was validated of the weights in `best.ckpt`; None before the first validation.
    """

    def __init__(self, monitor: str, mode: Direction = "max", dirpath: str | Path = ".") -> None:
        self.monitor, self.mode, self.dirpath = monitor, mode, dirpath
        self.best: Validated | None = None
        self._unsaved = self._stop = False

    @property
    def best_path(self) -> Path:
        """`best.ckpt`."""
        return Path(self.dirpath) / "best.ckpt"

    @property
    def last_path(self) -> Path:
        """`last.ckpt`."""
        return Path(self.dirpath) / "last.ckpt"

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Training that had been stopped early is not to go on when the run is resumed."""
        trainer.should_stop = self._stop

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Begin a new epoch: with max_steps, Lightning would do the end of the checkpoint's epoch again."""
        trainer.fit_loop.epoch_loop.restarting = False

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Save the weights that were validated within the epoch before they change."""
        self._save_best(trainer)

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: STEP_OUTPUT,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Have Lightning validate after the last step, as it does where training is told to stop."""
        if trainer.global_step == trainer.max_steps:
            trainer.should_stop = True

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Choose; what is validated at the end of an epoch is saved there, with the state to go on from."""
        if trainer.sanity_checking:
            return
        fitting = trainer.state.fn == TrainerFn.FITTING
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
        epoch = trainer.current_epoch if fitting else trainer.current_epoch - 1
        found = Validated(metrics[self.monitor], epoch, trainer.global_step, metrics)
        if self.best is None or self._merit(found.score) >= self._merit(self.best.score):
            self.best, self._unsaved = found, True
        if not fitting:
            self._save_best(trainer)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Save both."""
        self._stop = trainer.should_stop
        self._save_best(trainer)
        trainer.save_checkpoint(str(self.last_path))

    def state_dict(self) -> dict[str, object]:
        """What was chosen, and whether training was told to stop."""
        return {"best": dataclasses.asdict(self.best) if self.best else None, "stop": self._stop}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on choosing; the files are those in the present folder."""
        best, self._stop = state_dict["best"], bool(state_dict["stop"])
        if best is None:
            return
        if not self.best_path.is_file():
            log.warning("%s is missing: the best of what is validated from here on is chosen", self.best_path)
            return
        metrics = {str(name): float(value) for name, value in best["metrics"].items()}
        self.best = Validated(float(best["score"]), int(best["epoch"]), int(best["step"]), metrics)

    def contribution(self) -> Summary:
        """The weights that were chosen, and by what."""
        assert self.best is not None
        checkpoint = CheckpointEntry(epoch=self.best.epoch, step=self.best.step)
        return Summary(objective=self.best.score, monitor=self.monitor, mode=self.mode, checkpoint=checkpoint)

    def _merit(self, score: float) -> float:
        """The more, the better."""
        if math.isnan(score):
            return -math.inf
        return score if self.mode == "max" else -score

    def _save_best(self, trainer: lightning.Trainer) -> None:
        if self._unsaved:
            self._unsaved = False
            trainer.save_checkpoint(str(self.best_path))
