"""What optimizers, schedules and callbacks may be told in a run, beyond the types of their arguments."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from snn_zo.config.trainer import TRAINERS, check_trainer

_BELOW_1 = ("betas", "rho", "final", "base_momentum", "max_momentum")
_NOT_NEGATIVE = ("lr", "eps", "weight_decay", "momentum", "alpha", "lr_decay", "lambd", "initial_accumulator_value")

LIGHTNING_CALLBACKS = (
    *("DeviceStatsMonitor", "EarlyStopping", "GradientAccumulationScheduler", "LearningRateMonitor"),
    *("ModelSummary", "RichModelSummary", "RichProgressBar", "TQDMProgressBar"),
)
"""Those of Lightning's callbacks that a run can have."""

_AVERAGES = "a run tests the weights that validation chose, which its averages do not reach"
_REASONS = {
    "StochasticWeightAveraging": _AVERAGES,
    "WeightAveraging": _AVERAGES,
    "EMAWeightAveraging": _AVERAGES,
    "ModelCheckpoint": "snn_zo.callbacks.Checkpoint writes what a run resumes from",
    "Timer": "trainer.max_time ends a training",
}
OF_THE_RUN = {
    "snn_zo.runs.wandb_logger.wandb_logger": ("save_dir", "name", "group", "run_id"),
    "snn_zo.callbacks.Checkpoint": ("dirpath",),
}
"""Arguments of a target that the run gives."""


def check_values(target: str, values: Mapping[str, Any]) -> None:
    """Check the arguments that a config gives to a target.

    Args:
        target: dotted name.
        values: by name, of the types that its signature asks for.

    Raises:
        ValueError: the target, or an argument with whose name the message begins, cannot be used.
    """
    module, _, name = target.rpartition(".")
    if target in TRAINERS:
        check_trainer(values)
    elif module == "lightning.pytorch.callbacks" and name not in LIGHTNING_CALLBACKS:
        reason = _REASONS.get(name, f"of Lightning's callbacks these can: {', '.join(LIGHTNING_CALLBACKS)}")
        raise ValueError(f"{name} cannot be used: {reason}")
    elif module in ("torch.optim", "torch.optim.lr_scheduler", "snn_zo.training.schedules"):
        _check_numbers(values)
    elif name in ("Checkpoint", "EarlyStopping"):
        if values.get("mode", "max") not in ("min", "max"):
            raise ValueError(f"mode must be min or max, got '{values['mode']}'")
        if values.get("patience", 0) < 0:
            raise ValueError(f"patience must be at least 0, got {values['patience']}")


def _check_numbers(values: Mapping[str, Any]) -> None:
    warmup = values.get("warmup", 0)
    if not (warmup >= 0 if isinstance(warmup, int) else 0 <= warmup < 1):
        raise ValueError(f"warmup must be at least 0 and below 1, got {warmup:g}; a number of steps is a whole one")
    for name, value in values.items():
        if name == "betas" and isinstance(value, list) and len(value) != 2:
            raise ValueError(f"betas must hold two numbers, got {value}")
        for number in value if isinstance(value, list) else [value]:
            if not isinstance(number, int | float):
                continue
            if name in _BELOW_1 and not 0 <= number < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, got {number:g}")
            if not math.isfinite(number) or (name in _NOT_NEGATIVE and number < 0):
                raise ValueError(f"{name} must be a number{', 0 or more' * (name in _NOT_NEGATIVE)}, got {number:g}")
