"""Stopping a run whose loss is no longer a number."""

from __future__ import annotations

import lightning
import torch

from snn_zo.training.devices import mean_of_devices
from snn_zo.training.step import DivergedError


class FiniteLoss(lightning.Callback):
    """Stops the run, on all its devices, before a loss that is nan or infinite reaches the weights.

    Raises:
        DivergedError: with epoch and step, from 1, and the last good checkpoint.
    """

    def on_before_backward(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, loss: torch.Tensor
    ) -> None:
        """Look at the loss of each training step, unless the module does so itself."""
        if getattr(pl_module, "guards_loss", False):
            return
        mean = mean_of_devices(loss.detach())
        if torch.isfinite(mean):
            return
        path = getattr(trainer.checkpoint_callback, "last_path", None)
        last = path if path and path.exists() else "none yet"
        raise DivergedError(
            f"the loss is {float(mean)} in epoch {trainer.current_epoch + 1}, step {trainer.global_step + 1}; "
            f"last good checkpoint: {last}. Lower optim.lr or set trainer.gradient_clip_val"
        )
