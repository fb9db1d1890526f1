"""Opening a run folder: its config, checked, whether we wrote it or a stranger did."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from snn_zo.config import ConfigError, build
from snn_zo.config.schema import TrainSettings
from snn_zo.config.trust import require_trusted
from snn_zo.places import expanded, variable
from snn_zo.runs.folder import RunFolder


def open_run(folder: RunFolder, trusted: bool = False) -> tuple[TrainSettings, DictConfig]:
    """Checked settings of an existing run, wherever its folder is now; `trusted` if we wrote its config ourselves."""
    if not folder.config.is_file():
        raise ConfigError(f"{folder.path} is not a run folder: it holds no config.yaml")
    try:
        config = OmegaConf.load(folder.config)
    except Exception as error:
        raise ConfigError(f"{folder.config} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(config, DictConfig):
        raise ConfigError(f"{folder.config} is not a run's config")
    for path in (*folder.path.iterdir(), *folder.checkpoints.glob("*")):
        if path.is_symlink():
            raise ConfigError(f"{path} is a link, which a run folder may not hold: put what it points to in its place")
    place = folder.path.resolve()
    config.outputs, config.study, config.name = str(place.parent.parent), place.parent.name, place.name
    if not trusted:
        require_trusted(config)
        _use_data_of_this_machine(config)
    # what a folder is called is checked where it is made
    unnamed = config.copy()
    unnamed.study = unnamed.name = None
    return build(unnamed, "", TrainSettings), config


def _use_data_of_this_machine(config: DictConfig) -> None:
    """The folders of a run from elsewhere are not here, and not to be made."""
    data = config.get("data")
    if not isinstance(data, DictConfig):
        return
    if "cache_dir" in data:
        data.cache_dir = variable("SNN_ZO_CACHE", "~/.cache/snn_zo")
    if "root" in data and not expanded(str(data.root)).is_dir():
        data.root = variable("SNN_ZO_DATA", "data")
