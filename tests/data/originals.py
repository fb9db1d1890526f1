"""Recordings written in the formats that the data sets are published in, and what is in a store."""

import struct
from pathlib import Path

import h5py
import numpy as np

from snn_zo.data.binning import Packed
from snn_zo.data.original import Original
from snn_zo.data.store import EventStore


def write_bin(path: Path, events: np.ndarray) -> None:
    x, y, t, p = np.asarray(events, np.int64).reshape(-1, 4).T
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(np.stack([x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255], 1).astype(np.uint8).tobytes())


def write_shd(
    path: Path,
    times: list[np.ndarray],
    units: list[np.ndarray],
    label: np.ndarray,
    speaker: np.ndarray | None = None,
    dtype: type = np.float16,
) -> Path:
    """The file, and the empty archive that tonic asks for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, rows, kind in (("times", times, dtype), ("units", units, np.uint16)):
            column = file.create_dataset(f"spikes/{name}", (len(rows),), h5py.vlen_dtype(kind))
            for i, row in enumerate(rows):
                column[i] = row.astype(kind)
        file["labels"] = np.asarray(label, np.uint16)
        file["extra/keys"] = np.array([b"zero", b"one"])
        file["extra/speaker"] = np.arange(len(label), dtype=np.uint16) % 2 if speaker is None else speaker
    path.with_name(f"{path.name}.zip").touch()
    return path


def packed(length: np.ndarray, col: np.ndarray, label: np.ndarray) -> Packed:
    """Recordings of which nothing is known but what is left of them."""
    events = length.sum(1)
    nothing = np.zeros(len(label), np.int64)
    digest = np.arange(len(label))
    return Packed(length, col, label, Original(events, *[nothing] * 5, digest))


def dense(store: EventStore) -> np.ndarray:
    """[S, T, N] spikes."""
    return store.batch(np.arange(len(store.target))).spikes.to_dense().flatten(2).numpy()


def events_of(store: EventStore, sample: int) -> np.ndarray:
    """step * N + input of a recording's events."""
    ptr, col = store.events(np.array([sample]))
    return np.repeat(np.arange(store.steps), np.diff(ptr)) * store.inputs + col


def assert_equal(one: EventStore, other: EventStore) -> None:
    """All recordings of two stores are the same."""
    np.testing.assert_array_equal(one.target, other.target)
    np.testing.assert_array_equal(one.origin, other.origin)
    for left, right in zip(one.events(np.arange(len(one))), other.events(np.arange(len(other))), strict=True):
        np.testing.assert_array_equal(left, right)


AEDAT4_INFO = (
    '<dv version="2.0"><node name="outInfo" path="/mainloop/Recorder/outInfo/">'
    '<node name="0" path="/mainloop/Recorder/outInfo/0/"><attr key="compression" type="string">NONE</attr>'
    '<attr key="typeIdentifier" type="string">EVTS</attr><node name="info" path="/mainloop/Recorder/outInfo/0/info/">'
    '<attr key="sizeX" type="int">128</attr><attr key="sizeY" type="int">128</attr></node></node></node></dv>'
)


def write_aedat4(path: Path, events: np.ndarray, packets: int = 3) -> None:
    """Uncompressed packets of flatbuffers, of the events [E, 4] x, y, t in us, p."""

    def prefixed(content: bytes) -> bytes:
        return struct.pack("<I", len(content)) + content

    info = AEDAT4_INFO.encode()
    header = struct.pack("<I4s5HxxiII", 20, b"IOHE", 10, 8, 0, 0, 4, 12, 4, len(info)) + info + b"\0"
    content = [b"#!AER-DAT4.0\r\n", prefixed(header)]
    layout = np.dtype([("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "?"), ("", "V3")])
    for part in np.array_split(np.asarray(events, np.int64).reshape(-1, 4), packets):
        rows = np.zeros(len(part), layout)
        rows["x"], rows["y"], rows["t"], rows["p"] = part.T
        packet = prefixed(struct.pack("<I4s3HxxiI4xI", 16, b"EVTS", 6, 8, 4, 8, 8, len(rows)) + rows.tobytes())
        content += [struct.pack("<II", 0, len(packet)), packet]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(content))


def write_npy(path: Path, columns: list[np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.stack(columns, 1))


def write_idx(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    path.write_bytes(header + values.astype(np.uint8).tobytes())
