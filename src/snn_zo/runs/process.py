"""A run in a process of its own, `python -m snn_zo.worker FOLDER`.

Whatever ends that process ends one run; and where a run takes several processes, Lightning starts the others with the
same command. Standard input is a pipe that nothing is written into: when the parent dies, it closes.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from omegaconf import DictConfig, ListConfig

from snn_zo.atomic import write_json
from snn_zo.runs.folder import RunFolder
from snn_zo.runs.signals import terminate_like_ctrl_c
from snn_zo.runs.status import Status

WORKER = "snn_zo.worker"
"""The module that does a run, which is not imported here: it stands above."""

PATIENCE_S = 60.0
"""How long a run that was told to stop may take to write its summary."""

LINGER_S = 600.0
"""How long a process may go on when its summary says that the run is over, as to upload it."""


def rank() -> int:
    """Number of this process among those of its run."""
    return int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or 0)


def run_apart(folder: RunFolder) -> float:
    """Train a queued run folder in processes of its own, which print for themselves; its objective.

    Raises:
        SystemExit: it failed, and has said why.
    """
    with terminate_like_ctrl_c():
        code = RunProcesses().run(folder.path, quiet=False)
    if code:
        sys.exit(1)
    return float(folder.read_summary()["objective"])


def processes(config: DictConfig) -> int:
    """How many processes a run with this config takes; 0 if that is for the machine to say."""
    devices = config.trainer.get("devices", 1)
    if devices in ("auto", -1, "-1"):
        return 0
    return len(devices) if isinstance(devices, ListConfig) else int(devices)


class RunProcesses:
    """Runs in processes of their own, which end with this one. May be used from several threads."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, path: Path, environment: Mapping[str, str] | None = None, quiet: bool = True) -> int:
        """Train a queued run folder, and wait for the end; its exit code.

        Args:
            path: the run folder.
            environment: additional environment variables.
            quiet: whether what the run says goes to its run.log alone.
        """
        folder = RunFolder(path.absolute())
        if not path.is_dir():  # deleted while it was queued
            return 1
        command = [sys.executable, "-X", "faulthandler", "-m", WORKER, str(folder.path)]
        variables = {name: value for name, value in os.environ.items() if name not in _OF_THE_LAUNCHER}
        variables |= dict(environment or {})
        try:
            # a sweep resumes folders that it finds, in which nothing has been checked yet: no link is followed
            handle = os.open(folder.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        except OSError as error:
            _say_interrupted(folder, f"{folder.log.name} cannot be written: {error.strerror}")
            return 1
        with open(handle, "ab") as log:
            output = log if quiet else None
            with self._lock:
                if self._stopped:
                    return 1
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    env=variables,
                )
                self._running.add(process)
        try:
            code = self._wait(process, folder)
        except BaseException:
            self._end(process)
            raise
        finally:
            self._running.discard(process)
            _say_interrupted(folder, _ending(process.poll()))
        return code

    def _wait(self, process: subprocess.Popen[bytes], folder: RunFolder) -> int:
        """The exit code of a process, which is ended where it hangs after its run."""
        began = time.time()
        while True:
            with suppress(subprocess.TimeoutExpired):
                return process.wait(min(LINGER_S, 10.0))
            if _over_since(folder, began) < time.time() - LINGER_S:
                self._end(process)

    def stop(self) -> None:
        """Have all runs end as Ctrl-C ends one, and start no other."""
        with self._lock:
            self._stopped = True
        processes = list(self._running)
        for process in processes:
            _tell(process)
        for process in processes:
            self._end(process)

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        _tell(process)
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


_OF_THE_LAUNCHER = (
    *("SLURM_NTASKS", "SLURM_NTASKS_PER_NODE", "SLURM_PROCID", "JSM_NAMESPACE_RANK"),
    *("LOCAL_RANK", "RANK", "GROUP_RANK", "NODE_RANK", "WORLD_SIZE"),
)
"""A run's other processes are Lightning's to start, which takes these for what it has started itself."""


def _tell(process: subprocess.Popen[bytes]) -> None:
    """Have a run end, see `end_with_parent`."""
    assert process.stdin is not None
    process.stdin.close()


def _over_since(folder: RunFolder, began: float) -> float:
    """Since when, after it began, the summary says that the run has ended; infinity where it does not."""
    if not folder.read_summary()["status"].is_over:
        return math.inf
    return max(folder.summary.stat().st_mtime, began)


def _say_interrupted(folder: RunFolder, reason: str) -> None:
    """Write into the summary why a run is not over, which its own process cannot; a failure to write is no error."""
    with suppress(OSError), folder.only_here(wait=False) as alone:
        summary = folder.read_summary()
        if not alone or summary["status"] not in (Status.RUNNING, Status.QUEUED):
            return
        write_json(folder.summary, summary | {"status": Status.INTERRUPTED, "reason": reason})


def _ending(code: int | None) -> str:
    if code is None or code >= 0:
        return f"its process ended with exit code {code}"
    killed = f"its process was killed by {signal.Signals(-code).name}"
    return f"{killed}, as the kernel does when memory runs out" if code == -signal.SIGKILL else killed
