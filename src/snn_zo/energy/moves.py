"""Operations and bytes of what moves spikes without weights: pooling, merging, dropout. docs/energy.md derives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from snn_zo.energy.activity import Activity, Forms
from snn_zo.energy.connection import Connection
from snn_zo.energy.counts import BIT, FP32, INDEX, Schedule
from snn_zo.energy.work import Work
from snn_zo.ops.record import InputGradient
from snn_zo.ops.spikes import EVERYWHERE, Spikes


class Move(NamedTuple):
    """What an operation does to an entry of an index list.

    Attributes:
        images: that are looked up for it in a table: 1, or more where cells of a pooling overlap.
        compared: whether it is compared with something before an active element is known to have an image.
        weighed: whether the gradient at the image is multiplied by a number.
        masked: whether a random word decides for each neuron of a sample.
    """

    images: int = 1
    compared: bool = False
    weighed: bool = False
    masked: bool = False


def move_activity(inputs: Sequence[Spikes], output: Spikes, to_input: bool, additions: int) -> Activity:
    """Activity of an operation without neurons.

    Args:
        inputs: its inputs, [B, T, N_in] each.
        output: [B, T, N] what it made of them.
        to_input: whether one of the inputs wants a gradient.
        additions: elements that the dense operation adds or compares at one time step of one sample.
    """
    b, t, n = output.shape
    everywhere = output.active is EVERYWHERE
    to: InputGradient | None = ("dense" if everywhere else "moved") if to_input else None
    places = sum(each.shape[2] for each in inputs)
    connection = Connection(additions, weights=0, biases=0, fan_in=0, places=places)
    # tensors until `Activity.on_host` where they are on a GPU
    events_in = sum(_count(each.event_count) for each in inputs)
    active_in = sum(_listed(each) for each in inputs)
    return Activity(
        places, n, t, Forms("moved", "adjoint", to, everywhere), 1, b, events_in,
        _count(output.event_count), _listed(output), live_rows=b * t, live_events_in=events_in,
        live_active_in=active_in, connected=connection,
    )  # fmt: skip


def moved(a: Activity, move: Move, plan: Schedule = FP32) -> dict[str, Work]:
    """Work by phase from the lengths of the lists.

    Each event is read, added to the count of its image or compared with it, and each event of the result is written.
    So is each active element, with the number of its image; on the way back this number and the gradient there are
    read (a zero is kept for those without image), added where there are several, and written.
    """
    w, looked = plan.word, move.images * a.live_active_in
    moved = {"input events": a.events_in * INDEX, "events": a.events * INDEX}
    forward = Work(additions=move.images * a.events_in, moved=moved)
    if move.masked:
        forward += Work(additions=a.samples * a.neurons, randoms=a.samples * a.neurons)
    if a.forms.input is None:
        return {"forward": forward}
    if a.forms.everywhere:
        return {"forward": forward, "grad_input": _dense_gradient(a, move, plan)}
    added = looked - a.live_active_in + (looked if move.compared else 0)
    moved = {"active inputs": a.live_active_in * (INDEX + w) + 2 * looked * INDEX}
    moved |= {"active set": a.active * INDEX + looked * w}
    return {"forward": forward, "grad_input": Work(added, looked if move.weighed else 0, moved=moved)}


def dense_moved(a: Activity, move: Move, plan: Schedule = FP32) -> dict[str, Work]:
    """Work by phase of the same operation on dense tensors."""
    elements, inputs = a.rows * a.neurons, a.rows * a.inputs
    moved = {"input bits": inputs * BIT, "spike bits": elements * BIT}
    forward = Work(additions=a.rows * a.connection.products, moved=moved)
    if move.masked:
        forward += Work(additions=a.samples * a.neurons, randoms=a.samples * a.neurons)
    return {"forward": forward, "grad_input": _dense_gradient(a, move, plan) if a.forms.input else Work()}


def _dense_gradient(a: Activity, move: Move, plan: Schedule) -> Work:
    """Each element of the result passes its gradient on to those that it was made of, or to one that it was chosen."""
    products = a.rows * a.connection.products
    moved = {"dense adjoints": a.rows * a.neurons * plan.word, "input gradients": a.rows * a.inputs * plan.word}
    return Work(products, products if move.weighed else 0, moved=moved)


def _listed(x: Spikes) -> int:
    b, t, n = x.shape
    return b * t * n if x.active is EVERYWHERE else _count(x.active.ptr[-1])


def _count(value: torch.Tensor) -> int:
    # a copy on a GPU, as a replayed step overwrites its tensors
    return int(value) if value.is_cpu else value.clone()  # type: ignore[return-value]
