"""The run folder `<outputs>/<study>/<name>/` and how files get into it whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from snn_zo.atomic import PARTIAL, make_folder, sync_folder


class RunFolder:
    """Paths of one run's files.

    config.yaml and overrides.yaml (settings), env.json (versions, code and machine), metrics.csv (one row an epoch),
    timing.csv (wall-clock times), energy.csv (operations, bytes and Joules by layer, phase and pattern), checkpoints/,
    confusion.csv (test set), run.log and summary.json.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.overrides = path / "overrides.yaml"
        self.environment = path / "env.json"
        self.metrics = path / "metrics.csv"
        self.timing = path / "timing.csv"
        self.energy = path / "energy.csv"
        self.checkpoints = path / "checkpoints"
        self.best = self.checkpoints / "best.ckpt"
        self.last = self.checkpoints / "last.ckpt"
        self.confusion = path / "confusion.csv"
        self.log = path / "run.log"
        self.summary = path / "summary.json"

    @classmethod
    def create(cls, parent: Path, name: str | None, stem: str) -> RunFolder:
        """A new, empty run folder.

        Args:
            parent: `<outputs>/<study>`.
            name: the run's name, or None for `<stem>-<time>`, numbered where that is taken.
            stem: beginning of an automatic name.

        Raises:
            FileExistsError: a run called `name` exists.
            OSError: the folder cannot be written.
        """
        make_folder(parent)
        for candidate in [name] if name else _names(f"{stem}-{datetime.now():%Y%m%d-%H%M%S}"):
            try:
                (parent / candidate).mkdir()
            except FileExistsError:
                if name:
                    raise
                continue
            sync_folder(parent)
            return cls(parent / candidate)
        raise AssertionError("unreachable: automatic names do not run out")

    @classmethod
    def latest(cls, outputs: Path) -> RunFolder:
        """The run below `outputs` that began, or went on, last.

        Raises:
            FileNotFoundError: there is none.
        """
        # runs that are only queued have a config, but no environment yet
        begun = sorted(outputs.glob("*/*/env.json"), key=lambda path: path.stat().st_mtime_ns)
        if not begun:
            raise FileNotFoundError(f"no run in {outputs}")
        return cls(begun[-1].parent)

    def read_summary(self) -> dict[str, Any]:
        """summary.json; empty where it is missing or no JSON."""
        try:
            content = json.loads(self.summary.read_text())
        except (OSError, ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}

    def clear(self) -> None:
        """Remove what writers that were killed have left behind; for the one process that may write here."""
        for folder in (self.path, self.checkpoints):
            for path in folder.glob(f".*{PARTIAL}"):
                path.unlink()

    @contextmanager
    def only_here(self, wait: bool = True) -> Iterator[bool]:
        """Keep other processes, also of machines that share the folder, from training the run.

        Args:
            wait: until no other process does; without waiting, the value says whether that is so.
        """
        lock = FileLock(self.path / ".lock", blocking=wait)
        with suppress(Timeout):
            lock.acquire()
        try:
            yield lock.is_locked
        finally:
            lock.release()


def _names(stem: str) -> Iterator[str]:
    yield stem
    number = 2
    while True:
        yield f"{stem}-{number}"
        number += 1
