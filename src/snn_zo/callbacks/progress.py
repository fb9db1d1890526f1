"""Progress on screen: a bar in a terminal, a line an epoch elsewhere."""

from __future__ import annotations

import sys

import lightning
from lightning.pytorch.callbacks import ProgressBar, RichProgressBar

from snn_zo.training import SpikingModule

Shown = dict[str, int | str | float | dict[str, float]]
"""What Lightning's bars take: values by name."""


def progress_bar() -> ProgressBar:
    """The bar that suits standard output."""
    return _Bar(leave=False) if sys.stdout.isatty() else _EpochLines()


def _shown(trainer: lightning.Trainer) -> Shown:
    metrics, module = trainer.callback_metrics, trainer.lightning_module
    headline = [module.task.headline.logged("val")] if isinstance(module, SpikingModule) else []
    names = dict.fromkeys(("loss", *headline, getattr(trainer.checkpoint_callback, "monitor", "loss")))
    shown: Shown = {name: f"{float(metrics[name]):.4f}" for name in names if name in metrics}
    if "active" in metrics:
        shown["active"] = f"{100 * float(metrics['active']):.2f}%"
    return shown


class _Bar(RichProgressBar):
    def get_metrics(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> Shown:
        return _shown(trainer)


class _EpochLines(ProgressBar):
    """Plain lines, for logs and pipes."""

    def disable(self) -> None:
        """Lightning's call on all but the first process."""
        self.on_train_epoch_end = lambda *_: None  # type: ignore[method-assign]

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        values = "   ".join(f"{name} {value}" for name, value in _shown(trainer).items())
        end = f"/{trainer.max_epochs}" if trainer.max_epochs != -1 else ""
        print(f"epoch {trainer.current_epoch + 1:3}{end}   {values}", flush=True)
