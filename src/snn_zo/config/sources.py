"""Where configs come from: the project's `conf/` and `sweeps/`, and strategies of other packages."""

from __future__ import annotations

import dataclasses
from importlib.metadata import entry_points
from pathlib import Path

from hydra.conf import HydraConf
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from snn_zo.config.names import automatic_name

STRATEGIES = "snn_zo.strategies"
"""Entry point group under which packages offer strategies, name = "module:DataClass"."""


def root() -> Path:
    """Folder that holds `conf/` and `sweeps/`: the checkout, or the installed package."""
    package = Path(__file__).parents[1]
    checkout = package.parents[1]
    return checkout if (checkout / "conf" / "train.yaml").is_file() else package


def choices(group: str) -> list[str]:
    """Names that can be chosen in a group of the project's own; empty for what is no group."""
    return sorted(path.stem for path in (root() / "conf" / group).glob("*.yaml"))


def groups() -> list[str]:
    """Names of the project's groups, as `model/readout`, and of Hydra's that its files choose in."""
    conf = root() / "conf"
    found = {path.parent.relative_to(conf).as_posix() for path in conf.glob("*/**/*.yaml")}
    return sorted({*found, "sweeps", "hydra/sweeper"})


def register(arguments: list[str]) -> None:
    """Make the sweeps and the installed strategies known to Hydra.

    Of the strategies that other packages offer, only the ones that the command line names are imported.
    """
    for path in sorted((root() / "sweeps").glob("*.yaml")):
        ConfigStore.instance().store(group="sweeps", name=path.stem, node=OmegaConf.load(path), package="_global_")
    for entry in entry_points(group=STRATEGIES):
        if any(entry.name in argument for argument in arguments):
            ConfigStore.instance().store(group="strategy", name=entry.name, node=_defaults(entry.load()))


def study_name(hydra: HydraConf) -> str:
    """The study of a run whose settings give none: the sweep, the experiment or else the data set that was chosen.

    Args:
        hydra: Hydra's own config.
    """
    choices = hydra.runtime.choices
    return automatic_name(str(choices.get("sweeps") or choices.get("experiment") or choices["data"]))


def _defaults(cls: type) -> dict[str, object]:
    """Config node of a class: its target and, for a dataclass, its default settings."""
    node: dict[str, object] = {"_target_": f"{cls.__module__}.{cls.__qualname__}"}
    for field in dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ():
        if field.default is not dataclasses.MISSING:
            node[field.name] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            node[field.name] = field.default_factory()
        else:
            node[field.name] = "???"
    return node
