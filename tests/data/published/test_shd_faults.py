import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from snn_zo.data.errors import DataError
from snn_zo.data.neuromorphic import SHD
from tests.data.originals import write_shd
from tests.data.outcome import message


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def _change(*without: str, **values: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with h5py.File(path, "a") as file:
            for name in (*without, *values):
                del file[name]
            for name, value in values.items():
                file[name] = value

    return change


def _spikes(times: list[list[float]], units: list[list[int]], label: list[int]) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        write_shd(path, *([np.array(row) for row in rows] for rows in (times, units)), np.array(label))

    return change


def _list(name: str, dtype: object, *row: float) -> Callable[[Path], None]:
    """One of the two lists of each recording, in another type."""

    def change(path: Path) -> None:
        with h5py.File(path, "a") as file:
            rows = len(file[name])
            del file[name]
            column = file.create_dataset(name, (rows,), h5py.vlen_dtype(np.dtype(dtype)))
            for i in range(rows):
                column[i] = np.array(row, dtype)

    return change


def _link(name: str, to: object) -> Callable[[Path], None]:
    """A link in place of a data set, to a file that holds the same."""

    def change(path: Path) -> None:
        path.with_name("other.h5").write_bytes(path.read_bytes())
        with h5py.File(path, "a") as file:
            file.move(name, "moved")
            file[name] = to

    return change


def _external(path: Path) -> None:
    path.with_name("labels").write_bytes(bytes(80))
    with h5py.File(path, "a") as file:
        del file["labels"]
        file.create_dataset("labels", (80,), "u1", external=[(str(path.with_name("labels")), 0, 80)])


def _virtual(path: Path) -> None:
    path.with_name("other.h5").write_bytes(path.read_bytes())
    with h5py.File(path, "a") as file:
        del file["labels"]
        layout = h5py.VirtualLayout((80,), "u2")
        layout[:] = h5py.VirtualSource(str(path.with_name("other.h5")), "labels", (80,))
        file.create_virtual_dataset("labels", layout)


def _labels(shape: int, block: int) -> Callable[[Path], None]:
    """Nothing is stored of what is promised."""

    def change(path: Path) -> None:
        with h5py.File(path, "a") as file:
            del file["labels"]
            file.create_dataset("labels", (shape,), "i8", chunks=(block,), maxshape=(None,), compression="gzip")

    return change


DAMAGE: dict[str, Callable[[Path], None]] = {
    "cut": _cut,
    "cut in two": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("<html>404 Not Found</html>"),
    "folder": lambda path: (path.unlink(), path.mkdir()),
    "not SHD": _change("labels", "spikes", "extra"),
    "no spikes": _change("spikes"),
    "no labels": _change("labels"),
    "more labels": _change(labels=np.arange(81) % 20),
    "labels above 19": _change(labels=np.arange(80) % 20 + 1),
    "no recordings": _spikes([], [], []),
    "channel": _spikes([[0.1, 0.2]] * 40, [[3, 700]] * 40, [*range(20)] * 2),
    "before 0": _spikes([[-0.1, 0.2]] * 40, [[3, 4]] * 40, [*range(20)] * 2),
    "lengths": _spikes([[0.1, 0.2, 0.3]] * 40, [[3, 4]] * 40, [*range(20)] * 2),
    "no number": _list("spikes/times", "f8", 0.1, np.nan),
    "infinite": _list("spikes/times", "f4", 0.1, np.inf),
    "just before 0": _list("spikes/times", "f8", -1e-7, 0.1),
    "beyond 64 bits": _list("spikes/times", "f8", 0.1, 1e300),
    "complex": _list("spikes/times", "c8", 0.1, 0.2),
    "units below 0": _list("spikes/units", "i4", -65533, 3),
    "units of 32 bits": _list("spikes/units", "i8", 2**32 + 3, 3),
    "units of 64 bits": _list("spikes/units", "u8", 2**64 - 1, 3),
    "half a unit": _list("spikes/units", "f4", 2.5, 3),
    "the same event": _spikes([[0.0] * 50] * 40, [[0] * 50] * 40, [*range(20)] * 2),
    "labels that are no number": _change(labels=np.full(80, np.nan)),
    "half a label": _change(labels=np.arange(80) % 20 + 0.5),
    "labels of 64 bits": _change(labels=np.full(80, 2**64 - 1, np.uint64)),
    "labels in words": _change(labels=[b"zero"] * 80),
    "a table": _change(**{"spikes/times": np.zeros((80, 30))}),
    "external link": _link("labels", h5py.ExternalLink("other.h5", "labels")),
    "external group": _link("spikes", h5py.ExternalLink("other.h5", "spikes")),
    "soft link": _link("spikes/units", h5py.SoftLink("/moved")),
    "external storage": _external,
    "virtual": _virtual,
    "promises": _labels(10**12, 1000),
    "blocks": _labels(80, 10**8),
    "pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "device": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_shd_of_a_damaged_file(shd, spoken, tmp_path, damage, monkeypatch):
    monkeypatch.setattr(SHD, "chunk", 100)  # all of it in this process
    path = tmp_path / "SHD/shd_train.h5"
    DAMAGE[damage](path)
    with pytest.raises(DataError) as error:
        shd().splits()
    assert str(path) in message(error)


def test_shd_recordings_that_share_their_events(shd, spoken, tmp_path, monkeypatch):
    """More than the file can hold is not read."""
    monkeypatch.setattr(SHD, "chunk", 100)
    path, places = tmp_path / "SHD/shd_train.h5", []
    with h5py.File(path, "w") as file:
        for name in ("spikes/times", "spikes/units"):
            column = file.create_dataset(name, (80,), h5py.vlen_dtype(np.float64))
            column[0] = np.arange(10_000) % 700
            places.append((column.id.get_offset(), column.id.get_storage_size()))
        file["labels"] = np.arange(80) % 20
    content = bytearray(path.read_bytes())
    for offset, size in places:
        content[offset : offset + size] = content[offset : offset + size // 80] * 80
    path.write_bytes(content)
    with pytest.raises(DataError, match="its events are those of others too"):
        shd().store("train")
