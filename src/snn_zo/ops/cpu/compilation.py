"""Noticing that kernels are being compiled, as where a machine sees them for the first time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from numba.core.event import Event, TimingListener, install_listener


class _Watch(TimingListener):
    """Calls a function when the first compilation begins, and adds up the seconds of all of them."""

    def __init__(self, say: Callable[[], None]) -> None:
        super().__init__()
        self._say: Callable[[], None] | None = say

    def on_start(self, event: Event) -> None:
        if self._say:
            self._say()
            self._say = None
        super().on_start(event)


@contextmanager
def watching(say: Callable[[], None]) -> Iterator[Callable[[], float]]:
    """Watch what is compiled, and not what is loaded compiled; the value says for how many seconds, so far.

    Args:
        say: called once, when a compilation begins.
    """
    watch = _Watch(say)
    with install_listener("numba:compile", watch):
        yield lambda: watch.duration if watch.done else 0.0
