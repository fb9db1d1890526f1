"""What an engine is, and what engines have in common."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from snn_zo.config import ConfigError
from snn_zo.runs.process import RunProcesses


class Engine(Protocol):
    """Does the runs of a sweep."""

    def run(self, folders: Sequence[Path]) -> None:
        """Do these queued runs, and return when all have ended."""

    def stop(self) -> None:
        """Have all runs end as Ctrl-C ends one, and start no other; called from another thread."""


def threads(number: int) -> dict[str, str]:
    """Environment of a run that is to use so many threads."""
    return {"OMP_NUM_THREADS": str(number), "MKL_NUM_THREADS": str(number)}


def work(folder: str, place: str, number: int | None) -> int:
    """A run, on whatever machine this is called; its exit code.

    Args:
        folder: the run folder, which this machine shares.
        place: folder that relative paths in the config start from.
        number: of threads; None for as many as there are cores.
    """
    os.chdir(place)
    return RunProcesses().run(Path(folder), threads(number) if number else None)


def needs(module: str) -> Any:
    """An optional package, which an extra of the same name installs.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(f"{module} is not installed: pip install 'snn_zo[{module}]'") from error
