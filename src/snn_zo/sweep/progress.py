"""How a sweep goes, as its run folders say: live in a terminal, a line an event elsewhere."""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from snn_zo.headline import Headline
from snn_zo.report.score import headline_of, measured
from snn_zo.runs.status import Status, written
from snn_zo.sweep.jobs import Job
from snn_zo.untrusted import clean, line, number, read_lines


@dataclass
class _Seen:
    """A job, and what is known of it."""

    job: Job
    number: int
    status: Status = Status.QUEUED
    began: float | None = None
    seconds: float | None = None
    epoch: int = 0
    marks: list[tuple[int, float]] = field(default_factory=list)
    objective: float | None = None
    monitor: str = "objective"
    mode: str = "max"
    headline: Headline | None = None
    reason: str | None = None
    modified: int = 0

    @property
    def label(self) -> str:
        return self.job.label or f"{self.job.settings.method} seed={self.job.settings.seed}"

    @property
    def scored(self) -> str:
        """Its objective, by name."""
        return f"{self.monitor} -" if self.objective is None else measured(self.headline, self.monitor, self.objective)

    @property
    def epochs(self) -> int | None:
        """How many are to be trained, if that is said."""
        epochs = self.job.config.trainer.get("max_epochs")
        return epochs if isinstance(epochs, int) and epochs > 0 else None

    @property
    def spent(self) -> float:
        """Seconds since it began."""
        return 0.0 if self.began is None else time.monotonic() - self.began

    @property
    def whole(self) -> float | None:
        """Seconds that it took, or takes if the epochs to come are like those seen; None if nothing tells."""
        if self.status is Status.COMPLETED:
            return self.seconds
        if self.status is not Status.RUNNING or self.began is None or self.epochs is None or len(self.marks) < 2:
            return None
        (first, since), (last, until) = self.marks[0], self.marks[-1]
        return until - self.began + (self.epochs - last) * (until - since) / (last - first)

    def look(self) -> bool:
        """Whether the job's status is another than before."""
        if self.status is Status.RUNNING and (epoch := _rows(self.job)) > self.epoch:
            self.epoch = epoch
            self.marks.append((epoch, time.monotonic()))
        modified = written(self.job.folder.summary)
        if modified == self.modified:
            return False
        self.modified, summary = modified, self.job.folder.read_summary()
        before, self.status = self.status, summary["status"]
        if self.status is Status.UNKNOWN:  # between its being made and its first word
            self.status = Status.QUEUED
        if self.status == before:
            return False
        if self.began is None or self.status is Status.RUNNING:
            self.began, self.epoch, self.marks = time.monotonic(), _rows(self.job), []
        if self.status.is_over:
            self.seconds = self.spent
            self.objective, self.reason = number(summary, "objective"), line(summary.get("reason"))
            self.monitor, self.mode = line(summary.get("monitor")) or self.monitor, str(summary.get("mode"))
            self.headline = headline_of(summary)
        return True


class Progress:
    """Follows jobs through their run folders: a context manager, whose `update` is called at short intervals.

    Args:
        total: jobs of the whole sweep, None where those added first are all.
    """

    def __init__(self, total: int | None = None) -> None:
        self._total, self._seen = total, list[_Seen]()
        self._live = Live(console=Console(), transient=True, auto_refresh=False) if sys.stdout.isatty() else None

    def add(self, jobs: Sequence[Job]) -> None:
        """Follow these too. Those that are not due have been done before, and nothing is said of them."""
        for job in jobs:
            self._seen.append(seen := _Seen(job, len(self._seen) + 1))
            if not job.due:
                seen.look()

    @property
    def total(self) -> int:
        """Number of jobs of the whole sweep, as far as that is known."""
        return max(self._total or 0, len(self._seen))

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
        for seen in self._seen:
            if seen.look() and seen.job.due:
                self._say(seen)
        if self._live:
            self._live.update(self._picture(), refresh=True)

    def _say(self, seen: _Seen) -> None:
        head = f"[{seen.number:{len(str(self.total))}}/{self.total}] {seen.status:11} {seen.label}"
        if seen.status is Status.COMPLETED:
            text = f"{head}   {seen.scored}   {duration(seen.seconds)}{self._left_in_words()}"
        elif seen.status.is_over:
            text = f"{head}   {seen.reason}; details in {seen.job.folder.log}"
        else:
            text = f"{head} -> {seen.job.path}"
        text = clean(text).replace("\n", " ")  # folders that a sweep goes on with may be a stranger's
        if not self._live:
            print(text, flush=True)
        elif seen.status.is_over:
            colour = {Status.FAILED: "red", Status.INTERRUPTED: "yellow"}.get(seen.status, "")
            self._live.console.print(Text(text, style=colour), soft_wrap=True)

    def _picture(self) -> Group:
        table = Table.grid(padding=(0, 2))
        for shrinks in (True, False, False, False):
            table.add_column(no_wrap=not shrinks)
        for seen in self._seen:
            if seen.status is Status.RUNNING:
                bar = ProgressBar(total=seen.epochs, completed=seen.epoch, width=20)
                epoch = f"epoch {seen.epoch}/{seen.epochs or '?'}"
                table.add_row(Text(seen.label, no_wrap=True, overflow="ellipsis"), bar, epoch, duration(seen.spent))
        return Group(table, *(Text(line, style="bold") for line in self._lines()))

    def _lines(self) -> list[str]:
        counts = Counter(seen.status for seen in self._seen)
        parts = [f"{counts[Status.COMPLETED]}/{self.total} done"]
        others = (Status.RUNNING, Status.FAILED, Status.INTERRUPTED)
        parts += [f"{counts[status]} {status}" for status in others if counts[status]]
        line = "   ".join(parts) + self._left_in_words()
        lines = [line]
        scored = [seen for seen in self._seen if seen.objective is not None]
        for monitor, mode in dict.fromkeys((seen.monitor, seen.mode) for seen in scored):
            same = [seen for seen in scored if (seen.monitor, seen.mode) == (monitor, mode)]
            best = (min if mode == "min" else max)(same, key=lambda seen: seen.objective or 0.0)
            lines.append(f"best {best.scored}, {best.label}")
        return lines

    def _left_in_words(self) -> str:
        left = self._left()
        return "" if left is None else f"   about {duration(left)} left"

    def _left(self) -> float | None:
        """Seconds until all jobs have ended, if they go on as so far; None if nothing tells, or all have."""
        took: defaultdict[str, list[float]] = defaultdict(list)
        for seen in self._seen:
            if seen.whole and seen.job.due:
                took[seen.job.settings.method].append(seen.whole)
        if not took:
            return None
        known = {method: statistics.fmean(seconds) for method, seconds in took.items()}
        usual = statistics.fmean(known.values())
        work = usual * (self.total - len(self._seen))
        for seen in self._seen:
            if not seen.status.is_over and seen.job.due:
                work += max((seen.whole or known.get(seen.job.settings.method, usual)) - seen.spent, 0.0)
        running = sum(seen.status is Status.RUNNING for seen in self._seen)
        return work / max(running, 1) if work > 0.5 else None


def duration(seconds: float | None) -> str:
    """In words of at most two units."""
    if seconds is None:
        return "-"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _rows(job: Job) -> int:
    """Epochs that the run has recorded."""
    try:
        return max(len(read_lines(job.folder.metrics)) - 1, 0)
    except (OSError, ValueError):
        return 0
