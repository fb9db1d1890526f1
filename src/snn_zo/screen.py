"""Standard output and error that may be closed, full, or without a reader: a run does not end with its audience."""

from __future__ import annotations

import codecs
import io
import os
import select
import sys
from typing import Any

_PLAIN = str.maketrans("─━═│┃║", "---|||")
_NAMES = ("stdin", "stdout", "stderr")


class _Lasting(io.FileIO):
    """A stream that drops what it cannot write, and remembers why."""

    failure: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            while (written := super().write(data)) is None:  # a pipe that does not wait, and is full
                select.select([], [self], [])
        except OSError as error:
            self.failure = self.failure or error
            return len(data)
        return written


def keep_open() -> None:
    """Have whatever is printed arrive or be dropped, in characters that the other end can show."""
    codecs.register_error("plain", _plain)
    for number, name in enumerate(_NAMES):
        try:
            os.fstat(number)
        except OSError:  # the next file to be opened would take its place
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if number > 0:
            before = getattr(sys, name)
            stream = io.TextIOWrapper(
                io.BufferedWriter(_Lasting(number, "w", closefd=False)),
                encoding=getattr(before, "encoding", None) or "utf-8",
                errors="plain",
                line_buffering=name == "stderr" or getattr(before, "line_buffering", False),
                write_through=getattr(before, "write_through", False),
            )
            setattr(sys, name, stream)


def lost() -> OSError | None:
    """Why something that was printed has not arrived; None where all has, or `keep_open` was not called."""
    sys.stdout.flush()
    return getattr(getattr(getattr(sys.stdout, "buffer", None), "raw", None), "failure", None)


def _plain(error: UnicodeError) -> tuple[str, int]:
    """What stands for characters that an encoding lacks: rules and frames of tables stay what they are."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end].translate(_PLAIN)
    return "".join(c if c.isascii() else "+" if "─" <= c <= "╿" else "?" for c in text), error.end
