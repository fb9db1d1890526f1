"""Which logged value a callback may go by, and in which direction."""

from __future__ import annotations

from collections.abc import Mapping

from omegaconf import DictConfig, open_dict

from snn_zo.headline import Direction, Headline

FOLLOWERS = (
    "snn_zo.callbacks.Checkpoint",
    "snn_zo.callbacks.EnergyMonitor",
    "lightning.pytorch.callbacks.EarlyStopping",
)
FOLLOW = ("monitor", "mode")
"""Arguments of these callbacks that follow from the task where a config leaves them open."""


def follow_task(callbacks: DictConfig, headline: Headline, directions: Mapping[str, Direction]) -> None:
    """Fill in `monitor` and `mode` where they are open: the headline metric, and the better direction of the monitor.

    Args:
        callbacks: nodes by name.
        headline: of the task.
        directions: of the task's metrics by name.

    Raises:
        ValueError: the better direction of a monitor is not known.
    """
    for name, callback in callbacks.items():
        if not isinstance(callback, DictConfig) or callback.get("_target_") not in FOLLOWERS:
            continue
        with open_dict(callback):
            if callback.get("monitor") is None:
                callback.monitor = headline.logged("val")
            if callback.get("mode") is None:
                metric = _metric(callback.monitor)
                if metric not in directions:
                    place = f"callbacks.{name!s}"
                    if str(callback.monitor).startswith("val/"):
                        measured = ", ".join(f"val/{each}" for each in sorted(directions))
                        said = f"{place}.monitor={callback.monitor} is not measured by validation"
                        raise ValueError(f"{said}: choose from {measured}")
                    raise ValueError(f"{place}.mode is max or min for {place}.monitor={callback.monitor}: say which")
                callback.mode = directions[metric]


def check_monitors(callbacks: DictConfig, headline: Headline, directions: Mapping[str, Direction]) -> None:
    """Check `monitor` and `mode` of each callback; arguments as of `follow_task`.

    Raises:
        ValueError: a callback would go by the worst value, or the checkpoint by one that no validation measures.
    """
    for name, callback in callbacks.items():
        monitor = callback.get("monitor") if isinstance(callback, DictConfig) else None
        if not isinstance(monitor, str):
            continue
        place, target, mode = f"callbacks.{name!s}", str(callback.get("_target_")), callback.get("mode")
        better = directions.get(_metric(monitor), mode)
        if mode is not None and mode != better:
            raise ValueError(f"{place}.monitor={monitor} with mode {mode} goes by the worst value: take mode={better}")
        if target == "snn_zo.callbacks.Checkpoint" and not monitor.startswith("val/"):
            measured = ", ".join(f"val/{each}" for each in (headline.name, "loss"))
            raise ValueError(f"{place}.monitor={monitor} is not measured by validation: choose from {measured}")


def _metric(monitor: str) -> str:
    """Name of a metric without its stage."""
    return monitor.rpartition("/")[2]
