"""Run folders as they are found: complete, being written, killed, damaged, or from a stranger.

Nothing in a folder can stop a report: what cannot be read is said in `Run.problems`.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from snn_zo.config.trainer import COUNT_OR_SHARE
from snn_zo.headline import Headline
from snn_zo.report.answers import Answers, read_answers
from snn_zo.report.score import headline_of, value_of
from snn_zo.runs.folder import ASIDE, SUMMARY, RunFolder
from snn_zo.runs.identity import flatten
from snn_zo.runs.naming import setting
from snn_zo.runs.status import Status, precedence
from snn_zo.untrusted import (
    Confusion,
    Table,
    at,
    clean,
    fraction,
    line,
    number,
    positive,
    read_confusion,
    read_file,
    read_mapping,
    read_table,
    text,
)

UNKNOWN = "unknown"
"""Name of a data set and of a method that nothing tells."""
Setting: TypeAlias = "int | float | str | tuple[Setting, ...] | None"
"""A value of a config, as it can be compared."""

OF_A_RUN = ("seed", "method")
"""Settings that a `Run` has a field for."""
TRACEBACK = 100_000
"""Characters of one that are read."""


@dataclass(frozen=True, eq=False)
class Run:
    """One run folder.

    Attributes:
        path: the folder.
        study: name of the folder that it lies in.
        name: its own.
        status: where it stands.
        reason: why it failed or was interrupted, in a line.
        traceback: of a failed run.
        data: the data set.
        method: the strategy's name.
        seed: of the run.
        settings: config.yaml by dotted names, without what changes nothing about a result and without seed and
            method; lists are tuples; `data.content` stands for the recordings. Empty where it cannot be read.
        given: dotted names of the settings, and of groups, that overrides.yaml sets; empty where it cannot be read.
        summary: summary.json; empty where it cannot be read.
        metrics: columns of metrics.csv, [epochs]; nan where blank or no finite number. Empty where there is none.
        timing: the same of timing.csv.
        confusion: of the test set.
        answers: to the test set; None of other tasks than a classification, or where there are none.
        environment: env.json; empty where it cannot be read.
        problems: what could not be read, and other folders that hold the same run.
    """

    path: Path
    study: str
    name: str
    status: Status
    reason: str | None
    traceback: str | None
    data: str
    method: str
    seed: int | None
    settings: dict[str, Setting]
    given: frozenset[str]
    summary: Mapping[str, Any]
    metrics: Table
    timing: Table
    confusion: Confusion | None
    answers: Answers | None
    environment: Mapping[str, object]
    problems: tuple[str, ...] = ()

    @property
    def folder(self) -> RunFolder:
        """Its files."""
        return RunFolder(self.path)

    @cached_property
    def headline(self) -> Headline | None:
        """The metric that it is judged by; None where nothing says it, and then it has no score."""
        return headline_of(self.summary)

    @property
    def score(self) -> float | None:
        """Value of the headline metric on the test set."""
        return value_of(self.headline, at(self.summary, "headline", "value"))

    @property
    def val_score(self) -> float | None:
        """Its value on validation: of the tested weights, else the best so far."""
        if self.headline is None:
            return None
        name = self.headline.logged("val")
        final = value_of(self.headline, at(self.summary, "metrics", name))
        column = self.metrics.get(name, np.empty(0))
        if final is not None or not np.isfinite(column).any():
            return final
        return float((np.nanmin if self.headline.direction == "min" else np.nanmax)(column))

    @property
    def tested_on(self) -> int | None:
        """Number of recordings of the test set; None where nothing tells."""
        if self.answers:
            return len(self.answers.correct)
        return sum(map(sum, self.confusion.counts)) if self.confusion else None

    @property
    def active(self) -> float | None:
        """Share of elements with g != 0 in the last epoch."""
        return self._last_epoch("active")

    @property
    def spike_rate(self) -> float | None:
        """Share of elements that spiked in the last epoch."""
        return self._last_epoch("spike_rate")

    def _last_epoch(self, measure: str) -> float | None:
        final = fraction(self.summary, "sparsity", measure)
        column = self.metrics.get(f"sparsity/{measure}", np.empty(0))
        return fraction(column[-1]) if final is None and len(column) else final

    @property
    def energy_ratio(self) -> float | None:
        """Modelled energy of the training over that of dense products."""
        return positive(self.summary, "energy", "modelled", "ratio")

    @property
    def joules(self) -> float | None:
        """Modelled energy of the training."""
        return positive(self.summary, "energy", "modelled", "total")

    @property
    def cost_table(self) -> str | None:
        """Name of the prices that `joules` were modelled with."""
        return text(at(self.summary, "energy", "modelled", "table"))

    @property
    def epoch_s(self) -> float | None:
        """Seconds of training an epoch, without validation: the median."""
        return positive(self.summary, "timing", "epoch_s")

    @property
    def forward_s(self) -> float | None:
        """Seconds of the forward passes of an epoch: the median."""
        return positive(self.summary, "timing", "forward_s")

    @property
    def backward_s(self) -> float | None:
        """Seconds of the backward passes of an epoch: the median."""
        return positive(self.summary, "timing", "backward_s")

    @property
    def epochs(self) -> int | None:
        """Epochs that are over."""
        final = positive(self.summary, "epochs")
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

    Of a run that is in several folders `precedence` chooses one; its `problems` name the others.

    Raises:
        FileNotFoundError: a folder holds none.
    """
    runs: dict[Path, Run] = {}
    for folder in folders:
        found = {run.path.resolve(): run for run in _run_folders(folder)}
        read = {place: runs.get(place) or _read(run) for place, run in found.items()}
        known = {place: run for place, run in read.items() if run}
        if not known:
            raise FileNotFoundError(f"{folder} holds no run (no {SUMMARY} below it)")
        runs |= known
    return _each_once(list(runs.values()))


def _run_folders(folder: Path) -> Iterator[RunFolder]:
    for place, folders, files in os.walk(folder):
        run = RunFolder(Path(place))
        if SUMMARY in files or run.config.name in files:
            yield run
        # no run lies in another one
        folders[:] = [] if SUMMARY in files else sorted(filter(partial(_may_hold_runs, run), folders))


def _may_hold_runs(parent: RunFolder, name: str) -> bool:
    """Whether a folder is not one of wandb's, of checkpoints, or of a run that is still being made."""
    beside_runs = name in ("wandb", parent.checkpoints.name) and not (parent.path / name / SUMMARY).exists()
    return not beside_runs and not name.startswith(ASIDE)


def _read(folder: RunFolder) -> Run | None:
    """The run in a folder; None if the folder holds the config of something else."""
    problems: list[str] = []
    place = folder.path.resolve()
    summary = read_mapping(folder.summary, problems)
    config = read_mapping(folder.config, problems)
    if not os.path.lexists(folder.summary) and config and not isinstance(config.get("strategy"), dict):
        return None
    status = Status(str(summary.get("status")))
    if status is Status.COMPLETED and headline_of(summary) is None:
        problems.append(f"{SUMMARY} does not say what the run is judged by: it has no score")
    seed = summary.get("seed", config.get("seed"))
    answers = read_answers(folder.predictions, problems)
    if answers and not _agree(answers, summary):
        problems.append(f"{folder.predictions.name} has other predictions than the test that {SUMMARY} tells of")
        answers = None
    return Run(
        folder.path,
        study=clean(place.parent.name),
        name=clean(place.name),
        status=status,
        reason=line(summary.get("reason")),
        traceback=text(summary.get("traceback"), TRACEBACK),
        data=line(summary.get("data")) or line(config.get("dataset")) or UNKNOWN,
        method=line(summary.get("method")) or line(config.get("method")) or UNKNOWN,
        seed=seed if isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < 2**32 else None,
        settings=_settings(config) | _content(summary) if config else {},
        given=_given(folder),
        summary=summary,
        metrics=read_table(folder.metrics, problems),
        timing=read_table(folder.timing, problems),
        confusion=read_confusion(folder.confusion, problems),
        answers=answers,
        environment=read_mapping(folder.environment, problems, wanted=status is not Status.QUEUED),
        problems=tuple(problems),
    )


def _agree(answers: Answers, summary: Mapping[str, object]) -> bool:
    """Whether the share of correct answers is the accuracy of the test."""
    accuracy = number(summary, "metrics", "test/acc")
    return accuracy is not None and abs(float(answers.correct.mean()) - accuracy) < 1e-4


def _each_once(runs: list[Run]) -> list[Run]:
    groups: dict[object, list[Run]] = {}
    for run in runs:
        same = (run.data, run.method, run.seed, frozenset(run.settings.items()))
        groups.setdefault(same if run.settings and run.seed is not None else run.path, []).append(run)
    return [_best(group) for group in groups.values()]


def _best(same: list[Run]) -> Run:
    best, *others = sorted(same, key=lambda run: precedence(run.status, run.folder.summary), reverse=True)
    notes = [f"the same run is in {clean(str(run.path))} ({run.status}), which is not counted" for run in others]
    return replace(best, problems=(*best.problems, *notes)) if notes else best


_SHARES = {f"trainer.{name}" for name in COUNT_OR_SHARE}


def _settings(config: Mapping[str, object]) -> dict[str, Setting]:
    settings = {clean(name): _frozen(value) for name, value in flatten(config).items() if name not in OF_A_RUN}
    # where a share is all, 1.0, it is not to be equal to one batch, 1
    shares = {name: str(value) for name, value in settings.items() if name in _SHARES and isinstance(value, float)}
    return settings | shares


def _given(folder: RunFolder) -> frozenset[str]:
    overrides = read_file(folder.overrides)
    given = overrides if isinstance(overrides, list) else []
    return frozenset(setting(each)[0] for each in given if isinstance(each, str))


def _content(summary: Mapping[str, object]) -> dict[str, Setting]:
    """Which recordings a run learnt from and was tested on, as a setting: runs on other data are other runs."""
    numbers = [positive(summary, "data_content", part, "recordings") for part in ("train", "val", "test")]
    fingerprint = line(at(summary, "data_content", "fingerprint"))
    recordings = "+".join("?" if number is None else f"{number:.0f}" for number in numbers)
    return {"data.content": f"{recordings}/{fingerprint[:8]}"} if fingerprint else {}


def _frozen(value: object) -> Setting:
    """The same, hashable."""
    if isinstance(value, dict):
        return tuple((clean(str(name)), _frozen(item)) for name, item in value.items())
    return tuple(map(_frozen, value)) if isinstance(value, list) else _plain(value)


def _plain(value: object) -> int | float | str | None:
    if value is None:
        return value
    if isinstance(value, bool):
        return str(value).lower()  # not to be equal to 1 or 0
    if isinstance(value, int):
        return value if abs(value) < 2**63 else "a huge number"
    if isinstance(value, float):
        return value if not math.isnan(value) else "nan"  # equal to itself
    return clean(str(value))
