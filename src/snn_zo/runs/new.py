"""Making a run's folder before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from snn_zo.atomic import write_atomically, write_json
from snn_zo.config import ConfigError
from snn_zo.config.schema import TrainSettings
from snn_zo.runs.folder import RunFolder
from snn_zo.runs.identity import identity
from snn_zo.runs.wandb_variables import wandb_mode


def new_run(settings: TrainSettings, config: DictConfig, study: str, overrides: list[str]) -> RunFolder:
    """A new run folder with the config in it, queued.

    Args:
        settings: the checked root of the config.
        config: the same, as Hydra composed it; `study` and `name` are set to the folder's.
        study: name of the run's study where the settings give none.
        overrides: of the command line.

    Raises:
        ConfigError: the run's name is taken, or wandb is to be in a mode that it does not have.
        OSError: the folder cannot be written.
    """
    if config.get("logger"):
        wandb_mode(config.logger.mode)
    parent, stem = Path(settings.outputs) / (settings.study or study), f"{settings.method}-s{settings.seed}"
    try:
        folder = RunFolder.create(parent, settings.name, stem)
    except FileExistsError as error:
        raise ConfigError(
            f"name={settings.name} is taken: {error.filename} exists; choose another, or go on with it by "
            f"resume={error.filename}"
        ) from error
    _write_config(folder, config)
    write_atomically(folder.overrides, OmegaConf.to_yaml(OmegaConf.create(overrides)))
    write_json(folder.summary, beginning(settings, config) | {"status": "queued"})
    return folder


def requeue(folder: RunFolder, config: DictConfig) -> None:
    """Have a run that was stopped or killed gone on with, by this config; nothing changes while a process is at it."""
    with folder.only_here(wait=False) as alone:
        if alone:
            _write_config(folder, config)
            write_json(folder.summary, folder.read_summary() | {"status": "queued", "reason": None})


def _write_config(folder: RunFolder, config: DictConfig) -> None:
    config.study, config.name = folder.path.parent.name, folder.path.name
    write_atomically(folder.config, OmegaConf.to_yaml(config, resolve=True))


def beginning(settings: TrainSettings, config: DictConfig) -> dict[str, Any]:
    """What a summary says from the first moment on."""
    return {
        "method": settings.method,
        "strategy": OmegaConf.to_container(config.strategy, resolve=True),
        "data": settings.dataset,
        "seed": settings.seed,
        "identity": identity(config),
    }
