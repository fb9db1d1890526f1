"""One clear line for every mistake on the command line."""

from __future__ import annotations

import re
import sys
from difflib import get_close_matches
from traceback import walk_tb

from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from snn_zo.config.build import ConfigError, absent, not_given, unknown_group
from snn_zo.config.sources import choices
from snn_zo.data.errors import DataError

EXPECTED = (ConfigError, DataError, HydraException, OmegaConfBaseException)
"""Exceptions that are the user's to mend: answered by a line, not by a traceback."""


def is_of_hydra(error: BaseException) -> bool:
    """Whether it was raised in the midst of Hydra or its parsers, which have no other reason than what they read."""
    packages = [str(frame.f_globals["__name__"]).partition(".")[0] for frame, _ in walk_tb(error.__traceback__)]
    raised_in = [package for package in packages if package not in sys.stdlib_module_names]
    return raised_in[-1] in ("hydra", "omegaconf", "antlr4")


def explain(error: BaseException) -> str:
    """What is wrong and what to do, in one line."""
    if isinstance(error, MissingConfigException) and error.options:
        return _unknown_choice(error)
    if isinstance(error, ConfigCompositionException):
        text = str(error)
        if "force-add" in text or "more than once" in text:
            return f"{text}; a group is chosen as GROUP=NAME, without a plus"
        if match := re.search(r"config group '([^']+)' does not exist|Could not delete '([^'=]+)", text):
            return str(unknown_group(match[1] or match[2]))
        if match := re.search(r"Could not override\s*'([^']+)'", text):
            return _unknown_key(match[1], error.__cause__)
        if match := re.search(r"Could not delete from config\.\s*'([^']+)'", text):
            return _nothing_to_delete(match[1], error)
    return " ".join((str(error) or str(error.__cause__)).split())


def _unknown_choice(error: MissingConfigException) -> str:
    group, _, choice = str(error.missing_cfg_file).rpartition("/")
    options = sorted(error.options or ())
    near = get_close_matches(choice, options, n=1)
    hint = f"did you mean {group}={near[0]}? " if near else ""
    if group == "hydra/sweeper" and choice == "optuna":
        hint = "pip install 'snn_zo[optuna]', or "
    return f"{group}={choice} does not exist; {hint}choose from {', '.join(options)}"


def _unknown_key(key: str, cause: BaseException | None) -> str:
    if "/" in key or "@" in key:
        return str(unknown_group(key))
    missing = str(getattr(cause, "full_key", key))
    parent, _, name = (missing if f"{key}.".startswith(f"{missing}.") else key).rpartition(".")
    node = getattr(cause, "parent_node", None)
    if choices(missing):
        return str(not_given(missing))
    if isinstance(node, DictConfig):
        return str(absent(node, parent, name))
    return f"{key} is not a setting: {' '.join(str(cause or '').split()) or 'see --help for what there is'}"


def _nothing_to_delete(key: str, error: BaseException) -> str:
    """The answer to `~key`, from the config that Hydra looked for it in."""
    if "/" in key or "@" in key:
        return str(unknown_group(key))
    looked = [frame.f_locals["cfg"] for frame, _ in walk_tb(error.__traceback__) if "cfg" in frame.f_locals]
    node, place = looked[-1] if looked else None, ""
    for name in key.split("."):
        if not isinstance(node, DictConfig):
            break
        if name not in node:
            return str(absent(node, place, name))
        node, place = node._get_node(name), f"{place}.{name}" if place else name
    return f"~{key} leaves nothing out: {place or key} is null or holds no settings"
