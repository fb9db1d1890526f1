"""How a command ends when something is wrong: one line on standard error, and exit code 1."""

from __future__ import annotations

import sys
from typing import NoReturn

from snn_zo.screen import lost
from snn_zo.untrusted import said


def fail(message: str) -> NoReturn:
    """End the process with an error in one line.

    Args:
        message: what is wrong and what to do; it may name what strangers have named.
    """
    sys.stdout.flush()  # what was said before comes before
    print(f"error: {said(message)}", file=sys.stderr)
    sys.exit(1)


def require_printed() -> None:
    """End with exit code 1 where what was printed, which is a command's result, has not arrived."""
    if error := lost():
        if not isinstance(error, BrokenPipeError):  # a reader that has had enough knows
            print(f"error: standard output: {error.strerror}", file=sys.stderr)
        sys.exit(1)


def reason(error: Exception) -> str:
    """What the operating system refused, and for which file; of another error its message."""
    if not isinstance(error, OSError):
        return " ".join(f"{type(error).__name__}: {error}".split())
    return f"{error.strerror or error}: {error.filename}" if error.filename else str(error.strerror or error)
