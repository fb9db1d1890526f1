"""Weights & Biases as a mirror of the run folder; offline unless asked, and never in the way."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlparse

from lightning.pytorch.loggers import WandbLogger

from snn_zo.config import ConfigError

log = logging.getLogger(__name__)

TIMEOUT_S = 3.0


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
    import wandb

    mode = os.environ.get("WANDB_MODE", mode)
    if mode == "disabled":
        return None
    if mode not in ("offline", "online"):
        raise ConfigError(f"logger.mode must be offline or online, got '{mode}'")
    if mode == "online" and (reason := _unreachable()):
        log.warning("wandb: %s; logging offline (later: wandb sync %s/wandb/offline-run-*)", reason, save_dir)
        mode = "offline"
    run = wandb.init(
        id=run_id,
        resume="allow" if run_id else None,
        project=project,
        name=name,
        dir=save_dir,
        group=group,
        entity=entity,
        tags=list(tags),
        mode=mode,  # type: ignore[arg-type]
        settings=wandb.Settings(silent=True, quiet=True),
    )
    return WandbLogger(experiment=run)


def finish(logger: WandbLogger | None, summary: dict[str, Any]) -> None:
    """Close the wandb run with the run's results and the exit code that its status stands for."""
    if logger is None:
        return
    import wandb

    logger.experiment.summary.update({name: value for name, value in summary.items() if name != "wandb_id"})
    wandb.finish(exit_code=0 if summary["status"] == "completed" else 1)


def _unreachable() -> str | None:
    """Why wandb cannot be online, or None. The connection comes first: without one, wandb itself waits for minutes."""
    import wandb

    url = urlparse(wandb.setup().settings.base_url)
    address = (url.hostname or "", url.port or (443 if url.scheme == "https" else 80))
    try:
        socket.create_connection(address, TIMEOUT_S).close()
    except OSError:
        return f"no connection to {url.hostname}"
    try:
        return None if wandb.login(prompt=False) else "no API key (wandb login stores one)"
    except wandb.Error as error:
        return " ".join(str(error).split())
