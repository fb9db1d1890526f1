"""Tasks of a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from snn_zo.config import ConfigError
from snn_zo.sweep.engines.engine import needs, work


class Ray:
    """Tasks of a Ray cluster.

    Args:
        address: of the cluster; None for one on this machine, `auto` for the one that runs here.
        num_cpus: of each run, which uses as many threads.
        num_gpus: of each run.
    """

    def __init__(self, address: str | None = None, num_cpus: float = 1, num_gpus: float = 0) -> None:
        self.address, self.num_cpus, self.num_gpus = address, num_cpus, num_gpus
        self._ray = needs("ray")
        self._tasks: list[object] = []
        self._stopped = False

    def run(self, folders: Sequence[Path]) -> None:
        """See `Engine`."""
        ray = self._ray
        quiet = {"include_dashboard": False} if self.address is None else {}
        try:
            ray.init(address=self.address, log_to_driver=False, logging_level="ERROR", **quiet)
        except (ConnectionError, ValueError) as error:
            raise ConfigError(f"hydra.launcher.address={self.address}: {error}") from error
        try:
            task = ray.remote(num_cpus=self.num_cpus, num_gpus=self.num_gpus, max_retries=0)(work)
            place, threads = os.getcwd(), max(1, int(self.num_cpus))
            self._tasks = [task.remote(str(folder.absolute()), place, threads) for folder in folders]
            if self._stopped:  # meanwhile
                self.stop()
            ray.wait(self._tasks, num_returns=len(self._tasks))
        finally:
            ray.shutdown()

    def stop(self) -> None:
        """See `Engine`."""
        self._stopped = True
        for task in self._tasks:
            self._ray.cancel(task, force=True)
