"""The packed event store: all recordings of a part in one file of flat arrays, from which batches are copied.

A file holds a header of `HEADER` bytes, `<crc32> <json>`, and the arrays that it describes, one after the other:

    col       [K] inputs of all events, row after row; row s * T + t is time step t of recording s
    length    [S, T] events of each row
    first     [S + 1] int64 place in `col` of each recording's first event
    target    [S] int64 classes, or [S, K] float32 values
    origin    [S] int64 places in the original files
    checksum  [S] uint32 crc32 of each recording's `length` and `col`
    ...       [S] what is known of each recording before it was binned, see `Original`
    about     bytes of a JSON object

`col` and `length` stay on disk, mapped into memory, and a recording is compared with its checksum when it is first
served; the others are read and checked when the store is opened.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypedDict
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from snn_zo.atomic import replacing
from snn_zo.data.binning import Grid, Packed
from snn_zo.data.original import Original

if TYPE_CHECKING:
    from torch import Tensor

    from snn_zo.ops.analogue import Input

FORMAT = 3
HEADER = 4096

Piece = tuple[Packed, NDArray[np.int64]]
"""Packed recordings, and their places in the part."""


class About(TypedDict):
    """Where the recordings of a store come from: class of the data set, its part, and why others were left out."""

    data: str
    part: str
    bad: list[str]


class DamagedStoreError(Exception):
    """A store that does not hold what was written into it."""


class Batch(NamedTuple):
    """What the model sees in one step.

    Attributes:
        spikes: [B, T, N] input spikes, or an analogue input.
        target: [B] int64 classes, or [B, K] float32 values.
        sample: [B] int64 index in the data set, which keys the random draws of each sample.
        share: weight of its mean loss in the mean over devices, where a batch is split over several: their number times
            B, over the size of the whole. B may be 0 then.
    """

    spikes: Input
    target: Tensor
    sample: Tensor
    share: float = 1.0


class EventStore:
    """S recordings of T time steps and N inputs, open for reading.

    Args:
        path: what `write` wrote.

    Attributes:
        steps: T.
        in_shape: feature shape of the inputs.
        inputs: N, its product.
        target: [S] int64 classes, or [S, K] float32 values.
        origin: [S] int64 place of each recording in the original files.
        col, length, first, checksum: as in the file.
        original: what the recordings held before they were binned.
        about: what `write` was told.

    Raises:
        FileNotFoundError: it is not there.
        DamagedStoreError: it is not whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with open(path, "rb") as file:
            header = _read_header(file)
            arrays = {name: _read_array(file, name, _Place(*place)) for name, place in header["arrays"].items()}
        self.steps, self.in_shape = header["steps"], tuple(header["in_shape"])
        self.inputs = math.prod(self.in_shape)
        self.target, self.origin, self.first = arrays["target"], arrays["origin"], arrays["first"]
        self.col, self.length, self.checksum = arrays["col"], arrays["length"], arrays["checksum"]
        self.original = Original(*(arrays[name] for name in Original._fields))
        self.about: About = json.loads(arrays["about"].tobytes())
        self._sound = np.zeros(len(self.target), bool)

    def __len__(self) -> int:
        return len(self.target)

    def __reduce__(self) -> tuple[type[EventStore], tuple[Path]]:
        return type(self), (self.path,)  # the other process maps the file itself

    def events(self, index: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """The recordings `index` in that order, as row pointers [B * T + 1] and columns [K].

        Raises:
            DamagedStoreError: one of them is not what was written.
        """
        self.check(index[~self._sound[index]])
        ptr = np.zeros(len(index) * self.steps + 1, dtype=np.int64)
        np.cumsum(self.length[index].ravel(), out=ptr[1:])
        runs = zip(self.first[index].tolist(), self.first[index + 1].tolist(), strict=True)
        col = np.concatenate([self.col[:0], *(self.col[first:last] for first, last in runs)])
        return ptr, col.astype(np.int32, copy=False)

    def batch(self, index: NDArray[np.int64]) -> Batch:
        """The recordings `index`, in that order, as one batch."""
        return self.assemble(index, *self.events(index))

    def assemble(self, index: NDArray[np.int64], ptr: NDArray[np.int64], col: NDArray[np.int32]) -> Batch:
        """A batch of the recordings `index` with these events."""
        import torch

        from snn_zo.ops.spikes import Rows, Spikes

        events = Rows(torch.from_numpy(ptr), torch.from_numpy(col))
        shape = (len(index), self.steps, self.inputs)
        spikes = Spikes.from_events(shape, events, features=self.in_shape)
        return Batch(spikes, torch.from_numpy(self.target[index]), torch.from_numpy(index))

    def check(self, index: NDArray[np.int64]) -> None:
        """Compare recordings with their checksums.

        Raises:
            DamagedStoreError: one is not what was written.
        """
        for sample in index.tolist():
            rows, col = self.length[sample], self.col[self.first[sample] : self.first[sample + 1]]
            if crc32(col.data, crc32(rows.data)) != self.checksum[sample]:
                raise DamagedStoreError(f"{self.path}: recording {sample} is damaged")
        self._sound[index] = True

    @staticmethod
    def write(path: Path, grid: Grid, pieces: Iterable[Piece], about: About) -> None:
        """Write a store, whole or not at all.

        Args:
            path: of the file.
            grid: that the recordings were binned on.
            pieces: packed recordings, and their places in the original files; the columns of one piece at a time are
                in memory.
            about: where the recordings come from; written last, so that making the pieces may add to it.

        Raises:
            OSError: it could not be written.
        """
        input_type = np.dtype(np.uint16 if grid.inputs < 1 << 16 else np.int32)
        length_type = np.dtype(np.int32) if grid.counts else input_type
        with replacing(path) as file:
            file.write(bytes(HEADER))
            parts = [_columns(file, *piece, input_type, length_type) for piece in pieces]
            length, target, origin, checksum, *original = (np.concatenate(part) for part in zip(*parts, strict=True))
            first = np.append(0, np.cumsum(length.sum(1, dtype=np.int64)))
            rest = {"length": length, "target": target, "origin": origin, "checksum": checksum, "first": first}
            rest |= dict(zip(Original._fields, original, strict=True))
            rest["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
            arrays = {"col": _Place(input_type.str, [int(first[-1])], HEADER, None)}
            arrays |= {name: _append(file, array, checked=name != "length") for name, array in rest.items()}
            size = file.tell()
            _write_header(file, _Header(format=FORMAT, steps=grid.steps, in_shape=grid.shape, arrays=arrays, size=size))


class _Place(NamedTuple):
    """Place of an array in the file, and its crc32; None where each recording has a checksum of its own."""

    dtype: str
    shape: list[int]
    offset: int
    checksum: int | None


class _Header(TypedDict):
    """Header of the file; `size` is that of the whole file in bytes."""

    format: int
    steps: int
    in_shape: Sequence[int]
    arrays: dict[str, _Place]
    size: int


def _columns(
    file: BinaryIO, packed: Packed, origin: NDArray[np.int64], input_type: np.dtype, length_type: np.dtype
) -> tuple[NDArray, ...]:
    """Write the columns of a piece; its `length`, `target`, `origin`, `checksum` and statistics before binning."""
    col, length = packed.col.astype(input_type), packed.length.astype(length_type)
    file.write(col.data)
    runs = np.split(col, np.cumsum(packed.length.sum(1))[:-1])
    checksum = (
        [crc32(run.data, crc32(rows.data)) for run, rows in zip(runs, length, strict=True)] if len(length) else []
    )
    return length, packed.target, origin, np.array(checksum, np.uint32), *packed.original


def _append(file: BinaryIO, array: NDArray, checked: bool) -> _Place:
    """Write an array that is `checked` as a whole when the store is opened, or recording by recording."""
    file.write(bytes(-file.tell() % 64))
    offset = file.tell()
    file.write(array.data)
    return _Place(array.dtype.str, list(array.shape), offset, crc32(array.data) if checked else None)


def _write_header(file: BinaryIO, header: _Header) -> None:
    content = json.dumps(header).encode()
    file.seek(0)
    file.write(f"{crc32(content):08x} ".encode() + content)


def _read_header(file: BinaryIO) -> _Header:
    checksum, _, content = file.read(HEADER).rstrip(b"\0").partition(b" ")
    if checksum != f"{crc32(content):08x}".encode():
        raise DamagedStoreError(f"{file.name} is no event store")
    header = json.loads(content)
    if header["size"] != os.fstat(file.fileno()).st_size:
        raise DamagedStoreError(f"{file.name} is cut short")
    return header


def _read_array(file: BinaryIO, name: str, place: _Place) -> NDArray:
    """An array in memory; mapped where it is not checked as a whole."""
    if place.checksum is None and int(np.prod(place.shape)):
        mapped = np.memmap(file, place.dtype, "r", place.offset, tuple(place.shape))
        return mapped.view(np.ndarray)  # slices of a memmap are slow to make
    file.seek(place.offset)
    array = np.fromfile(file, place.dtype, int(np.prod(place.shape))).reshape(place.shape)
    if place.checksum is not None and crc32(array.data) != place.checksum:
        raise DamagedStoreError(f"{file.name}: {name} is damaged")
    return array
