"""run.log: everything that was said during a run; the screen sees only what is the user's business."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from snn_zo.untrusted import said

_LIGHTNING = ("lightning", "lightning.pytorch", "lightning.fabric")


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return said(super().format(record))


@contextmanager
def logging_to(path: Path | None) -> Iterator[None]:
    """Append log records and Python warnings to a file, or drop them; warnings of this package are shown."""
    file = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace") if path else logging.NullHandler()
    file.handleError = _say_nothing  # type: ignore[method-assign]
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    screen = logging.StreamHandler(sys.stderr)
    screen.setFormatter(_OneLine("warning: %(message)s"))
    screen.setLevel(logging.WARNING)
    root, ours = logging.getLogger(), logging.getLogger("snn_zo")
    for name in _LIGHTNING:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    level = root.level
    root.setLevel(logging.INFO)
    root.addHandler(file)
    ours.addHandler(screen)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        ours.removeHandler(screen)
        root.removeHandler(file)
        root.setLevel(level)
        with suppress(OSError):  # a full disk has been complained of elsewhere
            file.close()


def _say_nothing(record: logging.LogRecord) -> None:
    """Of a record that a full disk has no room for: it is said once, by what the run needs the disk for."""
