"""Statistics of recordings before they were binned, to find those that lose events, are unusual or are there twice."""

from __future__ import annotations

from hashlib import blake2b
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from snn_zo.data.recordings import Recordings

MOST = 0.995
"""Share of the events of a recording that come before `most`."""


class Original(NamedTuple):
    """S recordings as they were read.

    Attributes:
        events: [S] int64 number of events.
        outside: [S] int64 events before the first or after the last step.
        beyond: [S] int64 events of these steps that lie outside the sensor.
        began, most, ended: [S] int64 us of the first event, of the one that ends `MOST` of them, and of the last; 0
            where there are none.
        digest: [S] int64 of all events: recordings with the same one are the same recording.
    """

    events: NDArray[np.int64]
    outside: NDArray[np.int64]
    beyond: NDArray[np.int64]
    began: NDArray[np.int64]
    most: NDArray[np.int64]
    ended: NDArray[np.int64]
    digest: NDArray[np.int64]

    @classmethod
    def of(cls, recordings: Recordings, outside: NDArray[np.bool_], beyond: NDArray[np.bool_]) -> Original:
        """Statistics of recordings, of whose events [E] some lie outside the steps or beyond the sensor."""
        samples = len(recordings.target)
        bounds = np.searchsorted(recordings.sample, np.arange(samples + 1))
        events = np.diff(bounds)
        t = recordings.t[np.lexsort((recordings.t, recordings.sample))]

        def at(number: NDArray[np.int64]) -> NDArray[np.int64]:
            times = np.zeros(samples, np.int64)
            times[events > 0] = t[(bounds[:-1] + number)[events > 0]]
            return times

        rows = np.stack([np.asarray(column, np.int64) for column in recordings[1:5]], 1)
        digests = [blake2b(rows[first:last].data, digest_size=8).digest() for first, last in pairwise(bounds)]
        return cls(
            events,
            np.bincount(recordings.sample[outside], minlength=samples),
            np.bincount(recordings.sample[beyond], minlength=samples),
            at(np.zeros(samples, np.int64)),
            at(np.ceil(MOST * events).astype(np.int64) - 1),
            at(events - 1),
            np.frombuffer(b"".join(digests), "<i8").astype(np.int64),
        )

    @classmethod
    def concatenate(cls, pieces: list[Original]) -> Original:
        """The pieces, one after the other; without pieces, no recordings."""
        empty = cls(*[np.zeros(0, np.int64)] * len(cls._fields))
        return cls(*map(np.concatenate, zip(empty, *pieces, strict=True)))

    def take(self, sample: NDArray[np.int64]) -> Original:
        """The recordings at these positions."""
        return Original(*(column[sample] for column in self))
