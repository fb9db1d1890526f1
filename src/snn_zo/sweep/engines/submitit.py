"""Jobs of a SLURM cluster."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from snn_zo.config import ConfigError
from snn_zo.sweep.engines.engine import needs, work


class Submitit:
    """Jobs of a SLURM cluster, or processes that stand in for them (`cluster: local`), by submitit.

    A run that SLURM preempts, or whose time is over, is submitted again and goes on from its last checkpoint; submitit
    does so three times where it is the time.

    Args:
        cluster: `slurm` or `local`.
        n_jobs: runs at a time.
        parameters: for `submitit.AutoExecutor.update_parameters`: timeout_min, cpus_per_task, mem_gb, gpus_per_node,
            slurm_partition and so on.

    Raises:
        ConfigError: submitit is not installed.
        ValueError: n_jobs is not positive.
    """

    def __init__(self, cluster: str, n_jobs: int, **parameters: Any) -> None:
        if n_jobs < 1:
            raise ValueError(f"n_jobs must be positive, got {n_jobs}")
        self.cluster, self.n_jobs = cluster, n_jobs
        self.parameters = {name: value for name, value in parameters.items() if value is not None}
        self._submitit = needs("submitit")
        self._jobs: list[Any] = []
        self._stopped = False

    def run(self, folders: Sequence[Path]) -> None:
        """See `Engine`."""
        executor = self._executor(folders[0].parent / ".submitit" / "%j")
        runs = [(str(folder.absolute()), os.getcwd(), self.parameters.get("cpus_per_task")) for folder in folders]
        if self.cluster == "slurm":
            self._follow(executor.map_array(_Requeued(), *zip(*runs, strict=True)))
        else:
            # submitit's local executor would start all at once
            from joblib import Parallel, delayed

            Parallel(self.n_jobs, backend="threading", batch_size=1)(delayed(self._run)(executor, run) for run in runs)

    def _executor(self, folder: Path) -> Any:
        parameters = dict(self.parameters)
        if self.cluster == "slurm":
            parameters["slurm_array_parallelism"] = self.n_jobs
        try:
            executor = self._submitit.AutoExecutor(folder=folder, cluster=self.cluster)
            executor.update_parameters(**parameters)
        except (NameError, RuntimeError, TypeError, ValueError) as error:  # no such parameter, no such cluster
            raise ConfigError(f"hydra.launcher: {error}") from error
        return executor

    def _run(self, executor: Any, run: tuple[Any, ...]) -> None:
        if not self._stopped:
            self._follow([executor.submit(_Requeued(), *run)])

    def _follow(self, jobs: Sequence[Any]) -> None:
        self._jobs += jobs
        if self._stopped:  # while they were submitted
            self.stop()
        for job in jobs:
            job.exception()

    def stop(self) -> None:
        """See `Engine`."""
        self._stopped = True
        for job in self._jobs:
            job.cancel(check=False)


class _Requeued:
    """`work`, which submitit calls again in a new job when SLURM has ended the first."""

    def __call__(self, *arguments: Any) -> int:
        return work(*arguments)

    def checkpoint(self, *arguments: Any) -> Any:
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, *arguments)
