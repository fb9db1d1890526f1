"""Which logged value a callback may go by, and in which direction."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import product

from omegaconf import DictConfig, open_dict

from snn_zo.energy import PHASES
from snn_zo.headline import Direction, Headline

FOLLOWERS = (
    "snn_zo.callbacks.Checkpoint",
    "snn_zo.callbacks.EnergyMonitor",
    "lightning.pytorch.callbacks.EarlyStopping",
)
FOLLOW = ("monitor", "mode")
"""Arguments of these callbacks that follow from the task where a config leaves them open."""

MEASURES = ("active", "silent", "spike_rate")
"""What `snn_zo.callbacks.SparsityMonitor` logs of each layer, and of all hidden ones."""


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


def logged_names(callbacks: DictConfig, metrics: Collection[str], layers: Collection[str] | None) -> set[str] | None:
    """What a training logs for callbacks to go by; None where somebody else's callback may log more.

    Args:
        callbacks: nodes by name.
        metrics: what is logged of each training epoch behind `train/`, and of each validation behind `val/`.
        layers: names of those that spike, or None where only the model knows.
    """
    targets = {str(node.get("_target_")) for node in callbacks.values() if isinstance(node, DictConfig)}
    own = all(target.startswith(("snn_zo.", "lightning.")) for target in targets)
    if not own or "lightning.pytorch.callbacks.LearningRateMonitor" in targets:  # which logs by the optimizer's name
        return None
    names = {"loss", *(f"{stage}/{metric}" for stage, metric in product(("train", "val"), metrics))} - {"val/penalty"}
    if "snn_zo.callbacks.SparsityMonitor" in targets:
        if layers is None:
            return None
        prefixes = ("sparsity", *(f"sparsity/{layer}" for layer in layers))
        names |= {"active", *(f"{prefix}/{measure}" for prefix, measure in product(prefixes, MEASURES))}
    if "snn_zo.callbacks.EnergyMonitor" in targets:
        names |= {f"energy/{name}" for name in (*PHASES, "memory", "total", "ratio", "so_far")} | {"measured/energy"}
    return names


def require_logged(callbacks: DictConfig, logged: Collection[str]) -> None:
    """Check that each callback goes by something that is logged.

    Raises:
        ValueError: one does not; the message names what there is.
    """
    for name, callback in callbacks.items():
        monitor = callback.get("monitor") if isinstance(callback, DictConfig) else None
        if isinstance(monitor, str) and monitor not in logged:
            place = f"callbacks.{name!s}.monitor={monitor}"
            raise ValueError(f"{place} is not logged: choose from {_like(monitor, logged)}")


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


def _like(monitor: str, logged: Collection[str]) -> str:
    """The names that begin as this one does, or what names begin with."""
    kind = monitor.partition("/")[0]
    same = [name for name in sorted(logged) if name.startswith(f"{kind}/")]
    return ", ".join(same or sorted({f"{name.partition('/')[0]}/..." if "/" in name else name for name in logged}))


def _metric(monitor: str) -> str:
    """Name of a metric without its stage."""
    return monitor.rpartition("/")[2]
