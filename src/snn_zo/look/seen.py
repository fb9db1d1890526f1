"""What a layer did with one recording: where and when it spiked, and which of its elements were active."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from snn_zo.look.settings import Order
from snn_zo.ops import Spikes

Kind = Literal["spikes", "active"]
Counts = NDArray[np.int64]


class Marks(NamedTuple):
    """Elements by time step [K] and neuron [K]; of features (C, H, W), neuron (c, y, x) is (c H + y) W + x."""

    step: Counts
    neuron: Counts

    @classmethod
    def of(cls, flat: torch.Tensor, spikes: Spikes) -> Marks:
        """Elements of the one sample of `spikes`, by flat indices t * N + n."""
        step, neuron = np.divmod(flat.cpu().numpy(), spikes.shape[2])
        if spikes.channels_last:
            channels = spikes.features[0]
            neuron = neuron % channels * (spikes.shape[2] // channels) + neuron // channels
        return cls(step, neuron)


@dataclass(frozen=True, eq=False)
class Seen:
    """A layer, or the input, in one recording.

    Attributes:
        name: of the layer.
        features: shape of its neurons, (N,) or (C, H, W).
        steps: T.
        spikes: elements that spiked; one with a count c is there c times.
        active: elements with a local derivative other than 0; None of the input, which has none.
    """

    name: str
    features: tuple[int, ...]
    steps: int
    spikes: Marks
    active: Marks | None

    @classmethod
    def of(cls, name: str, spikes: Spikes, is_input: bool = False) -> Seen:
        """From the spikes of a single sample."""
        found = Marks.of(_given(spikes), spikes)
        active = None if is_input else Marks.of(spikes.active_elements(), spikes)
        return cls(name, tuple(spikes.features), spikes.shape[1], found, active)

    @property
    def neurons(self) -> int:
        """N."""
        return math.prod(self.features)

    @property
    def elements(self) -> int:
        """T * N."""
        return self.steps * self.neurons

    @property
    def is_map(self) -> bool:
        """Whether its neurons lie in rows and columns."""
        return len(self.features) == 3 and self.neurons > self.features[0]

    @property
    def channels(self) -> int:
        """C."""
        return self.features[0]

    @property
    def silent(self) -> int:
        """Neurons without a spike."""
        return self.neurons - len(np.unique(self.spikes.neuron))

    def marks(self, kind: Kind) -> Marks | None:
        """Its spikes, or its active elements."""
        return self.spikes if kind == "spikes" else self.active

    def share(self, kind: Kind) -> float | None:
        """Of all elements, T * N; None where nothing can be active."""
        marks = self.marks(kind)
        return None if marks is None else len(marks.step) / self.elements

    def counts(self, kind: Kind, edges: Sequence[int]) -> Counts | None:
        """[S, *features] marks of each neuron from one edge (a time step) to the next; None where there are none."""
        marks = self.marks(kind)
        if marks is None:
            return None
        part, slices = np.searchsorted(edges, marks.step, "right") - 1, len(edges) - 1
        found = np.bincount(part * self.neurons + marks.neuron, minlength=slices * self.neurons)
        return found.reshape(slices, *self.features)

    @cached_property
    def by_channel(self) -> dict[Kind, Counts]:
        """[C] marks of each channel, 0 where there are none."""
        size = self.neurons // self.channels
        empty = np.empty(0, np.int64)
        found = {kind: (self.marks(kind) or Marks(empty, empty)).neuron // size for kind in KINDS}
        return {kind: np.bincount(channel, minlength=self.channels) for kind, channel in found.items()}

    def share_of_channel(self, kind: Kind, channel: int) -> float:
        """Of its elements."""
        return float(self.by_channel[kind][channel] * self.channels / self.elements)

    def chosen(self, order: Order, most: int) -> list[int]:
        """Channels to show: all, or those with most spikes or active elements, in an order."""
        ranked = np.argsort(-self.by_channel["active" if order == "active" else "spikes"], kind="stable")[:most]
        return ranked.tolist() if order != "number" else np.sort(ranked).tolist()


KINDS: tuple[Kind, ...] = ("spikes", "active")


def _given(spikes: Spikes) -> torch.Tensor:
    """Flat indices of the events, without padding."""
    return spikes.events.flat(spikes.shape[2])[: int(spikes.event_count)]
