"""Where a run stands."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path


class Status(StrEnum):
    """What summary.json says of a run; `unknown` where it says nothing, or something else."""

    QUEUED = "queued"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    COMPLETED = "completed"
    UNKNOWN = "unknown"

    @property
    def is_over(self) -> bool:
        """Whether no process trains the run, or will unless somebody resumes it."""
        return self in (Status.INTERRUPTED, Status.FAILED, Status.COMPLETED)

    @property
    def has_result(self) -> bool:
        """Whether there is nothing to resume: the run came to its end, or to an error."""
        return self in (Status.FAILED, Status.COMPLETED)

    @classmethod
    def _missing_(cls, value: object) -> Status:
        return cls.UNKNOWN


def precedence(status: Status, summary: Path) -> tuple[bool, bool, int]:
    """Of several runs of one experiment, the greatest counts: the latest completed one, else the latest that did not
    fail, else the latest.

    Args:
        status: of the run.
        summary: its summary.json, whose age is the run's.
    """
    return status is Status.COMPLETED, status is not Status.FAILED, written(summary)


def written(path: Path) -> int:
    """When a file was last written, in ns; 0 where it is not there, or not any more."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
