"""Run folders as they are found: complete, being written, killed, damaged, or from a stranger.

Nothing in a folder is executed or instantiated, and nothing in it can stop a report: what cannot be read is said in
`Run.problems`.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml  # type: ignore[import-untyped]
from numpy.typing import NDArray

from snn_zo.runs.identity import flatten

STATUSES = ("completed", "running", "interrupted", "failed", "queued")
UNKNOWN = "unknown"
OF_A_RUN = ("seed", "method")
"""Settings that a `Run` has a field for."""

MEGABYTE = 2**20
MAX_BYTES = {".yaml": MEGABYTE, ".json": 8 * MEGABYTE, ".csv": 16 * MEGABYTE}
MAX_DEPTH, MAX_NODES, MAX_TEXT, MAX_CLASSES = 50, 20_000, 1_000, 2_000

Table = dict[str, NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Run:
    """One run folder.

    Attributes:
        path: the folder.
        study: name of the folder that it lies in.
        name: its own.
        status: one of STATUSES, or `unknown` where nothing says it.
        reason: why it failed or was interrupted, in a line.
        traceback: of a failed run.
        data: the data set.
        method: the strategy's name.
        seed: of the run.
        settings: config.yaml by dotted names, without what changes nothing about a result and without seed and
            method; lists are tuples. Empty where it cannot be read.
        summary: summary.json; empty where it cannot be read.
        metrics: columns of metrics.csv, [epochs]; nan where blank or no finite number. Empty where there is none.
        timing: the same of timing.csv.
        confusion: of the test set, [C][C], true class by row.
        environment: env.json; empty where it cannot be read.
        problems: what could not be read, and other folders that hold the same run.
    """

    path: Path
    study: str
    name: str
    status: str
    reason: str | None
    traceback: str | None
    data: str
    method: str
    seed: int | None
    settings: dict[str, Any]
    summary: dict[str, Any]
    metrics: Table
    timing: Table
    confusion: list[list[int]] | None
    environment: dict[str, Any]
    problems: tuple[str, ...] = ()

    @property
    def log(self) -> Path:
        """Its run.log."""
        return self.path / "run.log"

    @property
    def accuracy(self) -> float | None:
        """On the test set."""
        return _fraction(self.summary, "metrics", "test/acc")

    @property
    def val_accuracy(self) -> float | None:
        """The best on validation, so far."""
        final = _fraction(self.summary, "metrics", "val/acc")
        column = self.metrics.get("val/acc", np.empty(0))
        return float(np.nanmax(column)) if final is None and np.isfinite(column).any() else final

    @property
    def active(self) -> float | None:
        """Share of elements with g != 0 in the last epoch."""
        return self._last_epoch("active")

    @property
    def spike_rate(self) -> float | None:
        """Share of elements that spiked in the last epoch."""
        return self._last_epoch("spike_rate")

    def _last_epoch(self, measure: str) -> float | None:
        final = _fraction(self.summary, "sparsity", measure)
        column = self.metrics.get(f"sparsity/{measure}", np.empty(0))
        return _fraction(column[-1]) if final is None and len(column) else final

    @property
    def energy_ratio(self) -> float | None:
        """Modelled energy of the training over that of dense products."""
        return _positive(self.summary, "energy", "modelled", "ratio")

    @property
    def joules(self) -> float | None:
        """Modelled energy of the training."""
        return _positive(self.summary, "energy", "modelled", "total")

    @property
    def cost_table(self) -> str | None:
        """Name of the prices that `joules` were modelled with."""
        return _text(_at(self.summary, "energy", "modelled", "table"))

    @property
    def epoch_s(self) -> float | None:
        """Seconds of training an epoch, without validation: the median."""
        return _positive(self.summary, "timing", "epoch_s")

    @property
    def forward_s(self) -> float | None:
        """Seconds of the forward passes of an epoch: the median."""
        return _positive(self.summary, "timing", "forward_s")

    @property
    def backward_s(self) -> float | None:
        """Seconds of the backward passes of an epoch: the median."""
        return _positive(self.summary, "timing", "backward_s")

    @property
    def epochs(self) -> int | None:
        """Epochs that are over."""
        final = _positive(self.summary, "epochs")
        return int(final) if final is not None else len(self.metrics["epoch"]) if "epoch" in self.metrics else None

    @property
    def dead(self) -> bool | None:
        """Whether a layer had no spike or no active neuron in the last epoch; None where nobody looked."""
        dead = self.summary.get("dead")
        return dead if isinstance(dead, bool) else None

    @property
    def hardware(self) -> str | None:
        """Processor, threads, GPUs and backend: what times depend on. None where unknown."""
        found = self.environment.get("hardware")
        if not isinstance(found, dict):
            return None
        parts = [found.get(name) for name in ("cpu", "threads", "gpus")]
        return json.dumps([*parts, self.environment.get("backend")])


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """All runs below these folders, each once.

    Of a run that is in several folders that is the latest completed one, else the latest that is not over, else the
    latest; its `problems` name the others.

    Raises:
        FileNotFoundError: a folder holds none.
    """
    runs: dict[Path, Run] = {}
    for folder in folders:
        found = {path.resolve(): path for path in _run_folders(folder)}
        read = {place: runs.get(place) or _read(path) for place, path in found.items()}
        known = {place: run for place, run in read.items() if run}
        if not known:
            raise FileNotFoundError(f"{folder} holds no run (no summary.json below it)")
        runs |= known
    return _each_once(list(runs.values()))


def _run_folders(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        if "summary.json" in files or "config.yaml" in files:
            yield Path(place)
        # no run lies in another one
        folders[:] = [] if "summary.json" in files else sorted(set(folders) - {"wandb", "checkpoints"})


def _read(path: Path) -> Run | None:
    """The run in a folder; None if the folder holds the config of something else."""
    problems: list[str] = []
    place = path.resolve()
    summary = _mapping(path / "summary.json", _parse_json, problems)
    config = _mapping(path / "config.yaml", _parse_yaml, problems)
    if not os.path.lexists(path / "summary.json") and config and not isinstance(config.get("strategy"), dict):
        return None
    status = summary.get("status")
    seed = summary.get("seed", config.get("seed"))
    return Run(
        path,
        study=clean(place.parent.name),
        name=clean(place.name),
        status=status if status in STATUSES else UNKNOWN,
        reason=_line(summary.get("reason")),
        traceback=_text(summary.get("traceback"), 100 * MAX_TEXT),
        data=_line(summary.get("data")) or _line(config.get("dataset")) or UNKNOWN,
        method=_line(summary.get("method")) or _line(config.get("method")) or UNKNOWN,
        seed=seed if isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < 2**32 else None,
        settings=_settings(config) if config else {},
        summary=summary,
        metrics=_table(path / "metrics.csv", problems),
        timing=_table(path / "timing.csv", problems),
        confusion=_matrix(path / "confusion.csv", problems),
        environment=_mapping(path / "env.json", _parse_json, problems, wanted=status != "queued"),
        problems=tuple(problems),
    )


def _each_once(runs: list[Run]) -> list[Run]:
    groups: dict[object, list[Run]] = {}
    for run in runs:
        same = (run.data, run.method, run.seed, frozenset(run.settings.items()))
        groups.setdefault(same if run.settings and run.seed is not None else run.path, []).append(run)
    return [_best(group) for group in groups.values()]


def _best(same: list[Run]) -> Run:
    rank = {"completed": 2, "failed": 0}
    best, *others = sorted(same, key=lambda run: (rank.get(run.status, 1), _written(run.path)), reverse=True)
    notes = [f"the same run is in {clean(str(run.path))} ({run.status}), which is not counted" for run in others]
    return replace(best, problems=(*best.problems, *notes)) if notes else best


def _written(path: Path) -> float:
    try:
        return (path / "summary.json").stat().st_mtime
    except OSError:
        return 0.0


def _settings(config: dict[str, Any]) -> dict[str, Any]:
    return {clean(name): _frozen(value) for name, value in flatten(config).items() if name not in OF_A_RUN}


def _frozen(value: Any) -> Any:
    """The same, hashable."""
    if isinstance(value, dict):
        return tuple((clean(str(name)), _frozen(item)) for name, item in value.items())
    return tuple(map(_frozen, value)) if isinstance(value, list) else _plain(value)


def _plain(value: Any) -> bool | int | float | str | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else "a huge number"
    if isinstance(value, float):
        return value if not math.isnan(value) else "nan"  # equal to itself
    return clean(str(value))


def clean(text: str, longest: int = MAX_TEXT) -> str:
    """Text that a terminal, a file and a page can show: without escape sequences, lone surrogates, hidden marks."""
    text = text[:longest]
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _content(path: Path) -> str:
    """A file's text.

    Raises:
        OSError: it is missing, or a link, a device or larger than such files are.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(handle, "rb") as file:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            raise OSError("not a file")
        if about.st_size > MAX_BYTES[path.suffix]:
            raise OSError(f"larger than {MAX_BYTES[path.suffix] // MEGABYTE} MB")
        return file.read(MAX_BYTES[path.suffix]).decode(errors="replace")


def _mapping(path: Path, parse: Callable[[str], Any], problems: list[str], wanted: bool = True) -> dict[str, Any]:
    try:
        found = parse(_content(path))
    except FileNotFoundError:
        problems += [f"{path.name} is missing"] if wanted else []
        return {}
    except Exception as error:  # yaml lets through whatever its constructors raise
        return _not_read(path, error, problems)
    if isinstance(found, dict):
        return found
    problems.append(f"{path.name} is no mapping")
    return {}


def _parse_json(text: str) -> Any:
    """JSON in which nan and infinity are null."""
    return json.loads(text, parse_constant=lambda _: None)


def _parse_yaml(text: str) -> Any:
    """Plain YAML of the size of a config; the loader recurses in C without a limit, and takes quadratic time."""
    depth = 0
    for nodes, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH or nodes > MAX_NODES or isinstance(event, yaml.AliasEvent):
            raise ValueError("nested too deeply, too long, or with aliases")
    return yaml.load(text, Loader=yaml.CSafeLoader)


def read_file(path: Path) -> Any:
    """Content of another JSON or YAML file of a run or study, read as carefully; None where missing or damaged."""
    try:
        return (_parse_json if path.suffix == ".json" else _parse_yaml)(_content(path))
    except Exception:  # as above
        return None


def _table(path: Path, problems: list[str]) -> Table:
    """Columns of a TableFile; empty where there is none."""
    try:
        text = _content(path)
        # without its line break the last row is still being written
        lines = list(csv.reader(io.StringIO(text[: text.rfind("\n") + 1])))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, csv.Error) as error:
        return _not_read(path, error, problems)
    header, *rows = lines or [[]]
    whole = [row for row in rows if len(row) == len(header)]
    if len(whole) < len(rows):
        problems.append(f"{path.name}: {len(rows) - len(whole)} of {len(rows)} rows are damaged")
    try:
        values = np.array([[float(cell or "nan") for cell in row] for row in whole])
    except ValueError:
        values = np.array([[_float(cell) for cell in row] for row in whole])
        problems.append(f"{path.name} holds what is no number")
    values = np.where(np.isfinite(values), values, np.nan).reshape(len(whole), len(header))
    return {clean(name): column for name, column in zip(header, values.T, strict=True)}


def _float(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _matrix(path: Path, problems: list[str]) -> list[list[int]] | None:
    try:
        matrix = [[int(cell) for cell in row] for row in csv.reader(io.StringIO(_content(path)))]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, csv.Error) as error:
        _not_read(path, error, problems)
        return None
    largest = max((max(map(abs, row), default=0) for row in matrix), default=0)
    if not 0 < len(matrix) <= MAX_CLASSES or {len(row) for row in matrix} != {len(matrix)} or largest >= 2**53:
        problems.append(f"{path.name} is no confusion matrix")
        return None
    return matrix


def _not_read(path: Path, error: Exception, problems: list[str]) -> dict[str, Any]:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    problems.append(f"{path.name} cannot be read: {' '.join(clean(said).split())[:200]}")
    return {}


def _at(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _positive(value: Any, *names: str) -> float | None:
    """A finite number, 0 or more, somewhere in a tree of mappings; None where there is none."""
    value = _at(value, *names)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e300:
        return None
    return float(value)


def _fraction(value: Any, *names: str) -> float | None:
    found = _positive(value, *names)
    return found if found is not None and found <= 1 else None


def _line(value: Any) -> str | None:
    return " ".join(clean(value).split()) or None if isinstance(value, str) else None


def _text(value: Any, longest: int = MAX_TEXT) -> str | None:
    return clean(value, longest) if isinstance(value, str) and value else None
