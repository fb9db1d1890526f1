"""From a checked config to the objects of a run: the module, the logger, the backend."""

from __future__ import annotations

import logging
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning.pytorch.loggers import WandbLogger
from omegaconf import DictConfig, OmegaConf

from snn_zo.config import ConfigError
from snn_zo.config.schema import TrainSettings
from snn_zo.config.trainer import DOUBLE
from snn_zo.ops.backends import resolve
from snn_zo.runs.folder import RunFolder
from snn_zo.training import CapturedClassifier, SpikingClassifier
from snn_zo.training.replay import reason_against

log = logging.getLogger(__name__)


def backend_of(settings: TrainSettings, config: DictConfig) -> str:
    """Name of the backend that a run uses on this machine.

    Raises:
        ConfigError: the one that was asked for does not run here.
    """
    gpu = config.trainer.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    try:
        return resolve(settings.backend, "cuda" if gpu else "cpu")
    except ValueError as error:
        raise ConfigError(str(error)) from error


def make_module(settings: TrainSettings, config: DictConfig, backend: str) -> SpikingClassifier:
    """The LightningModule of a run, with its model, optimizer and schedule."""
    # arguments that are objects already go past instantiate, which would turn dataclasses into configs
    make_model = instantiate(config.model, _partial_=True, _convert_="all")
    model = make_model(
        in_features=settings.data.features,
        out_features=settings.data.classes,
        strategy=settings.strategy,
        backend=backend,
    )
    optimizer = instantiate(config.optim, _partial_=True)
    schedule = instantiate(config.schedule, _partial_=True) if config.get("schedule") else None
    reason = reason_against(config.trainer, backend, optimizer, schedule) if settings.cuda_graph else None
    if reason:
        log.warning("cuda_graph: ordinary steps instead, as %s", reason)
    classifier = CapturedClassifier if settings.cuda_graph and not reason else SpikingClassifier
    module = classifier(
        model,
        settings.data.classes,
        settings.seed,
        optimizer=optimizer,
        schedule=schedule,
        regularizer=settings.regularizer,
        backend=backend,
    )
    # Lightning does the same in a training, and not where a run is looked at again
    return module.double() if config.trainer.get("precision") in DOUBLE else module


def require_optimizer(config: DictConfig) -> None:
    """Have torch look at the settings of the optimizer and the schedule before anything else is done.

    Raises:
        ConfigError: it does not accept them.
    """
    made: Any = [torch.nn.Parameter(torch.zeros(1, 1))]
    for group, others in (("optim", {}), ("schedule", {"total_steps": 100})):
        if config.get(group):
            try:
                made = instantiate(config[group], _partial_=True)(made, **others)
            except (InstantiationException, TypeError, ValueError) as error:
                raise ConfigError(f"{group}: {' '.join(str(error).split())}") from error


def make_logger(config: DictConfig, folder: RunFolder, summary: dict[str, Any]) -> WandbLogger | None:
    """The wandb logger of a run, whose id is put into the summary; None where none is wanted."""
    if not config.get("logger"):
        return None
    make_logger = instantiate(config.logger, _partial_=True, _convert_="all")
    logger: WandbLogger | None = make_logger(str(folder.path), config.name, config.study, summary["wandb_id"])
    if logger:
        summary["wandb_id"] = logger.experiment.id
        logger.experiment.config.update(OmegaConf.to_container(config, resolve=True), allow_val_change=True)
    return logger
