"""How a sweep goes, as its run folders say: live in a terminal, a line an event elsewhere."""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from snn_zo.report.result import percent
from snn_zo.sweep.jobs import Job

ENDED = ("completed", "failed", "interrupted")


@dataclass
class _Seen:
    """What is known of a job."""

    label: str
    status: str = "queued"
    began: float | None = None
    seconds: float | None = None
    first_epoch: int = 0
    epoch: int = 0
    objective: float | None = None
    reason: str | None = None
    modified: int = 0


class Progress:
    """Follows jobs through their run folders; a context in which `update` is to be called now and then.

    Args:
        jobs: of this round of the sweep; those that are not due have been done before.
        first: number of jobs in earlier rounds.
        total: jobs of the whole sweep.
    """

    def __init__(self, jobs: Sequence[Job], first: int, total: int) -> None:
        self.jobs = [job for job in jobs if job.due]
        self.first, self.total, self.earlier = first, total, len(jobs) - len(self.jobs)
        self._numbers = [first + i + 1 for i, job in enumerate(jobs) if job.due]
        self._seen = [_Seen(job.label or f"{job.settings.method} seed={job.settings.seed}") for job in self.jobs]
        self._live = Live(console=Console(), transient=True, auto_refresh=False) if sys.stdout.isatty() else None

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.update()
        if self._live:
            self._live.stop()

    def update(self) -> None:
        """Look at the folders, and show what has changed."""
        for number, job, seen in zip(self._numbers, self.jobs, self._seen, strict=True):
            if self._look(job, seen):
                self._say(number, job, seen)
        if self._live:
            self._live.update(self._picture(), refresh=True)

    def _look(self, job: Job, seen: _Seen) -> bool:
        """Whether the job's status is another than before."""
        if seen.status == "running":
            seen.epoch = _rows(job)
        modified = _modified(job)
        if seen.status in ENDED or modified == seen.modified:
            return False
        seen.modified, summary, now = modified, job.folder.read_summary(), time.monotonic()
        before, seen.status = seen.status, summary.get("status", "queued")
        if seen.status == before:
            return False
        if before == "queued":
            seen.began, seen.first_epoch = now, _rows(job)
        if seen.status in ENDED:
            seen.seconds = now - (seen.began or now)
            seen.objective, seen.reason = summary.get("objective"), summary.get("reason")
        return True

    def _say(self, number: int, job: Job, seen: _Seen) -> None:
        head = f"[{number}/{self.total}] {seen.status:11} {seen.label}"
        if seen.status == "running":
            line = f"{head} -> {job.path}"
        elif seen.status == "completed":
            line = f"{head}   val/acc {percent(seen.objective)}   {duration(seen.seconds)}{self._left_in_words()}"
        else:
            line = f"{head}   {seen.reason}; details in {job.path / 'run.log'}"
        if self._live:
            if seen.status != "running":
                self._live.console.print(Text(line), soft_wrap=True)
        else:
            print(line, flush=True)

    def _picture(self) -> Group:
        table = Table.grid(padding=(0, 2))
        for job, seen in zip(self.jobs, self._seen, strict=True):
            if seen.status == "running" and seen.began is not None:
                epochs = _epochs(job)
                bar = ProgressBar(total=epochs, completed=seen.epoch, width=24)
                spent = duration(time.monotonic() - seen.began)
                table.add_row(Text(seen.label), bar, f"epoch {seen.epoch}/{epochs or '?'}", spent)
        return Group(table, Text(self._line(), style="bold"))

    def _line(self) -> str:
        counts = Counter(seen.status for seen in self._seen)
        done = counts["completed"] + self.earlier + self.first
        parts = [f"{done}/{self.total} done", f"{counts['running']} running"]
        parts += [f"{counts[status]} {status}" for status in ("failed", "interrupted") if counts[status]]
        scored = [seen for seen in self._seen if seen.objective is not None]
        if scored:
            best = max(scored, key=lambda seen: seen.objective or 0.0)
            parts.append(f"best val/acc {percent(best.objective)}, {best.label}")
        return "   ".join(parts) + self._left_in_words()

    def _left_in_words(self) -> str:
        left = self._left()
        return "" if left is None else f"   about {duration(left)} left"

    def _left(self) -> float | None:
        """Seconds until all jobs of this round have ended, if they go on as so far; None if nothing tells."""
        took: dict[str, list[float]] = {}
        for job, seen in zip(self.jobs, self._seen, strict=True):
            if seen.status == "completed" and seen.seconds:
                took.setdefault(job.settings.method, []).append(seen.seconds)
        known = {method: statistics.fmean(values) for method, values in took.items()}
        usual = statistics.fmean(known.values()) if known else None
        work, running = 0.0, 0
        for job, seen in zip(self.jobs, self._seen, strict=True):
            if seen.status in ENDED:
                continue
            whole = known.get(job.settings.method, usual)
            spent, epochs = time.monotonic() - seen.began if seen.began else 0.0, _epochs(job)
            if epochs and seen.epoch > seen.first_epoch:
                whole = spent * (epochs - seen.first_epoch) / (seen.epoch - seen.first_epoch)
            if whole is None:
                return None
            work += max(whole - spent, 0.0)
            running += seen.status == "running"
        return work / max(running, 1) if work else None


def duration(seconds: float | None) -> str:
    """In words of at most two units."""
    if seconds is None:
        return "-"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _epochs(job: Job) -> int | None:
    epochs = job.config.trainer.get("max_epochs")
    return epochs if isinstance(epochs, int) and epochs > 0 else None


def _modified(job: Job) -> int:
    try:
        return job.folder.summary.stat().st_mtime_ns
    except OSError:
        return 0


def _rows(job: Job) -> int:
    """Epochs that the run has recorded."""
    try:
        return max(job.folder.metrics.read_bytes().count(b"\n") - 1, 0)
    except OSError:
        return 0
