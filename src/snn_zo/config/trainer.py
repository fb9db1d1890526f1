"""What Lightning's Trainer may be told in a run, beyond the types of its arguments."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from omegaconf import ListConfig

TRAINERS = ("lightning.Trainer", "lightning.pytorch.Trainer")

COUNT_OR_SHARE = ("limit_train_batches", "limit_val_batches", "limit_test_batches", "val_check_interval")
"""Arguments for which 1 is one batch, and 1.0 all of them."""

DOUBLE = ("64-true", "64", 64)
"""Names of float64."""

_ONE_OF: dict[str, tuple[object, ...]] = {
    "accelerator": ("auto", "cpu", "gpu", "cuda"),
    "strategy": ("auto", "ddp"),
    "num_nodes": (1,),
    "precision": ("32-true", "64-true", None, "32", 32, *DOUBLE),
    "gradient_clip_algorithm": (None, "norm", "value"),
    "deterministic": (None, True, False, "warn"),
    "profiler": (None, "simple", "advanced", "pytorch"),
}
_REASONS = {
    "strategy": "the others fork, need a notebook, split the weights, or are for other hardware",
    "num_nodes": "a run takes the devices of one machine, a sweep several",
    "precision": "the backends compute in float32 and float64, whatever a mixed precision is called",
}
_AT_LEAST = {
    "min_epochs": 0,
    "min_steps": 0,
    "check_val_every_n_epoch": 1,
    "num_sanity_val_steps": -1,
    "log_every_n_steps": 0,
    "accumulate_grad_batches": 1,
    "gradient_clip_val": 0,
    "reload_dataloaders_every_n_epochs": 0,
}
ELSEWHERE = {
    "logger": "logger=NAME chooses one, and logger=none does without",
    "callbacks": "they are the group callbacks: callbacks.NAME=null leaves one out",
    "plugins": "a run brings its own",
    "default_root_dir": "a run's folder is <outputs>/<study>/<name>: set outputs=, study= or name=",
    "use_distributed_sampler": "the data module shares out each batch",
    "overfit_batches": "debug=overfit learns one batch by heart",
    "fast_dev_run": "debug=fast does two batches of everything",
    "barebones": "a run is measured and recorded; callbacks.NAME=null leaves a callback out",
    "enable_checkpointing": "a run writes what it resumes from, and what is tested",
    "enable_progress_bar": "callbacks.progress=null does without",
    "limit_predict_batches": "a run does not predict",
    "enable_autolog_hparams": "the run's folder holds the settings",
    "model_registry": "the run's folder holds the weights",
}
"""Arguments that the run gives itself or has no use for, and what to do in their place."""

_DURATION = re.compile(r"\d+:\d\d:\d\d:\d\d")
_CHOOSES = "validation chooses the checkpoint"


def check_trainer(values: Mapping[str, Any]) -> None:
    """Check the arguments of a Trainer.

    Args:
        values: by name, of the right types.

    Raises:
        ValueError: an argument cannot be used; the message begins with its name.
    """
    for name, value in values.items():
        if name in _ONE_OF and value not in _ONE_OF[name]:
            choices = " or ".join(dict.fromkeys(str(each).lower() for each in _ONE_OF[name] if each is not None))
            reason = f" ({_REASONS[name]})" if name in _REASONS else ""
            raise ValueError(f"{name} must be {choices}, got '{value}'{reason}")
        if name in _AT_LEAST and value is not None and not _AT_LEAST[name] <= value < math.inf:
            raise ValueError(f"{name} must be at least {_AT_LEAST[name]}, got {value}")
        if name in COUNT_OR_SHARE and value is not None:
            _check_count_or_share(name, value)
    _check_devices(values.get("devices", 1))
    _check_end(values)
    _check_validation(values)
    if values.get("gradient_clip_algorithm") and not values.get("gradient_clip_val"):
        raise ValueError("gradient_clip_algorithm does nothing without trainer.gradient_clip_val")


def _check_count_or_share(name: str, value: object) -> None:
    count = type(value) is int and value >= 1
    share = type(value) is float and 0 < value <= 1
    none = name == "limit_test_batches" and type(value) in (int, float) and value == 0
    if not (count or share or none):
        reason = f": {_CHOOSES}" if name == "limit_val_batches" and value == 0 else ""
        raise ValueError(f"{name} must be a number of batches, or a share of them up to 1.0, got {value}{reason}")


def _check_devices(devices: object) -> None:
    numbers = devices if isinstance(devices, list | ListConfig) else [devices]
    if devices not in ("auto", "-1") and not (numbers and all(type(number) is int for number in numbers)):
        raise ValueError(f"devices must be a number, a list of numbers as [0,1], or auto, got '{devices}'")


def _check_end(values: Mapping[str, Any]) -> None:
    """A training has an end."""
    epochs, steps, duration = values.get("max_epochs"), values.get("max_steps", -1), values.get("max_time")
    for name, value in (("max_epochs", epochs), ("max_steps", steps)):
        if value is not None and value != -1 and value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if duration is not None and not (isinstance(duration, str) and _DURATION.fullmatch(duration)):
        raise ValueError(f"max_time must be days:hours:minutes:seconds as 00:12:00:00, got '{duration}'")
    if epochs in (None, -1) and steps == -1 and duration is None:
        raise ValueError(f"max_epochs must be at least 1, got {epochs}; trainer.max_steps or max_time can be the end")
    for name, end in (("epochs", epochs), ("steps", steps)):
        least = values.get(f"min_{name}") or 0
        if end is not None and 0 < end < least:
            raise ValueError(f"min_{name} must be at most trainer.max_{name}, which is {end}, got {least}")


def _check_validation(values: Mapping[str, Any]) -> None:
    """A training is validated before its end."""
    epochs, every = values.get("max_epochs"), values.get("check_val_every_n_epoch", 1)
    if every is not None and epochs is not None and 0 < epochs < every:
        raise ValueError(f"check_val_every_n_epoch must be at most max_epochs, {epochs}, got {every}: {_CHOOSES}")
    if every is None and type(values.get("val_check_interval")) is not int:
        raise ValueError("check_val_every_n_epoch may be null where trainer.val_check_interval is a number of batches")
