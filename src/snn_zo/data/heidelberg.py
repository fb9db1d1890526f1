"""The HDF5 files of the Heidelberg data sets; nothing outside of the file is read, and no more than it holds."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from snn_zo.data.columns import stack, whole
from snn_zo.data.readable import require_regular

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_REFERENCE = 16
"""Bytes that the file needs for each recording at least: a reference to its events."""
_CHUNK = 2**26
"""Limit in bytes for a stored block, which is unpacked as a whole."""


class Heidelberg:
    """S recordings of a cochlea model, open for reading.

    Args:
        path: of the file, with `spikes/times`, `spikes/units`, `labels` and perhaps `extra/speaker`.

    Attributes:
        label: [S] int64 class.
        speaker: [S] int64; None where the file names no speakers.

    Raises:
        OSError, ValueError, KeyError: it is no such file.
    """

    def __init__(self, path: Path) -> None:
        import h5py

        self._left = self._size = require_regular(path)
        self._file = h5py.File(path)
        try:
            self._times, self._units = (self._column(f"spikes/{name}", lists=True) for name in ("times", "units"))
            self.label = whole("labels", self._column("labels")[:])
            speaker = "extra/speaker"
            self.speaker = whole(speaker, self._column(speaker)[:]) if speaker in self._file else None
            sizes = {len(column) for column in (self._times, self._units, self.label)}
            if len(sizes) > 1 or (self.speaker is not None and len(self.speaker) not in sizes):
                raise ValueError("unequal numbers of times, units, labels and speakers")
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Heidelberg:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def events(self, number: int) -> NDArray[np.void]:
        """A recording's events: t in us, x and p.

        Raises:
            ValueError: they cannot be, or more have been read than the file can hold.
        """
        import numpy as np

        seconds, unit = self._times[number], self._units[number]
        self._left -= seconds.nbytes + unit.nbytes
        if self._left < 0:
            raise ValueError("its events are those of others too")
        t, x = whole("t", seconds, scale=1_000_000), whole("x", unit)
        return stack(t=t, x=x, p=np.ones(len(x), np.int64))

    def _column(self, name: str, lists: bool = False) -> Any:
        """A data set that lies in the file itself: a number for each recording, or a list of numbers."""
        import h5py

        place = self._file
        for part in name.split("/"):
            if not isinstance(place.get(part, getlink=True), h5py.HardLink):
                raise ValueError(f"{name} is a link to somewhere else")
            place = place[part]
        if not isinstance(place, h5py.Dataset) or place.is_virtual or place.external:
            raise ValueError(f"{name} is not stored in this file")
        base = h5py.check_vlen_dtype(place.dtype) if lists else place.dtype
        if place.ndim != 1 or base is None or base.kind not in "biuf":
            raise ValueError(f"{name} holds {place.dtype} of shape {place.shape}, not {'lists of ' * lists}numbers")
        if place.chunks and place.chunks[0] * place.dtype.itemsize > _CHUNK:
            raise ValueError(f"{name} is stored in blocks of {place.chunks[0]:,} numbers")
        if len(place) * _REFERENCE > self._size:
            raise ValueError(f"{name} promises {len(place):,} recordings in a file of {self._size:,} bytes")
        return place
