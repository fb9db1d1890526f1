"""Weights & Biases as a mirror of the run folder; offline unless asked, and never in the way."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch.loggers import WandbLogger

from snn_zo.config import ConfigError
from snn_zo.runs.wandb_server import one_line, unreachable

if TYPE_CHECKING:
    import wandb

log = logging.getLogger(__name__)

INIT_TIMEOUT_S, FINISH_TIMEOUT_S = 20.0, 60.0


def wandb_logger(
    save_dir: str,
    name: str,
    group: str,
    run_id: str | None = None,
    *,
    project: str,
    mode: str,
    entity: str | None = None,
    tags: Sequence[str] = (),
) -> WandbLogger | None:
    """A logger that writes below `save_dir`, or None where WANDB_MODE is `disabled`.

    Args:
        save_dir: the run's folder.
        name: the run's name.
        group: groups the runs of a study.
        run_id: wandb's name of the run that is resumed.
        project: wandb project.
        mode: `offline` or `online`; the environment variable WANDB_MODE wins. Online without a key or a connection
            becomes offline, with one line that says so.
        entity: wandb user or team.
        tags: of the run.

    Raises:
        ConfigError: the mode is neither.
    """
    mode = os.environ.get("WANDB_MODE", mode)
    if mode == "disabled":
        return None
    if mode not in ("offline", "online"):
        raise ConfigError(f"logger.mode must be offline or online, got '{mode}'")
    run = _start(
        mode,
        id=run_id,
        resume="allow" if run_id else None,
        project=project,
        name=name,
        dir=save_dir,
        group=group,
        entity=entity,
        tags=list(tags),
    )
    return WandbLogger(experiment=run)


def _start(mode: str, **options: Any) -> wandb.Run:
    import wandb

    settings = wandb.Settings(
        silent=True,
        quiet=True,
        init_timeout=INIT_TIMEOUT_S,
        finish_timeout=FINISH_TIMEOUT_S,
        finish_timeout_raises=True,
    )
    if mode == "online":
        try:
            reason = unreachable()
            if not reason:
                return wandb.init(mode="online", settings=settings, **options)
        except wandb.Error as error:
            reason = one_line(error)
        folder = shlex.quote(options["dir"])
        log.warning("wandb: %s; logging offline (later: wandb sync %s/wandb/offline-run-*)", reason, folder)
    return wandb.init(mode="offline", settings=settings, **options)


def finish(logger: WandbLogger | None, summary: dict[str, Any]) -> None:
    """Close the wandb run with the run's results and the exit code that its status stands for."""
    if logger is None:
        return
    run = logger.experiment
    run.summary.update({name: value for name, value in summary.items() if name != "wandb_id"})
    try:
        run.finish(exit_code=0 if summary["status"] == "completed" else 1)
    except TimeoutError:
        folder = shlex.quote(str(Path(run.dir).parent))
        log.warning("wandb: no answer while finishing (later: wandb sync --include-online %s)", folder)
