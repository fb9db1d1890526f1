"""Engines on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from snn_zo.runs.process import RunProcesses
from snn_zo.sweep.engines.engine import threads


class Sequential:
    """One run after the other, each with all of the machine."""

    def __init__(self) -> None:
        self._processes = RunProcesses()

    def run(self, folders: Sequence[Path]) -> None:
        """See `Engine`."""
        for folder in folders:
            self._processes.run(folder)

    def stop(self) -> None:
        """See `Engine`."""
        self._processes.stop()


class Joblib:
    """Some runs at a time on this machine, by joblib.

    joblib's workers are threads that wait for a process, so that the kernel may kill a run and nothing but that run.

    Args:
        n_jobs: runs at a time, as joblib counts: -1 for one a core.
        threads: of each run; None for an equal share of the cores.
        gpus: numbers of the GPUs to hand out, one a run; one that is there twice is shared by two.

    Raises:
        ValueError: n_jobs is 0, or there are fewer gpus.
    """

    def __init__(self, n_jobs: int = 2, threads: int | None = None, gpus: Sequence[int] = ()) -> None:
        from joblib import cpu_count, effective_n_jobs

        self.n_jobs = effective_n_jobs(n_jobs)
        self.threads = threads or max(1, cpu_count() // self.n_jobs)
        self.gpus = list(gpus)
        if 0 < len(self.gpus) < self.n_jobs:
            raise ValueError(
                f"n_jobs={self.n_jobs} runs at a time need as many gpus, got {self.gpus}: repeat some to share"
            )
        self._processes = RunProcesses()

    def run(self, folders: Sequence[Path]) -> None:
        """See `Engine`."""
        from joblib import Parallel, delayed

        Parallel(self.n_jobs, backend="threading", batch_size=1)(delayed(self._run)(folder) for folder in folders)

    def _run(self, folder: Path) -> None:
        gpu = self.gpus.pop(0) if self.gpus else None
        environment = threads(self.threads) | ({} if gpu is None else {"CUDA_VISIBLE_DEVICES": str(gpu)})
        try:
            self._processes.run(folder, environment)
        finally:
            if gpu is not None:
                self.gpus.append(gpu)

    def stop(self) -> None:
        """See `Engine`."""
        self._processes.stop()
