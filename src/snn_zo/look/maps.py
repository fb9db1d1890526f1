"""Feature maps of a layer: what is counted at each place, in each channel, in all the time and in parts of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from snn_zo.look.look import Look
from snn_zo.look.seen import KINDS, Counts, Kind, Seen
from snn_zo.look.settings import LookSettings

SIDE = 160
"""Most pixels of a map's side; of a larger one neighbours are counted together."""


@dataclass(frozen=True, eq=False)
class FeatureMaps:
    """Counts of spikes and, of a layer, of active elements.

    Attributes:
        whole: [C, H, W] in all the time.
        parts: [S, C, H, W] in each of S parts of it.
        spans: when these are.
        chosen: numbers of the channels to show.
    """

    whole: Mapping[Kind, Counts]
    parts: Mapping[Kind, Counts]
    spans: Sequence[str]
    chosen: Sequence[int]

    @classmethod
    def of(cls, look: Look, seen: Seen, settings: LookSettings) -> FeatureMaps:
        """Of a layer whose neurons lie in rows and columns."""
        edges = look.edges(settings.slices)
        counts = {kind: seen.counts(kind, edges) for kind in KINDS}
        parts = {kind: _fitted(found) for kind, found in counts.items() if found is not None}
        whole = {kind: found.sum(0) for kind, found in parts.items()}
        return cls(whole, parts, look.spans(edges), seen.chosen(settings.order, settings.channels))


def _fitted(counts: Counts) -> Counts:
    """Counts [..., H, W] with neighbours added together where a side is too long."""
    by = -(-max(counts.shape[-2:]) // SIDE)
    for axis in (-2, -1):
        counts = np.add.reduceat(counts, np.arange(0, counts.shape[axis], by), axis)
    return counts
