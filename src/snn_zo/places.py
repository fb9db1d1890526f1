"""Folders as users name them: in settings, on the command line and in environment variables."""

from __future__ import annotations

import os
from pathlib import Path

from omegaconf import OmegaConf


def variable(name: str, default: str) -> str:
    """An environment variable, or the default where it is not set or empty; in YAML `${variable:NAME,default}`."""
    return os.environ.get(name) or default


OmegaConf.register_new_resolver("variable", variable, replace=True)


def expanded(text: str) -> Path:
    """The folder that is named, with ~ for the home folder if there is one."""
    return Path(os.path.expanduser(text))


def require_folder(setting: str, text: str, variable: str) -> None:
    """Check that a setting names a folder.

    Args:
        setting: its name.
        text: its value.
        variable: the environment variable that it is taken from otherwise.

    Raises:
        ValueError: it is empty, or begins with ~ and there is no such home folder.
    """
    if not text:
        raise ValueError(f"{setting} must name a folder, and is empty")
    if str(expanded(text)).startswith("~"):
        raise ValueError(f"{setting} is {text}, which is no user's home folder: set it, or {variable}, to a whole path")
