"""Making a run's folder before anything runs."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from snn_zo.atomic import write_atomically, write_json
from snn_zo.config import Composed, ConfigError
from snn_zo.places import expanded
from snn_zo.runs.folder import RunFolder
from snn_zo.runs.identity import identity
from snn_zo.runs.naming import run_name
from snn_zo.runs.status import Status
from snn_zo.runs.summary import Summary, headline_entry
from snn_zo.runs.wandb_variables import wandb_mode


def new_run(
    composed: Composed,
    study: str,
    overrides: list[str],
    content: Mapping[str, object] | None = None,
    swept: Sequence[str] = (),
    fill_further: Callable[[RunFolder], None] = lambda _: None,
) -> RunFolder:
    """A new run folder with the config in it, queued; without `name` it is called by `run_name`.

    Args:
        composed: the run's config, in which `study` and `name` are set to the folder's.
        study: name of the run's study where the settings give none.
        overrides: of the command line.
        content: of the run's data, where somebody has looked already.
        swept: of the overrides, those by which the run differs from others, which its name says first.
        fill_further: writes what the folder is to hold besides, before it appears.

    Raises:
        ConfigError: the run's name is taken, or wandb is to be in a mode that it does not have.
        OSError: the folder cannot be written.
    """
    settings, config = composed.settings, composed.config
    if config.get("logger"):
        wandb_mode(config.logger.mode)
    parent = expanded(settings.outputs) / (settings.study or study)

    def fill(folder: RunFolder) -> None:
        _write_config(folder, config, parent.name)
        write_atomically(folder.overrides, OmegaConf.to_yaml(OmegaConf.create(overrides)))
        write_json(folder.summary, beginning(composed, content) | {"status": Status.QUEUED})
        fill_further(folder)

    stem = run_name(settings.method, settings.seed, list(dict.fromkeys([*swept, *overrides])), parent.name)
    try:
        return RunFolder.create(parent, settings.name, stem, fill)
    except FileExistsError as error:
        raise ConfigError(_taken(RunFolder(parent / str(settings.name)))) from error


def _taken(folder: RunFolder) -> str:
    there = f"name={folder.path.name} is taken: {folder.path} exists"
    if not folder.config.exists():
        return f"{there}, without a config.yaml to resume from; choose another, or remove it"
    return f"{there}; choose another, or resume it by {resuming(folder.path)}"


def resuming(path: Path) -> str:
    """The argument that resumes a run, quoted for a shell."""
    return shlex.quote(f"resume={path}")


def requeue(folder: RunFolder, config: DictConfig) -> None:
    """Queue a run that was stopped or killed again, with this config, unless a process is training it."""
    with folder.only_here(wait=False) as alone:
        if alone:
            _write_config(folder, config, folder.path.parent.name)
            write_json(folder.summary, folder.read_summary() | {"status": Status.QUEUED, "reason": None})


def _write_config(folder: RunFolder, config: DictConfig, study: str) -> None:
    config.study, config.name = study, folder.path.name
    write_atomically(folder.config, OmegaConf.to_yaml(config, resolve=True))


def beginning(composed: Composed, content: Mapping[str, object] | None) -> Summary:
    """What a summary says from the first moment on; of the content of its data, as soon as that is known."""
    return Summary(
        method=composed.settings.method,
        strategy=OmegaConf.to_container(composed.config.strategy, resolve=True),
        data=composed.settings.dataset,
        seed=composed.settings.seed,
        headline=headline_entry(composed.settings.task.headline),
        identity=identity(composed.config, content),
        data_content=content,
    )
