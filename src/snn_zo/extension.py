"""Training a completed run for more epochs: a new run that begins where the completed one ended."""

from __future__ import annotations

import shutil
import warnings
from copy import deepcopy

import torch
from omegaconf import DictConfig, open_dict

from snn_zo.atomic import write_json
from snn_zo.config import Composed, ConfigError, build
from snn_zo.config.schema import TrainSettings
from snn_zo.config.signature import signature
from snn_zo.runs.checkpoint_file import Checkpoint, CheckpointFiles
from snn_zo.runs.folder import RunFolder
from snn_zo.runs.status import Status
from snn_zo.runs.summary import Origin, Summary
from snn_zo.training import SpikingModule
from snn_zo.untrusted import at, line

_CONSTANT = "snn_zo.training.schedules.constant"
_VARYING = "lightning.pytorch.callbacks.GradientAccumulationScheduler"
"""With it, the steps of an epoch do not follow from those of the others."""
_SCHEDULED = ("lr", "initial_lr", "max_lr", "min_lr", "momentum", "betas", "base_momentum", "max_momentum")
"""What schedules change in the groups of an optimizer."""


def longer(source: RunFolder, composed: Composed, state: Checkpoint, epochs: int | None) -> Composed:
    """The config of a run that trains a completed one on, up to so many epochs.

    Where the learning rate depends on the length of the training, its schedule begins anew (`schedule.restarts`). The
    longer run is then the same as one with this config that trains from the first epoch on.

    Args:
        source: the completed run.
        composed: its config, with the place of the longer run.
        state: its last checkpoint.
        epochs: of both trainings together.

    Raises:
        ConfigError: the run is not completed, has ended before its last epoch, or its schedule cannot begin anew.
    """
    path, before = source.path, composed.config.trainer.get("max_epochs")
    summary = source.read_summary()
    if summary["status"] is not Status.COMPLETED:
        raise ConfigError(f"{path} is not completed: resume it without trainer.max_epochs, which can then extend it")
    if (done := summary.get("epochs")) != before:
        raise ConfigError(
            f"{path} ended after {done} epochs, before trainer.max_epochs={before}: more of them would change nothing"
        )
    if epochs is None or epochs <= before:
        raise ConfigError(f"{path} has had {before} epochs: trainer.max_epochs={epochs} is to be more than that")
    config = deepcopy(composed.config)
    config.trainer.max_epochs, config.resume = epochs, str(path)
    if config.get("schedule"):
        with open_dict(config):
            _begin_anew(config, state["global_step"])
    return Composed(build(config, "", TrainSettings), config)


def _begin_anew(config: DictConfig, step: int) -> None:
    """Have a schedule do again, after a step, what it did before."""
    schedule = config.schedule
    if schedule._target_ == _CONSTANT:
        if isinstance(schedule.get("warmup"), float):  # a share of the former training, and not of the longer one
            schedule.warmup = round(schedule.warmup * step)
        return
    known = signature(schedule._target_)
    if known is None or "restarts" not in known.kinds:
        raise ConfigError(
            f"schedule: {schedule._target_} depends on the length of the training, and takes no restarts: begin a new "
            "run, as an uninterrupted one would have had another learning rate from the start"
        )
    if any(node and node.get("_target_") == _VARYING for node in (config.get("callbacks") or {}).values()):
        raise ConfigError(
            "callbacks.GradientAccumulationScheduler: epochs differ in steps, so that no schedule can begin anew"
        )
    schedule.restarts = [*(schedule.get("restarts") or []), step]


def begin_from(
    source: RunFolder, state: Checkpoint, composed: Composed, module: SpikingModule, folder: RunFolder
) -> None:
    """Put the state of a completed run, and the rows of its epochs, into the folder of the run that extends it.

    Args:
        source: the completed run.
        state: its last checkpoint.
        composed: config of the longer run.
        module: of the longer run.
        folder: of the longer run.
    """
    epochs = source.read_summary()["epochs"]
    folder.checkpoints.mkdir()
    for name in ("metrics", "timing", "best"):
        shutil.copyfile(getattr(source, name), getattr(folder, name), follow_symlinks=False)
    if module.make_schedule and composed.config.schedule.get("restarts"):
        total = state["global_step"] // epochs * composed.config.trainer.max_epochs
        _move_schedule(state, module, total)
    CheckpointFiles(module).save_checkpoint(state, folder.last)
    write_json(folder.summary, folder.read_summary() | {"extends": Origin(run=str(source.path), epochs=epochs)})


def _move_schedule(state: Checkpoint, module: SpikingModule, total_steps: int) -> None:
    """Put a schedule, as it is after the steps of a checkpoint, in the place of the one that the checkpoint holds."""
    assert module.make_schedule is not None
    optimizer = module.make_optimizer(module.model.parameters())
    schedule = module.make_schedule(optimizer, total_steps=total_steps)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step")  # the optimizer has nothing to do
        for _ in range(state["global_step"]):
            schedule.step()
    state["lr_schedulers"] = [schedule.state_dict()]
    for kept, now in zip(state["optimizer_states"][0]["param_groups"], optimizer.param_groups, strict=True):
        for name in now.keys() & _SCHEDULED:
            of_tensor = isinstance(kept.get(name), torch.Tensor)  # as where a step is captured
            kept[name] = torch.full_like(kept[name], now[name]) if of_tensor else now[name]


def origin_of(summary: Summary) -> Origin | None:
    """The run that a run extends, where its summary names one."""
    run, epochs = line(at(summary, "extends", "run")), at(summary, "extends", "epochs")
    return Origin(run=run, epochs=epochs) if run and isinstance(epochs, int) else None


def going_on(origin: Origin, composed: Composed) -> str:
    """What a run that extends another says of it."""
    schedule = composed.settings.schedule
    anew = ", where the schedule of the learning rate begins anew" if schedule and schedule.get("restarts") else ""
    return f"from the end of epoch {origin['epochs']} of {origin['run']} on{anew}"
