"""One sweep, from its first job to its report."""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from snn_zo.atomic import write_json
from snn_zo.config.names import DASHBOARD, SWEEP_RECORD
from snn_zo.report.comparison import compare
from snn_zo.report.dashboard import write_dashboard
from snn_zo.report.runs import read_runs
from snn_zo.report.table import print_comparison
from snn_zo.runs.signals import terminate_like_ctrl_c
from snn_zo.runs.status import Status
from snn_zo.sweep.engines import Engine
from snn_zo.sweep.jobs import Job, place
from snn_zo.sweep.progress import Progress
from snn_zo.untrusted import clean

POLL_S = 0.5


class Sweep:
    """The jobs of a multirun, which come in one round or, from a sweeper that learns, in several.

    Args:
        engine: does the runs.
        total: jobs of all rounds, None where the first round has all.
    """

    def __init__(self, engine: Engine, total: int | None = None) -> None:
        self.engine, self.jobs, self.progress = engine, list[Job](), Progress(total)

    def run(self, jobs: Sequence[Job]) -> None:
        """Do a round of jobs.

        Args:
            jobs: not yet placed.

        Raises:
            ConfigError: they cannot be placed.
            KeyboardInterrupt: the sweep was stopped; so were its runs.
        """
        place(jobs, jobs[0].settings.rerun)
        first = not self.jobs
        self.jobs += jobs
        self.progress.add(jobs)
        self._record()
        if first:
            self._announce()
        due = [job.path for job in jobs if job.due]
        if due:
            with terminate_like_ctrl_c(), self.progress:
                self._follow(due)

    def _follow(self, folders: list[Path]) -> None:
        """Have the engine work in a thread: signals reach the main one, which watches."""
        failures: list[BaseException] = []

        def work() -> None:
            try:
                self.engine.run(folders)
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=work, name="engine")
        thread.start()
        try:
            while thread.is_alive():
                thread.join(POLL_S)
                self.progress.update()
        except BaseException:
            self.engine.stop()
            thread.join()
            raise
        if failures:
            raise failures[0]

    def _announce(self) -> None:
        number = self.progress.total
        line = f"sweep {self.folder.name}: {number} job{'s' if number > 1 else ''} -> {self.folder}"
        earlier = Counter(job.folder.read_summary()["status"] for job in self.jobs if not job.due)
        if earlier[Status.COMPLETED]:
            line += f"; {earlier[Status.COMPLETED]} completed before"
        if earlier[Status.FAILED]:
            line += f"; {earlier[Status.FAILED]} failed before (rerun=failed tries again)"
        print(line, flush=True)
        for change, runs in Counter(change for job in self.jobs for change in job.of_other_data).items():
            are = "earlier run is" if runs == 1 else "earlier runs are"
            print(clean(f"{runs} {are} of other data: now {change}"), flush=True)

    @property
    def folder(self) -> Path:
        """The study's folder."""
        return self.jobs[0].parent

    @property
    def dashboard(self) -> Path:
        """The page that compares its runs."""
        return self.folder / DASHBOARD

    def _record(self) -> None:
        """sweep.json: how to do it again."""
        record: dict[str, object] = {
            "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
            "directory": os.getcwd(),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "jobs": self.progress.total,
            "runs": list(dict.fromkeys(job.path.name for job in self.jobs)),
        }
        write_json(self.folder / SWEEP_RECORD, record)

    def conclude(self) -> int:
        """Print the table, write the dashboard; 0 if every job is completed, else 1."""
        folders = dict.fromkeys(job.path for job in self.jobs if job.folder.summary.exists())
        if folders:
            comparison = compare(read_runs(list(folders)))
            print_comparison(comparison)
            try:
                write_dashboard(comparison, self.dashboard)
            except OSError as error:  # a full disk may not hide what the sweep was for
                print(f"error: no dashboard: {error.strerror}: {error.filename}", file=sys.stderr)
            else:
                print(f"dashboard  {self.dashboard}")
        statuses = {job.folder.read_summary()["status"] for job in self.jobs}
        if not all(status.has_result for status in statuses):
            print("the same command goes on where this one stopped")
        return 0 if statuses <= {Status.COMPLETED} else 1
