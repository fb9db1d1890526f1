"""What a resumed run takes from a checkpoint, which may be a stranger's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
from torch import Tensor

from snn_zo.config import ConfigError
from snn_zo.runs.checkpoint_file import Checkpoint, CheckpointFiles

LIGHTNING = ("EarlyStopping", "Timer")
"""Lightning's callbacks whose state is plain numbers."""


class ResumedFiles(CheckpointFiles):
    """Checkpoints of a run. Of one that is loaded, the trainer gets only what it needs.

    Attributes:
        trainer: that saves and loads; to be set once it is made.
    """

    trainer: lightning.Trainer

    def load_checkpoint(
        self, path: str | Path, map_location: object = "cpu", weights_only: bool | None = None
    ) -> Checkpoint:
        """Weights, optimizer, schedule, progress, and the states of those callbacks of the run that are known here.

        Raises:
            ConfigError: a run cannot be resumed from the checkpoint.
        """
        checkpoint = super().load_checkpoint(path, map_location, weights_only)
        try:
            return _resumed(checkpoint, self.trainer)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            reason = error.args[0] if type(error) is ValueError else "it is not one of a run that can be resumed"
            raise ConfigError(f"a run cannot be resumed from {path}: {reason}") from error


def _resumed(checkpoint: Checkpoint, trainer: lightning.Trainer) -> Checkpoint:
    precision = type(trainer.precision_plugin).__qualname__
    return {
        "pytorch-lightning_version": lightning.__version__,  # of an older one, Lightning would rewrite the content
        "epoch": int(checkpoint["epoch"]),
        "global_step": int(checkpoint["global_step"]),
        "state_dict": checkpoint["state_dict"],
        "optimizer_states": list(checkpoint["optimizer_states"]),
        "lr_schedulers": list(checkpoint["lr_schedulers"]),
        "loops": {"fit_loop": _progress(checkpoint["loops"]["fit_loop"], trainer.fit_loop.state_dict())},
        "callbacks": _states(checkpoint["callbacks"], trainer),
        **{name: checkpoint[name] for name in [precision] if name in checkpoint},
    }


def _progress(state: Checkpoint, pattern: Checkpoint) -> Checkpoint:
    """Counters of the loops, at the end of an epoch."""
    progress = _like(state, pattern)
    for counts in (progress["epoch_progress"]["total"], progress["epoch_progress"]["current"]):
        if not counts["ready"] == counts["started"] == counts["processed"]:
            raise ValueError("it was written within an epoch")
        counts["completed"] = counts["processed"]  # which Lightning counts after the checkpoint is written
    return progress


def _like(value: Any, pattern: object) -> Any:
    """The parts of a nested value that a pattern has, of the same types."""
    if isinstance(pattern, dict):
        return {name: _like(value[name], inner) for name, inner in pattern.items()}
    if type(value) is not type(pattern):
        raise TypeError(value)
    return value


def _states(states: Checkpoint, trainer: lightning.Trainer) -> Checkpoint:
    """Of each callback; those that Lightning keeps for callbacks of its own may name files for it to remove."""
    found = {}
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        kind, key = type(callback), callback.state_key
        own = not kind.__module__.startswith(("lightning.", "pytorch_lightning."))
        if own and callback in trainer.checkpoint_callbacks and key not in states:
            raise ValueError("it does not say which weights were the best, as of an earlier version")
        if key in states and (own or kind.__name__ in LIGHTNING):
            found[key] = states[key] if own else _plain({name: states[key][name] for name in callback.state_dict()})
    return found


def _plain(value: object) -> object:
    """A value, or a mapping of values, that holds nothing but numbers and text."""
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if value is None or isinstance(value, int | float | str) or (isinstance(value, Tensor) and value.numel() == 1):
        return value
    raise TypeError(value)
