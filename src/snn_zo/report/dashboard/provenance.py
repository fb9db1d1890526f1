"""What made the runs: commands, versions, commits and machines, and where these differ."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from snn_zo.config.names import SWEEP_RECORD
from snn_zo.report.runs import Run
from snn_zo.runs.process import WORKER
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


def commands(runs: Sequence[Run]) -> list[tuple[str, int]]:
    """Command lines that the runs were started by, with the number of runs of each; not those of a sweep's jobs."""
    lines: Counter[str] = Counter()
    for run in runs:
        command = run.environment.get("command")
        if isinstance(command, list) and command and not str(command[0]).endswith(JOB):
            lines[_line(command)] += 1
    return lines.most_common(MOST)


def sweeps(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Name of each study that a sweep made, and the command line of that sweep."""
    made = []
    for folder in dict.fromkeys(run.path.resolve().parent for run in runs):
        about = read_file(folder / SWEEP_RECORD)
        command = about.get("command") if isinstance(about, dict) else None
        if isinstance(command, list) and command:
            made.append((folder.name, _line(command) + _started(about)))
    return made


def single_commands(runs: Sequence[Run]) -> list[str]:
    """For each run that left its overrides, the command line that trains it alone."""
    made = []
    for run in runs:
        overrides = read_file(run.folder.overrides)
        if isinstance(overrides, list):
            made.append(f"{_line(['train.py', *overrides])}    # {_one_line(run.name)}")
    return made


def _line(command: list[Any]) -> str:
    """A command as a shell takes it, in one line whatever is in it."""
    words = [str(word) for word in command]
    return _one_line(shlex.join(["python", *words] if words[0].endswith(".py") else words), 50 * LONGEST)


def _one_line(text: str, longest: int = LONGEST) -> str:
    return clean(text, longest).replace("\n", " ")


def _started(about: dict[str, Any]) -> str:
    started = about.get("started")
    return f"    # {_one_line(started)}" if isinstance(started, str) else ""


def _count(recorded: Iterable[Iterable[tuple[str, str]]]) -> list[Fact]:
    found: dict[str, Counter[str]] = {}
    for facts_of_run in recorded:
        for name, value in facts_of_run:
            found.setdefault(clean(name, LONGEST), Counter())[clean(value, LONGEST)] += 1
    return [Fact(name, values.most_common(MOST)) for name, values in list(found.items())[:MOST]]


def _packages(environment: dict[str, Any]) -> list[tuple[str, str]]:
    packages = environment.get("packages")
    return [(str(name), str(found)) for name, found in packages.items()][:MOST] if isinstance(packages, dict) else []


def _machine(environment: dict[str, Any]) -> Iterator[tuple[str, str]]:
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
