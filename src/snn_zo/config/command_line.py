"""The command line in the order and the words that Hydra reads."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NoReturn

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from snn_zo.config.build import ConfigError
from snn_zo.config.sources import root

_PLACES = ("overrides", "config_path", "config_name", "config_dir")
"""What Hydra's parser finds that does not tell Hydra what to do."""


def arranged(arguments: Sequence[str], may_sweep: bool) -> list[str]:
    """Options first, which Hydra wants, and settings after them; a sweep where one is chosen.

    Args:
        arguments: of the command line.
        may_sweep: whether the command does several jobs.

    Raises:
        ConfigError: there is no such option, or it is not for this command.
    """
    from hydra._internal.utils import get_args_parser

    parser = get_args_parser()
    parser.error = _refuse  # type: ignore[method-assign]
    given = parser.parse_intermixed_args(arguments)
    if given.experimental_rerun:
        raise ConfigError("--experimental-rerun does not know run folders: resume=FOLDER goes on with a run")
    options = [argument for argument in arguments if argument != "--"]
    for override in given.overrides:
        options.remove(override)
    told = any(value for name, value in vars(given).items() if name not in _PLACES)
    if may_sweep and not told and any(override.startswith("sweeps=") for override in given.overrides):
        options.append("--multirun")  # in the file it would come too late for `seed=0,1` on the command line
    groups = {"sweeps", *_groups(root() / "conf"), *_groups(Path(given.config_dir or root() / "conf"))}
    overrides = [as_choice(override, groups) for override in given.overrides]
    if not may_sweep and (given.multirun or any(override.startswith("hydra.mode=") for override in overrides)):
        raise ConfigError("--multirun is for training: this command does one thing at a time")
    return [*options, *overrides]


def as_choice(override: str, groups: Collection[str]) -> str:
    """`group=null` and `group=false` as Hydra's `~group`, and `group=1` as the choice of that name.

    Args:
        override: of the command line, or of a job of a sweep.
        groups: names of config groups.

    Raises:
        ConfigError: it is no override.
    """
    group, equals, value = override.partition("=")
    if not group or not (equals or override.startswith("~")):
        raise ConfigError(f"'{override}' is not understood: settings are given as key=value")
    if group in ("hydra.launcher", "hydra.sweeper"):
        raise ConfigError(f"{group} holds settings: {group.replace('.', '/')}={value} would choose others")
    if group not in groups:
        return override
    try:
        parsed = OverridesParser.create().parse_override(override)
    except HydraException:  # which says more about it when it is its turn
        return override
    if parsed.is_sweep_override() or isinstance(parsed.value(), str | list | dict):
        return override
    return f"~{group}" if parsed.value() in (None, False) else f"{group}='{value}'"


def _groups(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else set()


def _refuse(message: str) -> NoReturn:
    raise ConfigError(f"{message}; settings are given as key=value without dashes, and --help lists them")
