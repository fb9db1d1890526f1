"""Which logged value a callback may go by, and in which direction."""

from __future__ import annotations

from omegaconf import DictConfig

_WORST = {"max": "loss", "min": "acc"}
"""Ends of the names whose worst value a mode looks for."""


def check_monitors(callbacks: DictConfig) -> None:
    """Check `monitor` and `mode` of each callback.

    Raises:
        ValueError: a callback would go by the worst value, or the checkpoint by one that no validation measures.
    """
    for name, callback in callbacks.items():
        monitor = callback.get("monitor") if isinstance(callback, DictConfig) else None
        if not isinstance(monitor, str):
            continue
        place, target = f"callbacks.{name!s}", str(callback.get("_target_"))
        mode = callback.get("mode", "min" if target.endswith(".EarlyStopping") else "max")
        if mode in _WORST and monitor.endswith(_WORST[mode]):
            advice = "it takes an accuracy" if target.endswith(".EnergyMonitor") else f"set {place}.mode to the other"
            raise ValueError(f"{place}.monitor={monitor} with mode {mode} goes by the worst value: {advice}")
        if target == "snn_zo.callbacks.Checkpoint" and not monitor.startswith("val/"):
            raise ValueError(f"{place}.monitor={monitor} is not measured by validation: choose val/acc or val/loss")
