"""Noticing that a callback watches a value which nothing logs."""

from __future__ import annotations

from collections.abc import Mapping

import lightning

from snn_zo.config import ConfigError


class KnownMonitors(lightning.Callback):
    """Ends a run at its first validation, or its first epoch's end, if the `monitor` of a callback is not logged.

    Args:
        callbacks: by name in the group `callbacks`.

    Raises:
        ConfigError: naming the setting.
    """

    def __init__(self, callbacks: Mapping[str, lightning.Callback]) -> None:
        self._monitors = {
            f"callbacks.{name}.monitor": monitor
            for name, callback in callbacks.items()
            if isinstance(monitor := getattr(callback, "monitor", None), str)
        }

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Look at what a validation says."""
        if not trainer.sanity_checking:
            self._require_logged(trainer, {name: value for name, value in self._monitors.items() if _validated(value)})

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Look at what the training says."""
        self._require_logged(trainer, {name: value for name, value in self._monitors.items() if not _validated(value)})

    def _require_logged(self, trainer: lightning.Trainer, monitors: Mapping[str, str]) -> None:
        logged = trainer.callback_metrics
        for setting, monitor in monitors.items():
            if monitor not in logged:
                names = ", ".join(name for name in sorted(logged) if _validated(name) == _validated(monitor))
                raise ConfigError(f"{setting}={monitor} is not logged: choose from {names}")


def _validated(name: str) -> bool:
    return name.startswith("val/")
