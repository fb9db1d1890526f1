"""Published recordings of event sensors: found below a root folder, downloaded by tonic where they are missing."""

from __future__ import annotations

import glob
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from snn_zo.data.dataset import BadRecordingError, DataError, FileDataset

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from snn_zo.data.recordings import Listing, Recordings

_TIMEOUT_S = 20


@dataclass(frozen=True, kw_only=True)
class TonicDataset(FileDataset):
    """A data set that tonic knows.

    Tonic asks for the original archives and all recordings; here, the recordings that are there are the data set.
    """

    layout: ClassVar[dict[str, str]]
    """Where the files of each part belong, below `root`."""

    def files(self, part: str) -> list[str]:
        """The files of a part, by their paths below `root`; downloaded if there are none.

        Raises:
            DataError: they cannot be downloaded either.
        """
        found = self._files(part)
        if not found:
            self._download(part)
            found = self._files(part)
        if not found:
            raise DataError(f"{self.place(part)} holds no recordings after the download: unpack what came there")
        return found

    def _files(self, part: str) -> list[str]:
        found = glob.glob(self.layout[part], root_dir=self.folder, recursive=True)
        return sorted(found, key=lambda name: name.split(os.sep))

    def place(self, part: str) -> Path:
        """Where the files of a part belong."""
        return self.folder / self.layout[part]

    def source(self, part: str) -> dict[str, object]:
        """Names, sizes and times of change of the files."""
        return {"files": [f"{name}:{_stat(self.folder / name)}" for name in self.files(part)]}

    def fault(self, recordings: Recordings) -> tuple[int, str] | None:
        """Events that cannot be, none at all, or time stamps that are out of order."""
        return recordings.fault() or recordings.disorder()

    def tonic_arguments(self, part: str) -> dict[str, Any]:
        """What tonic's class is told, to get this part."""
        return {} if part == "all" else {"train": part == "train"}

    def _download(self, part: str) -> None:
        """Let tonic download and unpack a part, or leave everything as it was."""
        from tonic import datasets

        name = type(self).__name__
        home = self.folder / Path(self.layout[part]).parts[0]
        before = set(home.rglob("*"))
        absent = [folder for folder in (home, *home.parents) if not folder.exists()]
        timeout = socket.getdefaulttimeout()
        socket.setdefaulttimeout(_TIMEOUT_S)
        missing = type(name, (getattr(datasets, name),), {"_check_exists": lambda _: False})
        try:
            missing(str(self.folder), **self.tonic_arguments(part))
        except (OSError, RuntimeError, HTTPException) as error:
            with suppress(OSError):
                for path in sorted(set(home.rglob("*")) - before, reverse=True):
                    path.rmdir() if path.is_dir() else path.unlink()
                for folder in absent:
                    folder.rmdir()
            raise DataError(
                f"no {home.name} recordings in {self.place(part)}, and downloading them failed ({error}): put them "
                f"there, or set data.root to the folder that holds {home.name}"
            ) from error
        finally:
            socket.setdefaulttimeout(timeout)


@dataclass(frozen=True, kw_only=True)
class FilePerRecording(TonicDataset):
    """A data set whose recordings are a file each, in a folder for each class."""

    folders: ClassVar[tuple[str, ...]]
    """Name of each class's folder."""

    @property
    def classes(self) -> int:
        """One a folder."""
        return len(self.folders)

    def class_name(self, label: int) -> str:
        """The folder's name."""
        return self.folders[label]

    def listing(self, part: str) -> Listing:
        """Files in order of folder and name."""
        import numpy as np

        from snn_zo.data.recordings import Listing

        files = self.files(part)
        return Listing(np.array([self.label(Path(name)) for name in files], np.int64), files)

    def label(self, file: Path) -> int:
        """The class of a file's folder; -1 where it is none."""
        return self.folders.index(file.parent.name) if file.parent.name in self.folders else -1

    def read(self, path: Path) -> NDArray[np.void]:
        """The events of a file: fields t in us, x, y and p."""
        raise NotImplementedError

    def recordings(self, part: str, listing: Listing) -> Recordings:
        """Read these files."""
        events = []
        for name in listing.file:
            with readable(str(self.folder / name)):
                events.append(self.read(self.folder / name))
        return gather(events, listing.label, self.height, self.width)

    def where(self, part: str, listing: Listing, position: int) -> str:
        """The recording's file."""
        return str(self.folder / listing.file[position]) if len(listing) else str(self.place(part))

    def misplaced(self, part: str, listing: Listing, position: int) -> str:
        """The folder that is no class's."""
        folder = (self.folder / listing.file[position]).parent
        return f"{folder} is no class's folder ({self.folders[0]} to {self.folders[-1]})"


@contextmanager
def readable(place: str, error_type: type[DataError] = BadRecordingError) -> Iterator[None]:
    """Whatever goes wrong in reading a file is a fault of the file."""
    try:
        yield
    except (DataError, KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except ImportError as error:
        raise DataError(f"{place} cannot be read: {error}; pip install it") from error
    except BaseException as error:  # a decoder that panics raises no Exception
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise error_type(f"{place} cannot be read ({reason}): remove or replace it") from error


def gather(events: Sequence[NDArray[np.void]], label: NDArray[np.int64], height: int, width: int) -> Recordings:
    """Recordings as structured arrays with t in us, end to end; a missing column is 0.

    Numbers that the columns of `Recordings` cannot hold become -1.
    """
    import numpy as np

    from snn_zo.data.recordings import Recordings

    size = sum(map(len, events))

    def column(name: str, dtype: type) -> Any:
        parts = [piece[name] for piece in events if name in (piece.dtype.names or ())]
        values = np.concatenate(parts) if parts else np.zeros(size, dtype)
        if not np.can_cast(values.dtype, dtype):
            values = np.where(values > np.iinfo(dtype).max, -1, values)
        return values.astype(dtype)

    sample = np.repeat(np.arange(len(events), dtype=np.int32), [len(piece) for piece in events])
    place = (column("x", np.int16), column("y", np.int16), column("p", np.int8))
    return Recordings(sample, column("t", np.int64), *place, label, height, width)


def _stat(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return "unreadable"
    return f"{found.st_size}:{found.st_mtime_ns}"
