"""One run, from checked settings to summary.json."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import lightning
import torch
from hydra.utils import instantiate
from lightning.pytorch.loggers import WandbLogger
from omegaconf import DictConfig, OmegaConf

from snn_zo.callbacks import RunRecord, SparsityMonitor
from snn_zo.config import ConfigError
from snn_zo.config.schema import TrainSettings
from snn_zo.data.datamodule import EventDataModule
from snn_zo.ops.backends import resolve
from snn_zo.report.result import print_result
from snn_zo.runs.environment import environment
from snn_zo.runs.folder import RunFolder, write_atomically
from snn_zo.runs.log_file import logging_to
from snn_zo.runs.table_file import write_matrix
from snn_zo.runs.wandb_logger import finish
from snn_zo.training import SpikingClassifier

log = logging.getLogger(__name__)


def run(settings: TrainSettings, config: DictConfig, choices: dict[str, str | None], overrides: list[str]) -> float:
    """Train, test the best checkpoint, and write the run folder.

    Args:
        settings: the checked root of the config.
        config: the same, as Hydra composed it.
        choices: chosen option of each config group.
        overrides: of the command line.

    Returns:
        The objective: best validation accuracy.

    Raises:
        ConfigError: the backend does not run here, or the run's name is taken.
    """
    backend = _backend(settings, config)
    study = settings.study or choices.get("sweeps") or choices["data"] or "runs"
    try:
        stem = f"{settings.method}-s{settings.seed}"
        folder = RunFolder.create(Path(settings.outputs) / study, settings.name, stem)
    except FileExistsError as error:
        raise ConfigError(f"name={settings.name} is taken: {error.filename} exists; choose another") from error
    config.study, config.name = study, folder.path.name
    write_atomically(folder.config, OmegaConf.to_yaml(config, resolve=True))
    write_atomically(folder.overrides, OmegaConf.to_yaml(OmegaConf.create(overrides)))
    folder.write_json(folder.environment, environment(backend))
    summary: dict[str, Any] = {
        "status": "running",
        "method": settings.method,
        "strategy": OmegaConf.to_container(config.strategy, resolve=True),
        "data": choices["data"],
        "seed": settings.seed,
        "backend": backend,
    }
    folder.write_json(folder.summary, summary)
    print(f"{settings.method} on {choices['data']}, seed {settings.seed} -> {folder.path}", flush=True)
    with logging_to(folder.log):
        logger: WandbLogger | None = instantiate(config.logger) if config.logger else None
        try:
            if logger:
                logger.experiment.config.update(OmegaConf.to_container(config, resolve=True))
            summary["wandb_id"] = logger.experiment.id if logger else None
            summary |= _fit_and_test(settings, config, folder, backend, logger) | {"status": "completed"}
        except BaseException as error:
            log.info("the run ended early", exc_info=True)
            interrupted = isinstance(error, (KeyboardInterrupt, SystemExit))
            reason = "stopped by a signal" if interrupted else " ".join(f"{type(error).__name__}: {error}".split())
            summary |= {"status": "interrupted" if interrupted else "failed", "reason": reason}
            raise
        finally:
            folder.write_json(folder.summary, summary)
            finish(logger, summary)
    print_result(folder.path, summary)
    return float(summary["objective"])


def _backend(settings: TrainSettings, config: DictConfig) -> str:
    gpu = config.trainer.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    try:
        return resolve(settings.backend, "cuda" if gpu else "cpu")
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _fit_and_test(
    settings: TrainSettings, config: DictConfig, folder: RunFolder, backend: str, logger: WandbLogger | None
) -> dict[str, Any]:
    """Train, load the checkpoint that validation chose, test it once; what the summary says of it."""
    lightning.seed_everything(settings.seed, verbose=False)
    data = EventDataModule(settings.data, settings.seed)
    # arguments that are objects already go past instantiate, which would turn dataclasses into configs
    make_model = instantiate(config.model, _partial_=True, _convert_="all")
    model = make_model(
        in_features=settings.data.features,
        out_features=settings.data.classes,
        strategy=settings.strategy,
        backend=backend,
    )
    schedule = instantiate(config.schedule) if config.schedule else None
    module = SpikingClassifier(model, settings.data.classes, settings.seed, instantiate(config.optim), schedule)
    record, callbacks = RunRecord(folder), instantiate(config.callbacks)
    trainer: lightning.Trainer = instantiate(
        config.trainer, callbacks=[*callbacks.values(), record], logger=logger or False
    )
    trainer.fit(module, data)
    objective = _load_best(trainer, module)
    tested = trainer.test(module, data, verbose=False)[0]
    write_matrix(folder.confusion, module.confusion.compute().tolist())
    return {
        "objective": objective,
        "metrics": {**tested, "val/acc": objective},
        **_sparsity(trainer),
        "timing": record.summary(),
        "epochs": trainer.current_epoch,
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
    }


def _load_best(trainer: lightning.Trainer, module: SpikingClassifier) -> float:
    """Put the weights of the best checkpoint into the module; its validation accuracy."""
    checkpoint = trainer.checkpoint_callback
    path, score = getattr(checkpoint, "best_model_path", ""), getattr(checkpoint, "best_model_score", None)
    if path and score is not None:
        module.load_state_dict(torch.load(path, weights_only=True)["state_dict"])
        return float(score)
    log.warning("no checkpoint was written: the test uses the weights of the last step")
    return float(trainer.callback_metrics["val/acc"])


def _sparsity(trainer: lightning.Trainer) -> dict[str, Any]:
    """Fractions of the last epoch and whether a layer was dead in it; null where nothing measured them."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, SparsityMonitor) and callback.fractions:
            layers = {name: values for name, values in callback.fractions.items() if name != "all"}
            sparsity = {**callback.fractions["all"], "layers": layers}
            return {"sparsity": sparsity, "dead": bool(callback.dead), "dead_layers": callback.dead}
    return {"sparsity": None, "dead": None, "dead_layers": None}
