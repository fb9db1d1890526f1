"""Raw recordings of an event sensor, and the list of those that can be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from snn_zo.target import Values

_MANY = 20
"""Events, from which on a recording that holds mostly one event over and over is refused."""


@dataclass(frozen=True, eq=False)
class Listing:
    """Recordings of a part of a data set, before they are read.

    Attributes:
        target: [S] classes, -1 where a recording lies in no class's folder; or [S, K] continuous values.
        file: [S] paths below the data set's root; empty where recordings have no files of their own.
        group: [S] int64, whose recording it is, such as a speaker; None where that is not known.
        number: [S] int64 places in the whole part; counted from 0 if not given.
    """

    target: Values
    file: Sequence[str] = ()
    group: NDArray[np.int64] | None = None
    number: NDArray[np.int64] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.number is None:
            object.__setattr__(self, "number", np.arange(len(self.target)))

    def __len__(self) -> int:
        return len(self.target)

    def take(self, chosen: NDArray[np.int64]) -> Listing:
        """The recordings at these positions."""
        file = [self.file[i] for i in chosen.tolist()] if self.file else ()
        group = None if self.group is None else self.group[chosen]
        return Listing(self.target[chosen], file, group, self.number[chosen])

    def first_of_each(self, group: NDArray[np.int64], limit: int) -> Listing:
        """At most `limit` recordings of each group, the first ones; `group` [S] says which one each is of."""
        order = np.argsort(group, kind="stable")
        ordered = group[order]
        rank = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
        return self.take(np.sort(order[rank < limit]))


class Recordings(NamedTuple):
    """S recordings of a height x width sensor with two polarities, one after the other.

    Attributes:
        sample: [E] int32, the recording that each event belongs to, ascending.
        t: [E] int32 or int64, us since the recording began; whole numbers, so that the edge of a time step is sharp.
        x, y: [E] int16 pixel; y counts from the top.
        p: [E] int8 polarity, 0 or 1.
        target: [S] classes, or [S, K] values, as in the listing.
        height, width: pixels.
    """

    sample: NDArray[np.int32]
    t: NDArray[np.signedinteger]
    x: NDArray[np.int16]
    y: NDArray[np.int16]
    p: NDArray[np.int8]
    target: Values
    height: int
    width: int

    def fault(self) -> tuple[int, str] | None:
        """The first recording with events that cannot be, and what it holds; None where all can."""
        for name in ("t", "x", "y", "p"):
            if (dtype := getattr(self, name).dtype).kind not in "iu":
                return 0, f"holds {name} of type {dtype}, not whole numbers"
        inside = (self.x >= 0) & (self.x < self.width) & (self.y >= 0) & (self.y < self.height)
        return self._first(
            (~inside, f"holds an event outside the {self.width} x {self.height} sensor"),
            (self.t < 0, "holds an event before the recording began"),
            ((self.p < 0) | (self.p > 1), "holds a polarity that is neither 0 nor 1"),
        )

    def silence(self) -> tuple[int, str] | None:
        """The first recording without events."""
        silent = np.bincount(self.sample, minlength=len(self.target)) == 0
        return (int(silent.argmax()), "holds no events") if silent.any() else None

    def disorder(self) -> tuple[int, str] | None:
        """The first recording that no sensor makes: without events, times out of order, or one event over and over."""
        before = np.maximum(np.arange(len(self.t)) - 1, 0)
        within = self.sample == self.sample[before]
        within[:1] = False
        backwards = within & (self.t < self.t[before])
        same = [column == column[before] for column in (self.t, self.x, self.y, self.p)]
        again = within & np.logical_and.reduce(same)
        size, repeats = (
            np.bincount(self.sample[chosen], minlength=len(self.target)) for chosen in (slice(None), again)
        )
        stuck = (repeats > size / 2) & (size >= _MANY)
        return self.silence() or self._first(
            (backwards, "holds time stamps that are out of order"),
            (again & stuck[self.sample], "holds mostly one event over and over, as a file filled with zeros does"),
        )

    def _first(self, *wrong: tuple[NDArray[np.bool_], str]) -> tuple[int, str] | None:
        found = [(int(self.sample[events.argmax()]), what) for events, what in wrong if events.any()]
        return min(found, key=lambda fault: fault[0], default=None)
