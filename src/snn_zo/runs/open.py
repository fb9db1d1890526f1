"""Opening a run folder: its config, checked, whether we wrote it or a stranger did."""

from __future__ import annotations

import stat
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from snn_zo.config import Composed, ConfigError, build
from snn_zo.config.schema import TrainSettings
from snn_zo.config.trust import require_trusted
from snn_zo.places import expanded, variable
from snn_zo.runs.folder import RunFolder
from snn_zo.runs.resources import require_resources
from snn_zo.untrusted import plain_yaml, read_lines


def open_run(folder: RunFolder, trusted: bool = False) -> Composed:
    """The checked config of an existing run, wherever its folder is now; `trusted` if we wrote its config ourselves."""
    if not folder.config.is_file():
        raise ConfigError(f"{folder.path} is not a run folder: it holds no config.yaml")
    _require_files(folder)
    try:
        config = OmegaConf.create(plain_yaml(folder.config))
    except Exception as error:  # yaml lets through whatever its constructors raise
        raise ConfigError(f"{folder.config} cannot be read: {error}") from error
    if not isinstance(config, DictConfig):
        raise ConfigError(f"{folder.config} is not a run's config")
    if "loss" not in config:
        raise ConfigError(
            f"{folder.config} names no loss: an earlier version wrote it. Its costs can be compared, but it can "
            "neither be resumed nor tested again"
        )
    place = folder.path.resolve()
    config.outputs, config.study, config.name = str(place.parent.parent), place.parent.name, place.name
    if not trusted:
        require_trusted(config)
        _use_data_of_this_machine(config)
    # what a folder is called is checked where it is made
    unnamed = config.copy()
    unnamed.study = unnamed.name = None
    settings = build(unnamed, "", TrainSettings)
    composed = Composed(settings, config)
    if not trusted:
        require_resources(composed)
    return composed


def _require_files(folder: RunFolder) -> None:
    """Nothing in it is to lead elsewhere, or to wait for somebody to write; and tables have bounds."""
    files = {*vars(folder).values()} - {folder.path, folder.checkpoints, folder.look}
    for path in (*folder.path.iterdir(), *folder.checkpoints.glob("*")):
        kind = path.lstat().st_mode
        if stat.S_ISLNK(kind):
            raise ConfigError(f"{path} is a link, which a run folder may not hold: put what it points to in its place")
        if not stat.S_ISREG(kind) and (path in files or not stat.S_ISDIR(kind)):
            raise ConfigError(f"{path} is no file, and a run folder holds nothing else: remove it")
    for path in (folder.metrics, folder.timing):
        try:
            read_lines(path)
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path} cannot be read: {error}") from error


def _use_data_of_this_machine(config: DictConfig) -> None:
    """The folders of a run from elsewhere are not here, and not to be made or filled with downloads."""
    data = config.get("data")
    if not isinstance(data, DictConfig):
        return
    if "cache_dir" in data:
        data.cache_dir = variable("SNN_ZO_CACHE", "~/.cache/snn_zo")
    if "root" in data and not _holds(expanded(str(data.root)), str(data.get("_target_"))):
        data.root = variable("SNN_ZO_DATA", "data")


def _holds(root: Path, target: str) -> bool:
    """Whether a data set is there; a class of the user's own looks for itself."""
    if not target.startswith("snn_zo."):
        return root.is_dir()
    name = target.rpartition(".")[2].casefold()
    return root.is_dir() and any(path.name.casefold() == name for path in root.iterdir())
