"""sweep.json: the sweeps that made the runs of a study, so that all of it can be made again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from filelock import FileLock

from snn_zo.atomic import write_json
from snn_zo.config.names import SWEEP_RECORD
from snn_zo.untrusted import read_mapping

ASIDE = "sweep-unreadable-{}.json"
"""What a record is called that cannot be added to."""


@dataclass(frozen=True)
class RecordedSweep:
    """A command that made runs of a study.

    Attributes:
        command: its words.
        directory: where it was started.
        starts: when, in ISO 8601; it may have been stopped and started again.
        jobs: number of them in all studies.
        runs: names of the run folders in this one.
    """

    command: tuple[str, ...]
    directory: str
    starts: tuple[str, ...]
    jobs: int
    runs: tuple[str, ...]

    @classmethod
    def of(cls, content: object) -> RecordedSweep:
        """An entry of the file.

        Raises:
            ValueError: it is none.
        """
        if not isinstance(content, dict) or content.keys() != cls.__dataclass_fields__.keys():
            raise ValueError(f"a sweep has {', '.join(cls.__dataclass_fields__)}")
        directory, jobs = content["directory"], content["jobs"]
        if not isinstance(directory, str) or type(jobs) is not int or not content["command"]:
            raise ValueError("a sweep has a command, a directory and a number of jobs")
        command, starts, runs = (_texts(content[name]) for name in ("command", "starts", "runs"))
        return cls(command, directory, starts, jobs, runs)

    def again(self, earlier: RecordedSweep) -> RecordedSweep:
        """The same command, after an earlier start of it."""
        starts, runs = (*earlier.starts, *self.starts), (*earlier.runs, *self.runs)
        return replace(self, starts=tuple(dict.fromkeys(starts)), runs=tuple(dict.fromkeys(runs)))


def read_sweeps(study: Path) -> list[RecordedSweep]:
    """The sweeps that a study's sweep.json has, the earliest first; none where there is no such file.

    Raises:
        ValueError: it cannot be read, or holds something else; the message says what.
    """
    problems: list[str] = []
    content = read_mapping(study / SWEEP_RECORD, problems, wanted=False)
    if problems:
        raise ValueError(problems[0])
    sweeps = content.get("sweeps", [] if not content else None)
    if not isinstance(sweeps, list):
        raise ValueError(f"{SWEEP_RECORD} holds no list of sweeps")
    try:
        return [RecordedSweep.of(sweep) for sweep in sweeps]
    except ValueError as error:
        raise ValueError(f"{SWEEP_RECORD} cannot be read: {error}") from error


def record_sweep(study: Path, sweep: RecordedSweep) -> str | None:
    """Add a sweep to a study's sweep.json; a command that is there already gets another start, and its new runs.

    Several sweeps may do so at once, also on machines that share the folder.

    Args:
        study: the study's folder.
        sweep: what to add.

    Returns:
        A line on a sweep.json that could not be read and has been kept under another name; None without one.

    Raises:
        OSError: the folder cannot be written.
    """
    with FileLock(study / ".lock"):
        said = None
        try:
            known = read_sweeps(study)
        except ValueError as error:
            known, said = [], f"{error}; it is kept as {_put_aside(study / SWEEP_RECORD)}"
        entries = {(each.command, each.directory): each for each in known}
        key = (sweep.command, sweep.directory)
        entries[key] = sweep.again(entries[key]) if key in entries else sweep
        write_json(study / SWEEP_RECORD, {"sweeps": [asdict(each) for each in entries.values()]})
    return said


def _put_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(ASIDE.format(number))).exists():
        number += 1
    return path.rename(aside)


def _texts(content: object) -> tuple[str, ...]:
    if not isinstance(content, Sequence) or isinstance(content, str) or not all(isinstance(c, str) for c in content):
        raise ValueError("a sweep's command, starts and runs are lists of texts")
    return tuple(content)
