"""What the layers of a network did in one step, gathered while they do it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

from snn_zo.ops.record import Record
from snn_zo.ops.spikes import Spikes

if TYPE_CHECKING:
    from snn_zo.layers.layer import Layer


class Done(NamedTuple):
    """What a layer did, without the autograd graph.

    Attributes:
        layer: that did it.
        x: its input.
        record: of its operation; complete after the backward pass.
        spikes: what it emitted; None for a readout.
    """

    layer: Layer
    x: Spikes
    record: Record
    spikes: Spikes | None


_recording: ContextVar[list[Done] | None] = ContextVar("recording", default=None)


@contextmanager
def recording() -> Iterator[list[Done]]:
    """Gather what the layers that are called inside do, in the order of the calls."""
    done: list[Done] = []
    token = _recording.set(done)
    try:
        yield done
    finally:
        _recording.reset(token)


def note(layer: Layer, x: Spikes, record: Record, spikes: Spikes | None = None) -> None:
    """Say what a layer has just done, if anybody records it."""
    done = _recording.get()
    if done is not None:
        done.append(Done(layer, x.detach(), record, None if spikes is None else spikes.detach()))
