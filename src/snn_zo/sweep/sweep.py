"""One sweep, from its first job to its report."""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from snn_zo.config.names import DASHBOARD
from snn_zo.exits import reason
from snn_zo.report.comparison import compare
from snn_zo.report.runs import read_runs
from snn_zo.report.study import write_study
from snn_zo.report.table import print_comparison
from snn_zo.runs.folder import RunFolder
from snn_zo.runs.signals import terminate_like_ctrl_c
from snn_zo.runs.status import Status
from snn_zo.runs.sweep_record import RecordedSweep, record_sweep
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
        self._started = datetime.now(UTC).isoformat(timespec="seconds")

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
        """The study's folder; where the jobs are of several studies, the first one's."""
        return self.jobs[0].parent

    def _studies(self) -> dict[Path, list[Path]]:
        """The run folders in each study's folder."""
        runs: dict[Path, dict[Path, None]] = {}
        for job in self.jobs:
            runs.setdefault(job.parent, {})[job.path] = None
        return {study: list(folders) for study, folders in runs.items()}

    def _record(self) -> None:
        """sweep.json: how to do it again."""
        command = (Path(sys.argv[0]).name, *sys.argv[1:])
        for study, folders in self._studies().items():
            names = tuple(folder.name for folder in folders)
            sweep = RecordedSweep(command, os.getcwd(), (self._started,), self.progress.total, names)
            if said := record_sweep(study, sweep):
                print(f"note: {clean(said)}", file=sys.stderr)

    def conclude(self) -> int:
        """Print the table, write the page of each study; 0 if every job is completed, else 1.

        The table has the jobs of this command, the page all runs of the study.
        """
        folders = [path for paths in self._studies().values() for path in paths if RunFolder(path).summary.exists()]
        if folders:
            print_comparison(compare(read_runs(folders)))
        for study, own in self._studies().items():
            _write_page(study, len(own))
        statuses = {job.folder.read_summary()["status"] for job in self.jobs}
        if not all(status.has_result for status in statuses):
            print("the same command goes on where this one stopped")
        return 0 if statuses <= {Status.COMPLETED} else 1


def _write_page(study: Path, own: int) -> None:
    """Write a study's page, and say how many runs it compares besides the sweep's own."""
    try:
        others = len(write_study(study).runs) - own
    except Exception as error:  # a full disk, or a damaged run, may not hide what the sweep was for
        print(f"error: no dashboard: {reason(error)}", file=sys.stderr)
        return
    more = f", with {others} other run{'s' if others > 1 else ''} of the study" if others > 0 else ""
    print(f"dashboard  {study / DASHBOARD}{more}")
