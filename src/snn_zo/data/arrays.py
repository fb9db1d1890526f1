"""Data sets of the user's own that are arrays in memory."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from snn_zo.data.columns import whole_events
from snn_zo.data.dataset import EventDataset, SeededSplit
from snn_zo.data.errors import DataError
from snn_zo.places import variable
from snn_zo.target import Classes, Continuous, Target

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from snn_zo.data.recordings import Listing, Recordings
    from snn_zo.target import Values

    Recorded = NDArray[np.number] | list[NDArray[np.void]]
    """Dense recordings [S, T, P, H, W], or S lists of events."""


@dataclass(frozen=True, kw_only=True)
class Arrays(EventDataset):
    """Recordings that are arrays; a subclass also says how they are split, see `SeededSplit` and `PublishedSplit`.

    Everything that the arrays hold is in the name of the store: other arrays are packed anew.
    """

    workers_are = "threads"

    @abstractmethod
    def arrays(self, part: str) -> tuple[ArrayLike | Sequence[NDArray[np.void]], ArrayLike]:
        """Recordings x of a part, and their targets y: classes [S], or continuous values [S] or [S, K].

        x is either dense, [S, T, N], [S, T, H, W] or [S, T, P, H, W] with P polarities: whole numbers of events in each
        time step of `dt`; or a list of S structured arrays of events, with fields t in us, x, and perhaps y and p.
        Classes are whole numbers from 0 on; y of a floating-point type is continuous.
        """

    @property
    def target(self) -> Target:
        """As many classes as the largest label asks for, or as many continuous values as there are."""
        targets = [y for _, y in self._checked.values()]
        shapes = {(y.dtype.kind, *y.shape[1:]) for y in targets}
        if len(shapes) > 1:
            parts = " and ".join(self.parts)
            raise DataError(f"y of {parts} must be classes everywhere, or as many continuous values everywhere")
        if targets[0].dtype.kind == "f":
            return Continuous(targets[0].shape[1])
        return Classes(1 + max(int(y.max(initial=0)) for y in targets))

    @property
    def height(self) -> int:
        """Rows of dense recordings; else as many as the events need."""
        return self._shape[1]

    @property
    def width(self) -> int:
        """Columns of dense recordings; else as many as the events need."""
        return self._shape[2]

    @property
    def merged(self) -> bool:
        """Whether there is one polarity."""
        return self._shape[0] == 1

    def listing(self, part: str) -> Listing:
        """One recording for each target, in the order of the arrays."""
        from snn_zo.data.recordings import Listing

        return Listing(self._checked[part][1])

    def recordings(self, part: str, listing: Listing) -> Recordings:
        """The entries of the arrays at these numbers."""
        import numpy as np

        from snn_zo.data.published import gather
        from snn_zo.data.recordings import Recordings

        given, _ = self._checked[part]
        if isinstance(given, list):
            return gather([given[i] for i in listing.number.tolist()], listing.target, self.height, self.width)
        dense = given[listing.number]
        sample, step, p, row, column = np.nonzero(dense)
        # the element of each event, whose time is the middle of its step, so that rounding cannot move it to another
        one = np.repeat(np.arange(len(sample)), dense[sample, step, p, row, column].astype(np.int64))
        t = (1000 * self.dt * (step[one] + 0.5)).astype(np.int64)
        x, y = (place[one].astype(np.int16) for place in (column, row))
        of, polarity = sample[one].astype(np.int32), p[one].astype(np.int8)
        return Recordings(of, t, x, y, polarity, listing.target, self.height, self.width)

    def source(self, part: str) -> dict[str, object]:
        """A checksum of all values."""
        import numpy as np

        x, y = self._checked[part]
        digest = hashlib.sha256()
        for array in (*(x if isinstance(x, list) else [x]), y):
            digest.update(f"{array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return {"arrays": digest.hexdigest()}

    @cached_property
    def _checked(self) -> dict[str, tuple[Recorded, Values]]:
        """By part: the recordings, and their targets."""
        return {part: _check(part, *self.arrays(part)) for part in self.parts}

    @cached_property
    def _shape(self) -> tuple[int, int, int]:
        """Polarities, rows and columns."""
        planes, rows, columns = zip(*(_shape(x) for x, _ in self._checked.values()), strict=True)
        return max(planes), max(rows), max(columns)


MOST = 2**15
"""Limit of the inputs along an axis, and of the events that an element may hold."""
MOST_CLASSES = 1000
"""Classes may be numbered up to it, even where there are fewer recordings."""


def _check(part: str, x: ArrayLike | Sequence[NDArray[np.void]], y: ArrayLike) -> tuple[Recorded, Values]:
    import numpy as np

    target = _targets(part, np.asarray(y))
    if isinstance(x, list | tuple) and all(getattr(one, "dtype", np.dtype(int)).names for one in x):
        _require_as_many(part, len(x), target)
        return [_events(part, number, one) for number, one in enumerate(x)], target
    try:
        dense = np.asarray(x)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"{part}: x is no array of numbers ({' '.join(str(error).split())[:100]})") from error
    _require_as_many(part, len(dense), target)
    return _dense(part, dense), target


def _require_as_many(part: str, recordings: int, target: Values) -> None:
    if not recordings or recordings != len(target):
        what = "labels" if target.dtype.kind == "i" else "targets"
        raise DataError(f"{part}: {recordings} recordings x do not fit {len(target)} {what} y")
    if target.dtype.kind == "i" and target.max() >= max(MOST_CLASSES, recordings):
        raise DataError(
            f"{part}: y holds class {target.max()} of {recordings} recordings: number the classes from 0 on"
        )


def _targets(part: str, y: NDArray) -> Values:
    """Classes [S], or values [S, K]."""
    if y.ndim == 1 and y.dtype.kind in "iu" and y.min(initial=0) >= 0:
        return y.astype("int64")
    if y.ndim in (1, 2) and y.dtype.kind == "f" and y[:1].size:
        return y.reshape(len(y), -1)
    raise DataError(
        f"{part}: y must hold a class for each recording, as whole numbers from 0 on, "
        "or continuous values [S] or [S, K] of a floating-point type"
    )


def _events(part: str, number: int, events: NDArray[np.void]) -> NDArray[np.void]:
    """A recording's events in whole numbers."""
    try:
        whole = whole_events(events)
        for name in ("x", "y", "p"):
            if (
                name in (whole.dtype.names or ())
                and len(whole)
                and not 0 <= whole[name].min() <= whole[name].max() < MOST
            ):
                raise ValueError(f"column {name} holds what does not lie in 0 to {MOST - 1}")
    except ValueError as error:
        raise DataError(f"{part}: recording {number} cannot be used: {error}") from error
    return whole


def _dense(part: str, x: NDArray) -> NDArray[np.number]:
    """Counts as [S, T, P, H, W]."""
    import numpy as np

    if x.ndim not in (3, 4, 5) or x.dtype.kind not in "biuf":
        raise DataError(f"{part}: x of shape {x.shape} is not [S, T, N], [S, T, H, W] or [S, T, P, H, W] of numbers")
    if x.ndim == 5 and x.shape[2] > 2:
        raise DataError(f"{part}: x of shape {x.shape} has {x.shape[2]} polarities, which must be 1 or 2")
    if not (np.isfinite(x) & (x >= 0) & (x == np.floor(x)) & (x < MOST)).all():
        raise DataError(f"{part}: x must hold whole numbers of events, from 0 on: binarise it, or scale and round it")
    planes = x.shape[2:] if x.ndim == 5 else (1, *x.shape[2:]) if x.ndim == 4 else (1, 1, *x.shape[2:])
    return x.reshape(*x.shape[:2], *planes)


def _shape(x: Recorded) -> tuple[int, int, int]:
    if not isinstance(x, list):
        return x.shape[2], x.shape[3], x.shape[4]
    p, row, column = (_largest(x, name) for name in "pyx")
    return p + 1, row + 1, column + 1


def _largest(events: list[NDArray[np.void]], name: str) -> int:
    values = [one[name].max() for one in events if name in (one.dtype.names or ()) and len(one)]
    return int(max(values, default=0))


@dataclass(frozen=True, kw_only=True)
class ArrayDataset(Arrays, SeededSplit):
    """Arrays in memory, as in a notebook: `EventDataModule(ArrayDataset(x, y), seed=0)`.

    Attributes:
        x: recordings, see `Arrays.arrays`.
        y: [S] their classes, or continuous values [S] or [S, K].
        steps: number of time steps T; of dense recordings as many as they have, if not given.
    """

    x: ArrayLike | Sequence[NDArray[np.void]] = field(kw_only=False, repr=False, compare=False)
    y: ArrayLike = field(kw_only=False, repr=False, compare=False)
    dt: float = 1.0
    steps: int = 0
    batch_size: int = 64
    val_fraction: float = 0.1
    cache_dir: str = field(default_factory=lambda: variable("SNN_ZO_CACHE", "~/.cache/snn_zo"))

    def __post_init__(self) -> None:
        if not self.steps and not isinstance(x := self._checked["all"][0], list):
            object.__setattr__(self, "steps", x.shape[1])
        super().__post_init__()

    def arrays(self, part: str) -> tuple[ArrayLike | Sequence[NDArray[np.void]], ArrayLike]:
        """x and y."""
        return self.x, self.y
