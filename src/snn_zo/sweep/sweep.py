"""One sweep, from its first job to its report."""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from snn_zo.atomic import write_json
from snn_zo.report.comparison import compare
from snn_zo.report.runs import read_runs
from snn_zo.report.table import print_comparison
from snn_zo.runs.signals import terminate_like_ctrl_c
from snn_zo.sweep.engines import Engine
from snn_zo.sweep.jobs import Job, place
from snn_zo.sweep.progress import Progress

POLL_S = 0.5


class Sweep:
    """The jobs of a multirun, which come in one round or, from a sweeper that learns, in several.

    Args:
        engine: does the runs.
        total: jobs of all rounds, None where the first round has all.
    """

    def __init__(self, engine: Engine, total: int | None = None) -> None:
        self.engine, self.total = engine, total
        self.jobs: list[Job] = []

    def run(self, jobs: Sequence[Job]) -> None:
        """Do a round of jobs.

        Args:
            jobs: not yet placed.

        Raises:
            ConfigError: they cannot be placed.
            KeyboardInterrupt: the sweep was stopped; so were its runs.
        """
        studies = sorted({job.study for job in jobs})
        for job in jobs:
            job.study = "+".join(studies)
        place(jobs, jobs[0].settings.rerun)
        first, total = len(self.jobs), self.total or len(jobs)
        self.jobs += jobs
        self._record()
        progress = Progress(jobs, first, total)
        if not first:
            self._announce(progress)
        if progress.jobs:
            with terminate_like_ctrl_c(), progress:
                self._follow([job.path for job in progress.jobs], progress)

    def _follow(self, folders: list[Path], progress: Progress) -> None:
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
                progress.update()
        except KeyboardInterrupt:
            self.engine.stop()
            thread.join()
            raise
        if failures:
            raise failures[0]

    def _announce(self, progress: Progress) -> None:
        line = f"sweep {self.folder.name}: {progress.total} jobs -> {self.folder}"
        if progress.earlier:
            failed = sum(job.folder.read_summary().get("status") == "failed" for job in self.jobs if not job.due)
            line += f"; {progress.earlier} have a result already"
            line += f", {failed} of them failed (rerun=failed tries again)" if failed else ""
        print(line, flush=True)

    @property
    def folder(self) -> Path:
        """The study's folder."""
        return self.jobs[0].parent

    def _record(self) -> None:
        """sweep.json: how to do it again."""
        record: dict[str, Any] = {
            "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
            "directory": os.getcwd(),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "jobs": self.total or len(self.jobs),
            "runs": list(dict.fromkeys(job.path.name for job in self.jobs)),
        }
        write_json(self.folder / "sweep.json", record)

    def conclude(self) -> int:
        """Print the table, write the dashboard; 0 if every job is completed, else 1."""
        folders = list(dict.fromkeys(job.path for job in self.jobs))
        print_comparison(compare(read_runs(folders)))
        statuses = Counter(job.folder.read_summary().get("status") for job in self.jobs)
        missing = {status: number for status, number in statuses.items() if status != "completed"}
        if statuses["interrupted"] or statuses["queued"] or statuses["running"]:
            print("the same command goes on where this one stopped", file=sys.stderr)
        return 1 if missing else 0
