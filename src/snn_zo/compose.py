"""From a checked config to the objects of a run: the module, the logger, the backend."""

from __future__ import annotations

import logging
import re
from typing import Literal, NoReturn

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning.pytorch.loggers import WandbLogger
from omegaconf import DictConfig, OmegaConf

from snn_zo.config import Composed, ConfigError
from snn_zo.config.trainer import DOUBLE
from snn_zo.ops.backends import resolve
from snn_zo.runs.folder import RunFolder
from snn_zo.runs.summary import Summary
from snn_zo.training import CapturedModule, SpikingModule
from snn_zo.training.replay import reason_against

log = logging.getLogger(__name__)


def backend_of(composed: Composed) -> str:
    """Name of the backend that a run uses on this machine.

    Raises:
        ConfigError: the one that was asked for does not run here.
    """
    try:
        return resolve(composed.settings.backend, device_of(composed.config))
    except ValueError as error:
        raise ConfigError(str(error)) from error


def device_of(config: DictConfig) -> Literal["cuda", "cpu"]:
    """Type of the device that a run with this config uses on this machine."""
    gpu = config.trainer.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    return "cuda" if gpu else "cpu"


def make_module(composed: Composed, backend: str, trains: bool = True) -> SpikingModule:
    """The LightningModule of a run, with its model and, if it `trains`, with its optimizer and schedule."""
    settings, config = composed.settings, composed.config
    # arguments that are objects already go past instantiate, which would turn dataclasses into configs
    make_model = instantiate(config.model, _partial_=True, _convert_="all")
    task = settings.task
    model = make_model(
        in_shape=settings.data.in_shape,
        outputs=task.target.outputs,
        strategy=settings.strategy,
        backend=backend,
        **({"every_step": True} if settings.loss.every_step else {}),
    )
    optimizer = instantiate(config.optim, _partial_=True) if trains else _no_optimizer
    schedule = instantiate(config.schedule, _partial_=True) if trains and config.get("schedule") else None
    captured = trains and settings.cuda_graph
    reason = reason_against(config.trainer, backend, optimizer, schedule, model) if captured else None
    if captured and settings.data.is_analogue:
        reason = "the input is no spikes"
    if reason:
        log.warning("cuda_graph: ordinary steps instead, as %s", reason)
    kind = CapturedModule if captured and not reason else SpikingModule
    module = kind(
        model,
        task,
        settings.seed,
        optimizer=optimizer,
        schedule=schedule,
        regularizer=settings.regularizer,
        backend=backend,
    )
    # Lightning does the same, but in a training only
    return module.double() if config.trainer.get("precision") in DOUBLE else module


def require_optimizer(config: DictConfig) -> None:
    """Check the settings of the optimizer and the schedule with torch, before anything else is done.

    Raises:
        ConfigError: it does not accept them.
    """
    made: object = [torch.nn.Parameter(torch.zeros(1, 1))]
    for group, others in (("optim", {}), ("schedule", {"total_steps": 10**12})):
        if config.get(group):
            try:
                made = instantiate(config[group], _partial_=True)(made, **others)
            except (InstantiationException, LookupError, TypeError, ValueError) as error:
                raise ConfigError(f"{group}: {' '.join(str(error).split())}") from error


def _no_optimizer(*_: object) -> NoReturn:
    raise ConfigError("a run that was loaded has no optimizer: make_optimizer of the module is to be set first")


def make_logger(config: DictConfig, folder: RunFolder, summary: Summary) -> WandbLogger | None:
    """The wandb logger of a run, whose id is put into the summary; None where none is wanted."""
    if not config.get("logger"):
        return None
    make_logger = instantiate(config.logger, _partial_=True, _convert_="all")
    logger: WandbLogger | None = make_logger(str(folder.path), config.name, config.study, _run_id(summary))
    if logger:
        summary["wandb_id"] = logger.experiment.id
        logger.experiment.config.update(OmegaConf.to_container(config, resolve=True), allow_val_change=True)
    return logger


def _run_id(summary: Summary) -> str | None:
    """wandb's name of the run, which becomes a part of paths; None where the summary says none that can."""
    found = summary["wandb_id"]
    return found if isinstance(found, str) and re.fullmatch(r"[\w-]{1,64}", found) else None
