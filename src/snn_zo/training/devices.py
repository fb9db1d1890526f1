"""The processes of a run on several devices, one each: putting together what each has counted, and ending together."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import lightning
from torch import Tensor, distributed

T = TypeVar("T")


def of_all_devices(value: T) -> list[T]:
    """What each process passes, in each of them; all have to call this. Without others, the value alone."""
    if not _has_others():
        return [value]
    everyone = [value] * distributed.get_world_size()
    distributed.all_gather_object(everyone, value)
    return everyone


def mean_of_devices(value: Tensor) -> Tensor:
    """Mean over the processes of a scalar, for each step: Lightning's waits for everyone first, for milliseconds."""
    if not _has_others():
        return value
    total = value.detach().clone()
    distributed.all_reduce(total)
    return total / distributed.get_world_size()


def _has_others() -> bool:
    return distributed.is_available() and distributed.is_initialized()


class OwnTermination(lightning.Callback):
    """Leaves SIGTERM to the handler that is in place when this is made.

    Lightning's has the processes of a run exchange tensors while they are told to end, in which they get stuck.
    """

    def __init__(self) -> None:
        self._handler = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Lightning has put its own in place, and takes it away at the end."""
        signal.signal(signal.SIGTERM, self._handler)

    on_test_start = on_train_start


class LostProcessError(RuntimeError):
    """Another process of the run has ended; the message is one line."""


@contextmanager
def ending_together(trainer: lightning.Trainer) -> Iterator[None]:
    """If the block fails in the process that started the others, end them: they may wait for this one for ever.

    Raises:
        LostProcessError: it failed because one of the others had ended.
    """
    try:
        yield
    except BaseException as error:
        others: list[subprocess.Popen[bytes]] = getattr(trainer.strategy.launcher, "procs", [])
        # a process that is gone is noticed as a broken connection
        codes = [_exit_code(process) for process in others] if type(error) is RuntimeError else []
        for process in others:
            process.kill()
        # Lightning watches them, and would kill this process, which has yet to write down how the run ended
        others.clear()
        for number, code in enumerate(codes, 2):
            if code is not None:
                raise LostProcessError(f"process {number} of the run ended with exit code {code}") from error
        raise


def _exit_code(process: subprocess.Popen[bytes]) -> int | None:
    """Of a process that has just ended; None if it goes on."""
    try:
        return process.wait(1.0)
    except subprocess.TimeoutExpired:
        return None
