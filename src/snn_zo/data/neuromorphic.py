"""Published recordings of event sensors, read by tonic."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from snn_zo.data.camera import Camera
from snn_zo.data.dataset import DataError, PublishedSplit

if TYPE_CHECKING:
    from snn_zo.data.recordings import Recordings

_CHUNK = 5000
_TIMEOUT_S = 20


@dataclass(frozen=True, kw_only=True)
class TonicDataset(PublishedSplit):
    """A data set that tonic reads and, where it is missing, downloads into `root`.

    Tonic asks for the original archives and all recordings; here, the recordings that are there are the data set.
    """

    height: ClassVar[int]
    width: ClassVar[int]
    layout: ClassVar[dict[str, str]]
    """Where the files of each part belong, below `root`."""

    def files(self, part: str) -> list[Path]:
        """The files of a part that are there."""
        return sorted(self.folder.glob(self.layout[part]))

    def source(self, part: str) -> dict[str, object]:
        """Names, sizes and times of change of the files."""
        stats = [(str(path.relative_to(self.folder)), path.stat()) for path in self.files(part)]
        return {"files": [f"{name}:{stat.st_size}:{stat.st_mtime_ns}" for name, stat in stats]}

    def recordings(self, part: str) -> Iterable[Recordings]:
        """All recordings of `train` or `test`, 5,000 at a time."""
        if not self.files(part):
            self._download(part)
        self._require_sound(part)
        with _readable(f"{self.folder / self.layout[part]}"):
            source = self._tonic(exists=True)(str(self.folder), train=part == "train")
            size = len(source)
        for start in range(0, size, _CHUNK):
            items = []
            for sample in range(start, min(start + _CHUNK, size)):
                with _readable(self.where(part, sample)):
                    items.append(source[sample])
            yield gather([events for events, _ in items], [int(label) for _, label in items], self.height, self.width)

    def _require_sound(self, part: str) -> None:
        """Raise DataError where a file is damaged in a way that tonic does not notice."""

    def _tonic(self, exists: bool) -> Any:
        """Tonic's data set of this name, told whether its files are there."""
        from tonic import datasets

        name = type(self).__name__
        return type(name, (getattr(datasets, name),), {"_check_exists": lambda _: exists})

    def _download(self, part: str) -> None:
        """Let tonic download and unpack a part, or leave everything as it was."""
        home = self.folder / type(self).__name__
        before = set(home.rglob("*"))
        absent = [folder for folder in (home, *home.parents) if not folder.exists()]
        timeout = socket.getdefaulttimeout()
        socket.setdefaulttimeout(_TIMEOUT_S)
        try:
            self._tonic(exists=False)(str(self.folder), train=part == "train")
        except (OSError, RuntimeError, HTTPException) as error:
            with suppress(OSError):
                for path in sorted(set(home.rglob("*")) - before, reverse=True):
                    path.rmdir() if path.is_dir() else path.unlink()
                for folder in absent:
                    folder.rmdir()
            place = self.folder / self.layout[part]
            raise DataError(
                f"no {home.name} recordings in {place}, and downloading them failed ({error}): put them there, "
                f"or set data.root to the folder that holds {home.name}"
            ) from error
        finally:
            socket.setdefaulttimeout(timeout)


@contextmanager
def _readable(place: str) -> Iterator[None]:
    """Whatever goes wrong in reading a file is a fault of the file."""
    try:
        yield
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise DataError(f"{place} cannot be read ({reason}): remove or replace it") from error


@dataclass(frozen=True, kw_only=True)
class NMNIST(TonicDataset, Camera):
    """N-MNIST (Orchard et al. 2015): MNIST before a moving 34 x 34 event camera, about 300 ms.

    Any number of recordings in `<root>/NMNIST/{Train,Test}/<digit>/*.bin`.
    """

    dt: float = 3.0
    steps: int = 100
    batch_size: int = 64
    val_fraction: float = 0.1
    polarities: str = "merged"

    classes = 10
    height = width = 34
    pixels = 34 * 34
    layout = {"train": "NMNIST/Train/*/*.bin", "test": "NMNIST/Test/*/*.bin"}  # noqa: RUF012

    def where(self, part: str, sample: int) -> str:
        """The recording's file."""
        return str(self.files(part)[sample])

    def _require_sound(self, part: str) -> None:
        for path in self.files(part):
            if path.parent.name not in tuple("0123456789"):
                raise DataError(f"{path.parent} is not a digit's folder, 0 to 9: move it elsewhere")
            size = path.stat().st_size if path.exists() else 0
            if size == 0 or size % 5:
                raise DataError(f"{path} is damaged, {size} bytes are no whole number of events: remove or replace it")


@dataclass(frozen=True, kw_only=True)
class SHD(TonicDataset):
    """Spiking Heidelberg Digits (Cramer et al. 2020): spoken digits through a cochlea model with 700 channels."""

    dt: float = 2.0
    steps: int = 500
    batch_size: int = 256
    val_fraction: float = 0.1

    classes = 20
    height, width = 1, 700
    layout = {"train": "SHD/shd_train.h5", "test": "SHD/shd_test.h5"}  # noqa: RUF012

    @property
    def features(self) -> int:
        """700 channels."""
        return self.width

    def where(self, part: str, sample: int) -> str:
        """The file, and the recording's number in it."""
        return f"{self.folder / self.layout[part]}, recording {sample},"


def gather(events: Sequence[Any], label: Sequence[int], height: int, width: int) -> Recordings:
    """Tonic's recordings, structured arrays with t in us, end to end."""
    import numpy as np

    from snn_zo.data.recordings import Recordings

    def column(name: str, dtype: type) -> Any:
        parts = [piece[name] for piece in events if name in (piece.dtype.names or ())]
        return np.concatenate(parts).astype(dtype) if parts else np.zeros(sum(map(len, events)), dtype)

    sample = np.repeat(np.arange(len(events), dtype=np.int32), [len(piece) for piece in events])
    place = (column("x", np.int16), column("y", np.int16), column("p", np.int8))
    return Recordings(sample, column("t", np.int32), *place, np.array(label, np.int64), height, width)
