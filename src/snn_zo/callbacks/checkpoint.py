"""Best and last checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor


class Checkpoint(ModelCheckpoint):
    """Writes `best.ckpt`, and `last.ckpt` at the end of every epoch.

    Other than with Lightning's own callback, the last of equally good epochs counts as best (on a small validation set
    ties are frequent, and the later weights have been trained for longer), `last.ckpt` is written whether the epoch was
    good or not, and a resumed run takes no paths from the checkpoint: its folder may have been moved, or come from
    somebody else, and what Lightning believes to be an old checkpoint it deletes.

    Args:
        monitor: logged value by which the best epoch is chosen.
        mode: `max` or `min`.
        dirpath: folder of the two files; a run sets it.
    """

    def __init__(self, monitor: str = "val/acc", mode: str = "max", dirpath: str | Path | None = None) -> None:
        super().__init__(
            dirpath,
            filename="best",
            monitor=monitor,
            mode=mode,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )

    def check_monitor_top_k(self, trainer: lightning.Trainer, current: Tensor | None = None) -> bool:
        """Whether the present epoch is as good as the best one."""
        better = super().check_monitor_top_k(trainer, current)
        return better or (current is not None and bool(current == self.best_model_score))

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Save both."""
        super().on_train_epoch_end(trainer, pl_module)
        self.last_model_path = self._path("last")
        trainer.save_checkpoint(self.last_model_path)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best score; the files are those in the present folder."""
        score = state_dict["best_model_score"]
        best = "" if score is None else self._path("best")
        paths = {
            "dirpath": str(self.dirpath),
            "best_model_path": best,
            "kth_best_model_path": best,
            "best_k_models": {best: score} if best else {},
            "last_model_path": self._path("last"),
        }
        super().load_state_dict(state_dict | paths)

    def _path(self, name: str) -> str:
        return str(Path(str(self.dirpath)) / f"{name}{self.FILE_EXTENSION}")
