"""The jobs of a sweep, each with its run folder."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock
from omegaconf import DictConfig, OmegaConf

from snn_zo.config import Composed, ConfigError
from snn_zo.config.schema import TrainSettings
from snn_zo.data.content import content_of, difference
from snn_zo.places import expanded
from snn_zo.runs.folder import RunFolder
from snn_zo.runs.identity import identity
from snn_zo.runs.index import by_identity
from snn_zo.runs.naming import words
from snn_zo.runs.new import new_run, requeue
from snn_zo.runs.status import Status
from snn_zo.runs.summary import Summary


@dataclass
class Job:
    """One job of a sweep.

    Attributes:
        overrides: of the command line and the sweeper.
        swept: of these, the ones by which it differs from the other jobs.
        composed: its config.
        study: name of the study where the settings give none.
        folder: of its run, once it has been placed.
        due: whether it has to be run; else an earlier run, or an equal job, has its result.
        content: of its data, once that has been looked at; None where it cannot be read, which the run will say.
        of_other_data: of the earlier runs with the same settings, what makes their data another.
    """

    overrides: list[str]
    swept: list[str]
    composed: Composed
    study: str
    folder: RunFolder = field(init=False)
    due: bool = True
    content: dict[str, object] | None = None
    of_other_data: list[str] = field(default_factory=list)

    @property
    def label(self) -> str:
        """How it differs from the others of its sweep: `local_zo delta=0.1 seed=2`; empty if it does not."""
        return " ".join(words(self.swept))

    @property
    def settings(self) -> TrainSettings:
        """The checked root of its config."""
        return self.composed.settings

    @property
    def config(self) -> DictConfig:
        """The same, as Hydra composed it."""
        return self.composed.config

    @property
    def path(self) -> Path:
        """Its run folder."""
        return self.folder.path

    @property
    def parent(self) -> Path:
        """The study's folder."""
        return expanded(self.settings.outputs) / (self.settings.study or self.study)

    def result(self) -> float | list[float] | None:
        """What the sweeper gets: the numbers in summary.json that `objectives` names; None if the run failed.

        Raises:
            ConfigError: summary.json has no such number.
        """
        summary = self.folder.read_summary()
        if summary["status"] is not Status.COMPLETED:
            return None
        values = [_entry(summary, name) for name in self.settings.objectives]
        if not all(map(math.isfinite, values)):
            return None
        return values[0] if len(values) == 1 else values


def place(jobs: Sequence[Job], rerun: str | None) -> None:
    """Give each job its run folder: that of an earlier run of the same experiment, or a new one.

    A completed run is not done again, nor is one that failed; one that was stopped or killed is resumed.

    Args:
        jobs: of a sweep.
        rerun: `failed` or `all` for new runs of those that failed, or of all.

    Raises:
        ConfigError: a name is given to several jobs.
        OSError: a folder cannot be written.
    """
    _look_at_data(jobs)
    studies: defaultdict[Path, defaultdict[str, list[Job]]] = defaultdict(lambda: defaultdict(list))
    for job in jobs:
        studies[job.parent][identity(job.config, job.content)].append(job)
    if sum(map(len, studies.values())) > 1 and any(job.settings.name is not None for job in jobs):
        raise ConfigError("name= names one run, and a sweep has several: study= names the sweep")
    for parent, experiments in studies.items():
        parent.mkdir(parents=True, exist_ok=True)
        with FileLock(parent / ".lock"):  # against the same sweep, started twice
            known = by_identity(parent)
            for digest, (job, *equal) in experiments.items():
                _place(job, known.get(digest), rerun)
                if digest not in known:
                    job.of_other_data = _of_other_data(job, known)
                for other in equal:
                    other.folder, other.due = job.folder, False


def _look_at_data(jobs: Sequence[Job]) -> None:
    """Find the content of each job's data, which is packed here, once, and not by each run."""
    looked: dict[str, dict[str, object] | None] = {}
    for job in jobs:
        settings = json.dumps(OmegaConf.to_container(job.config.data, resolve=True), sort_keys=True)
        if settings not in looked:
            try:
                looked[settings] = content_of(job.settings.data.splits())
            except Exception:  # its run fails with that, and the others do not
                looked[settings] = None
        job.content = looked[settings]


def _of_other_data(job: Job, known: Mapping[str, RunFolder]) -> list[str]:
    """What makes the data of earlier runs with a job's settings another."""
    if job.content is None:
        return []
    earlier = [folder for digest, folder in known.items() if digest.partition("-")[0] == identity(job.config)]
    changes = (difference(folder.read_summary().get("data_content"), job.content) for folder in earlier)
    return [change or "nothing says which" for change in changes]


def _place(job: Job, earlier: RunFolder | None, rerun: str | None) -> None:
    status = earlier.read_summary()["status"] if earlier else Status.UNKNOWN
    if earlier is None or rerun == "all" or (rerun == "failed" and status is Status.FAILED):
        job.folder = new_run(job.composed, job.study, job.overrides, job.content, job.swept)
        return
    job.folder, job.due = earlier, not status.has_result
    if job.due:
        requeue(earlier, job.config)


def _entry(summary: Summary, name: str) -> float:
    value: object = summary
    for key in name.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, int | float):
        raise ConfigError(f"objectives: {name} is no number in a run's summary.json")
    return float(value)
