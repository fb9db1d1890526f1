"""What the backward pass of a layer keeps, whatever the backend."""

from __future__ import annotations

from typing import NamedTuple

from snn_zo.neuron import Neuron
from snn_zo.ops.active_set import ActiveSet
from snn_zo.ops.record import Record
from snn_zo.ops.spikes import Rows, Spikes


class Saved(NamedTuple):
    """What the backward needs besides the weight.

    Attributes:
        shape: (B, T, N).
        x: the input.
        events: the layer's spikes.
        active: its active set.
        neuron: its settings.
        record: takes in the forms of the gradients.
    """

    shape: tuple[int, int, int]
    x: Spikes
    events: Rows
    active: ActiveSet
    neuron: Neuron
    record: Record
