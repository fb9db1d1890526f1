"""Recordings written in the formats that the data sets are published in, and what is in a store."""

from pathlib import Path

import h5py
import numpy as np

from snn_zo.data.store import EventStore


def write_bin(path: Path, events: np.ndarray) -> None:
    x, y, t, p = np.asarray(events, np.int64).reshape(-1, 4).T
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(np.stack([x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255], 1).astype(np.uint8).tobytes())


def write_shd(path: Path, times: list[np.ndarray], units: list[np.ndarray], label: np.ndarray) -> Path:
    """The file, and the empty archive that tonic asks for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, rows, dtype in (("times", times, np.float16), ("units", units, np.uint16)):
            column = file.create_dataset(f"spikes/{name}", (len(rows),), h5py.vlen_dtype(dtype))
            for i, row in enumerate(rows):
                column[i] = row.astype(dtype)
        file["labels"] = np.asarray(label, np.uint16)
        file["extra/keys"] = np.array([b"zero", b"one"])
        file["extra/speaker"] = np.arange(len(label), dtype=np.uint16) % 2
    path.with_name(f"{path.name}.zip").touch()
    return path


def dense(store: EventStore) -> np.ndarray:
    """[S, T, N] spikes."""
    return store.batch(np.arange(len(store.label))).spikes.to_dense().numpy()


def events_of(store: EventStore, sample: int) -> np.ndarray:
    """step * N + input of a recording's events."""
    ptr, col = store.events(np.array([sample]))
    return np.repeat(np.arange(store.steps), np.diff(ptr)) * store.features + col


def assert_equal(one: EventStore, other: EventStore) -> None:
    """All recordings of two stores are the same."""
    np.testing.assert_array_equal(one.label, other.label)
    np.testing.assert_array_equal(one.origin, other.origin)
    for left, right in zip(one.events(np.arange(len(one))), other.events(np.arange(len(other))), strict=True):
        np.testing.assert_array_equal(left, right)
