"""Weights & Biases as a mirror of the run folder; offline unless asked, and never in the way."""

from __future__ import annotations

import logging
import os
import secrets
import shlex
from collections.abc import Sequence
from contextlib import chdir
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from lightning.pytorch.loggers import WandbLogger

from snn_zo.runs.status import Status
from snn_zo.runs.summary import Summary
from snn_zo.runs.wandb_server import one_line, unreachable
from snn_zo.runs.wandb_variables import drop_others, wandb_mode

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
        mode: `offline` or `online`; see `wandb_mode`. Online without a key or a connection
            becomes offline, with one line that says so.
        entity: wandb user or team.
        tags: of the run.

    Raises:
        ConfigError: there is no such mode.
    """
    mode = wandb_mode(mode)
    if mode == "disabled":
        return None
    if dropped := drop_others():
        log.warning("wandb: %s not heeded: the folder and logger.* say which run this is", " and ".join(dropped))
    if os.path.expanduser("~") == "~":  # a user without a name, as a container may have
        os.environ |= {f"WANDB_{name}_DIR": _homeless().name for name in ("CONFIG", "CACHE", "DATA")}
    options = {
        "id": run_id or secrets.token_hex(4),
        "resume": "allow" if run_id else None,
        "project": project,
        "name": name,
        "dir": os.path.abspath(save_dir),
        "group": group,
        "entity": entity,
        "tags": list(tags),
    }
    with chdir("/"):  # wandb would take settings from the working directory, which may be anybody's run folder
        return WandbLogger(experiment=_start(mode, **options))


@cache
def _homeless() -> TemporaryDirectory[str]:
    """A folder for what wandb keeps in a home folder, until the process ends."""
    return TemporaryDirectory(prefix="snn_zo-")


def _start(mode: str, **options: Any) -> wandb.Run:
    import wandb

    settings = wandb.Settings(
        silent=True,
        quiet=True,
        init_timeout=INIT_TIMEOUT_S,
        finish_timeout=FINISH_TIMEOUT_S,
        finish_timeout_raises=True,
        # it would run git in the run folder; env.json has the commit of the code
        disable_git=True,
    )
    if mode == "online":
        try:
            reason = unreachable()
            if not reason:
                return wandb.init(mode="online", settings=settings, **options)
        except wandb.Error as error:
            reason = one_line(error)
            wandb.teardown()  # what has begun holds on to the run's id
        folder = shlex.quote(options["dir"])
        log.warning("wandb: %s; logging offline (later: wandb sync %s/wandb/offline-run-*)", reason, folder)
    return wandb.init(mode="offline", settings=settings, **options)


def finish(logger: WandbLogger | None, summary: Summary) -> None:
    """Close the wandb run with the run's results and the exit code that its status stands for."""
    if logger is None:
        return
    run = logger.experiment
    run.summary.update({name: value for name, value in summary.items() if name != "wandb_id"})
    try:
        run.finish(exit_code=0 if summary["status"] == Status.COMPLETED else 1)
    except TimeoutError:
        folder = shlex.quote(str(Path(run.dir).parent))
        log.warning("wandb: no answer while finishing (later: wandb sync --include-online %s)", folder)
