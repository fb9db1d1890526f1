"""Being told to stop."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def terminate_like_ctrl_c() -> Iterator[None]:
    """SIGTERM, a cluster's way to stop a job, ends what runs here as Ctrl-C does.

    It is often sent after a Ctrl-C that has reached this process too, and may not disturb its end.
    """
    stopping = False

    def interrupt(number: int, _: object) -> None:
        nonlocal stopping
        if stopping and number == signal.SIGTERM:
            return
        stopping = True
        raise KeyboardInterrupt

    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        numbers.append(signal.SIGINT)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_with_parent() -> None:
    """Have this process terminated when the one that holds the other end of standard input ends, however it does."""

    def wait() -> None:
        while os.read(0, 1):  # a read through sys.stdin would be in the way of the interpreter's end
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="end with parent", daemon=True).start()
