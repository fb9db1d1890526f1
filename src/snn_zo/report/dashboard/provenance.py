"""What made the runs: commands, versions, commits and machines, and where these differ."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snn_zo.report.runs import Run
from snn_zo.runs.process import WORKER
from snn_zo.runs.sweep_record import RecordedSweep, read_sweeps
from snn_zo.untrusted import clean, read_file

JOB = f"{WORKER.rpartition('.')[2]}.py"
"""The script of a sweep's jobs, which are not to be started by hand."""
LONGEST = 200
MOST = 40
"""Packages, and different values of a fact, that are listed."""


@dataclass
class Fact:
    """What the runs recorded about one thing, with the number of runs of each answer, the most frequent first."""

    name: str
    values: list[tuple[str, int]]

    @property
    def differs(self) -> bool:
        """Whether the runs do not agree."""
        return len(self.values) > 1


def facts(runs: Sequence[Run]) -> list[Fact]:
    """Commit, machine and versions; what differs comes first, and packages that agree are one line."""
    environments = [run.environment for run in runs]
    made = _count(_machine(environment) for environment in environments)
    packages = _count(_packages(environment) for environment in environments)
    agreed = [f"{fact.name} {fact.values[0][0]}" for fact in packages if not fact.differs]
    made += [fact for fact in packages if fact.differs]
    made += [Fact("packages", [(", ".join(agreed), len(runs))])] if agreed else []
    return sorted(made, key=lambda fact: not fact.differs)


@dataclass(frozen=True)
class Commands:
    """How all of the runs are made again.

    Attributes:
        sweeps: name of the study and command line of each sweep that made some of them, with when it was started.
        single: command lines of the runs that no sweep made, with the number of runs of each.
    """

    sweeps: list[tuple[str, str]]
    single: list[tuple[str, int]]


def commands(runs: Sequence[Run]) -> Commands:
    """What made the runs: the sweeps that their studies recorded, and for the others what each of them recorded."""
    studies: dict[Path, list[Run]] = {}
    for run in runs:
        studies.setdefault(run.path.resolve().parent, []).append(run)
    found, of_sweeps = list[tuple[str, str]](), set[Run]()
    for study, members in studies.items():
        made, lines = _of_sweeps(study, members)
        of_sweeps |= made
        found += [(_one_line(study.name), line) for line in lines]
    alone = [line for run in runs if run not in of_sweeps and (line := _started_by(run))]
    return Commands(found, Counter(alone).most_common())


def _of_sweeps(study: Path, runs: Sequence[Run]) -> tuple[set[Run], list[str]]:
    """Of these runs of a study, those that its sweeps made; and the command lines of these sweeps."""
    try:
        recorded = read_sweeps(study)
    except ValueError as error:
        return set(), [f"# {_one_line(f'{study.name}: {error}')}"]
    names = {run.path.resolve().name: run for run in runs}
    sweeps = {sweep: [names[name] for name in sweep.runs if name in names] for sweep in recorded}
    made = {run for members in sweeps.values() for run in members}
    places = {sweep.directory for sweep, members in sweeps.items() if members}
    return made, [_of_sweep(sweep, len(places) > 1) for sweep, members in sweeps.items() if members]


def _of_sweep(sweep: RecordedSweep, with_directory: bool) -> str:
    said = [f"{sweep.jobs} job{'s' if sweep.jobs != 1 else ''}"]
    said += [f"started {', '.join(sweep.starts[:MOST])}"] if sweep.starts else []
    said += [f"in {sweep.directory}"] if with_directory else []
    return f"{_line(sweep.command)}    # {_one_line('; '.join(said))}"


def _started_by(run: Run) -> str | None:
    """The command line that started a run, or would; None where nothing tells."""
    found = run.environment.get("command")
    command = list(map(str, found)) if isinstance(found, list) else []
    if command and not command[0].endswith(JOB) and not any(word.startswith("resume=") for word in command):
        return _line(command)
    return _alone(run)


def single_commands(runs: Sequence[Run]) -> list[str]:
    """For each run that left its overrides, the command line that trains it alone."""
    return [f"{line}    # {_one_line(run.name)}" for run in runs if (line := _alone(run))]


def _alone(run: Run) -> str | None:
    overrides = read_file(run.folder.overrides)
    return _line(["train.py", *overrides]) if isinstance(overrides, list) else None


def _line(command: Sequence[object]) -> str:
    """A command as a shell takes it, in one line whatever is in it."""
    words = [str(word) for word in command]
    return _one_line(shlex.join(["python", *words] if words[0].endswith(".py") else words), 50 * LONGEST)


def _one_line(text: str, longest: int = LONGEST) -> str:
    return clean(text, longest).replace("\n", " ")


def _count(recorded: Iterable[Iterable[tuple[str, str]]]) -> list[Fact]:
    found: dict[str, Counter[str]] = {}
    for facts_of_run in recorded:
        for name, value in facts_of_run:
            found.setdefault(clean(name, LONGEST), Counter())[clean(value, LONGEST)] += 1
    return [Fact(name, values.most_common(MOST)) for name, values in list(found.items())[:MOST]]


def _packages(environment: Mapping[str, object]) -> list[tuple[str, str]]:
    packages = environment.get("packages")
    return [(str(name), str(found)) for name, found in packages.items()][:MOST] if isinstance(packages, dict) else []


def _machine(environment: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    git, hardware = environment.get("git"), environment.get("hardware")
    if isinstance(git, dict):
        yield "git commit", _commit(git)
    for name in ("backend", "python"):
        if name in environment:
            yield name, str(environment[name])
    if isinstance(hardware, dict):
        for name in ("host", "system", "cpu", "cores", "threads", "gpus"):
            if name in hardware:
                value = hardware[name]
                yield name, (", ".join(map(str, value)) or "none") if isinstance(value, list) else str(value)


def _commit(git: dict[str, Any]) -> str:
    """The commit, and a mark of the uncommitted changes that tells different ones apart."""
    changes = [change for change in (git.get("diff"), git.get("untracked")) if change]
    if not changes:
        return str(git.get("sha"))
    mark = hashlib.sha256(json.dumps(changes).encode()).hexdigest()[:8]
    return f"{git.get('sha')} with uncommitted changes ({mark})"
