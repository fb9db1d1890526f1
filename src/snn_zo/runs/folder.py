"""The run folder `<outputs>/<study>/<name>/` and how files get into it whole."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from errno import EEXIST, ENOTDIR, ENOTEMPTY
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, cast

from filelock import FileLock, Timeout

from snn_zo.atomic import PARTIAL, make_folder, sync_folder
from snn_zo.config.names import DASHBOARD
from snn_zo.runs.status import Status, written
from snn_zo.runs.summary import Summary
from snn_zo.untrusted import read_text

CheckpointName = Literal["best", "last"]
"""The weights that validation chose, and those of the last epoch that was saved."""

SUMMARY = "summary.json"
"""Name of the file by which a run folder is known."""

ASIDE = ".new-"
"""How the names of folders begin in which run folders are made."""

_AHEAD_NS = 60 * 10**9
"""By which the clock of another machine, such as a file server, may be ahead of ours."""


class RunFolder:
    """Paths of one run's files.

    config.yaml and overrides.yaml (settings), env.json (versions, code and machine), metrics.csv (one row an epoch),
    timing.csv (wall-clock times), energy.csv (operations, bytes and Joules by layer, phase and pattern),
    sparsity_channels.csv (of convolutional layers, what each channel did in the last epoch), checkpoints/,
    predictions.csv and of a classification confusion.csv (test set), run.log, summary.json, report.html, a page of all
    of it, and in look/ pictures of what the layers did with single recordings.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.overrides = path / "overrides.yaml"
        self.environment = path / "env.json"
        self.metrics = path / "metrics.csv"
        self.timing = path / "timing.csv"
        self.energy = path / "energy.csv"
        self.channels = path / "sparsity_channels.csv"
        self.checkpoints = path / "checkpoints"
        self.best = self.checkpoints / "best.ckpt"
        self.last = self.checkpoints / "last.ckpt"
        self.confusion, self.predictions = self.tested("confusion"), self.tested("predictions")
        self.log = path / "run.log"
        self.summary = path / SUMMARY
        self.page = path / DASHBOARD
        self.look = path / "look"
        self.lock = path / ".lock"

    def tested(self, name: Literal["confusion", "predictions"]) -> Path:
        """The table of that name which is made of the test."""
        return self.path / f"{name}.csv"

    @classmethod
    def create(cls, parent: Path, name: str | None, stem: str, fill: Callable[[RunFolder], None]) -> RunFolder:
        """A new run folder, which appears with its first files or not at all. An empty folder does not take a name.

        Args:
            parent: `<outputs>/<study>`.
            name: the run's name, or None for `<stem>-<time>`, numbered where that is taken.
            stem: beginning of an automatic name.
            fill: writes the first files into the folder while it is made aside.

        Raises:
            FileExistsError: something called `name` exists.
            OSError: the folder cannot be written.
        """
        taken = FileExistsError(EEXIST, os.strerror(EEXIST), str(parent / (name or "")))
        if name and _is_there(parent / name):
            raise taken
        make_folder(parent)
        with TemporaryDirectory(prefix=ASIDE, dir=parent, ignore_cleanup_errors=True) as aside:
            for candidate in [name] if name else _names(f"{stem}-{datetime.now():%Y%m%d-%H%M%S}"):
                made, place = cls(Path(aside) / candidate), parent / candidate
                made.path.mkdir()
                fill(made)
                try:
                    made.path.rename(place)
                except OSError as error:
                    if error.errno not in (EEXIST, ENOTEMPTY, ENOTDIR):
                        raise
                    if name:
                        raise taken from error
                else:
                    sync_folder(parent)
                    return cls(place)
        raise AssertionError("unreachable: automatic names do not run out")

    @classmethod
    def latest(cls, outputs: Path) -> RunFolder:
        """The run below `outputs` that was begun, or resumed, last.

        Raises:
            FileNotFoundError: there is none.
        """
        now = time.time_ns() + _AHEAD_NS
        # runs that are only queued have a config, but no environment yet
        begun = {path: written(path) for path in outputs.glob("*/*/env.json")}
        if not begun:
            raise FileNotFoundError(f"no run in {outputs}")
        # a date in the future is of a clock that has been corrected since
        return cls(max(begun, key=lambda path: (begun[path] < now, begun[path])).parent)

    def read_summary(self) -> Summary:
        """summary.json, with a status in any case; nothing else where it is missing or damaged."""
        try:
            content = json.loads(read_text(self.summary))
        except (OSError, ValueError, RecursionError):
            content = None
        known: dict[str, object] = content if isinstance(content, dict) else {}
        return cast("Summary", known | {"status": Status(str(known.get("status")))})

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
        lock = FileLock(self.lock, blocking=wait)
        try:
            with suppress(Timeout):
                lock.acquire()
        except OSError as error:  # a file system without locks does not say where
            error.filename = error.filename or lock.lock_file
            raise
        try:
            yield lock.is_locked
        finally:
            lock.release()


def _is_there(path: Path) -> bool:
    """Whether there is something, other than an empty folder."""
    return any(path.iterdir()) if path.is_dir() else os.path.lexists(path)


def _names(stem: str) -> Iterator[str]:
    yield stem
    number = 2
    while True:
        yield f"{stem}-{number}"
        number += 1
