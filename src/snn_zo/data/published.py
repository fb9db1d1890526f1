"""Published recordings of event sensors: found below a root folder, downloaded by tonic where they are missing."""

from __future__ import annotations

import functools
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, ClassVar

from snn_zo.data.columns import whole_events
from snn_zo.data.dataset import FileDataset
from snn_zo.data.errors import DataError
from snn_zo.data.fetch import bounded_downloads, leaving_no_folders
from snn_zo.data.layout import counted, files_below, fits, home_of, left_out, near_miss
from snn_zo.data.readable import readable, reason, require_regular

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from snn_zo.data.recordings import Listing, Recordings
    from snn_zo.target import Values

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TonicDataset(FileDataset):
    """A data set that tonic knows.

    Tonic asks for the original archives and all recordings; here, the recordings that are there are the data set.
    """

    layout: ClassVar[dict[str, str]]
    """Where the files of each part belong, below `root`."""

    beside: ClassVar[tuple[str, ...]] = ()
    """Layouts of files that come with the recordings and are not recordings."""

    def files(self, part: str) -> list[str]:
        """The files of a part, by their paths below `root`; downloaded if there are none.

        Raises:
            DataError: they cannot be downloaded either, or they are there under another name.
        """
        found = self._files(part)
        if not found:
            self._download(part)
            found = self._files(part)
        if not found:
            raise DataError(f"{self.place(part)} holds no recordings after the download: unpack what came there")
        return found

    def _files(self, part: str) -> list[str]:
        layout = self.layout[part]
        files = files_below(self.folder, home_of(layout))
        found = [name for name in files if fits(name, layout)]
        if found and (others := left_out(files, layout, self._others(part))):
            _warn_once(
                f"{counted(others)} left out for not fitting {self.place(part)}; the first: {self.folder / others[0]}"
            )
        return found

    def _others(self, part: str) -> list[str]:
        """Layouts of the files that do not belong to a part."""
        return [*(layout for name, layout in self.layout.items() if name != part), *self.beside]

    def place(self, part: str) -> Path:
        """Where the files of a part belong."""
        return self.folder / self.layout[part]

    def source(self, part: str) -> dict[str, object]:
        """Names, sizes and times of change of the files."""
        return {"files": [f"{name}:{_stat(self.folder / name)}" for name in self.files(part)]}

    def fault(self, recordings: Recordings) -> tuple[int, str] | None:
        """Events that cannot be, no events at all, or time stamps that are out of order."""
        return recordings.fault() or recordings.disorder()

    def tonic_arguments(self, part: str) -> dict[str, object]:
        """Arguments with which tonic's class loads this part."""
        return {} if part == "all" else {"train": part == "train"}

    def _download(self, part: str) -> None:
        """Let tonic download and unpack a part, or leave everything as it was."""
        from tonic import datasets

        layout, place = self.layout[part], self.place(part)
        home = home_of(layout)
        missing = f"no {type(self).__name__} recordings in {place}"
        if near := near_miss(self.folder, layout, self._others(part)):
            raise DataError(f"{missing}: {near}")
        cure = f"put them there, or set data.root to the folder that holds {'them' if home == '.' else home}"
        source = getattr(datasets, type(self).__name__, None)
        if source is None:
            raise DataError(f"{missing}: {cure}")
        try:
            with _staging(self.folder, home) as staging, bounded_downloads():
                absent = type(source.__name__, (source,), {"_check_exists": lambda _: False})
                absent(str(staging), **self.tonic_arguments(part))
        except Exception as error:
            raise DataError(f"{missing}, and downloading them failed ({reason(error)}): {cure}") from error


@dataclass(frozen=True, kw_only=True)
class FilePerRecording(TonicDataset):
    """A data set with a file for each recording, in a folder for each class."""

    folders: ClassVar[tuple[str, ...]]
    """Name of each class's folder."""
    largest: ClassVar[int] = 2**28
    """Limit in bytes for the file of a recording."""

    @property
    def classes(self) -> int:
        """As many as there are folders."""
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
        """The class of a file's folder; -1 where the folder is not one of a class."""
        return self.folders.index(file.parent.name) if file.parent.name in self.folders else -1

    def read(self, path: Path) -> NDArray[np.void]:
        """The events of a file: fields t in us, x, y and p."""
        raise NotImplementedError

    def recordings(self, part: str, listing: Listing) -> Recordings:
        """Read these files."""
        events = []
        for name in listing.file:
            path = self.folder / name
            with readable(str(path)):
                require_regular(path, self.largest)
                events.append(whole_events(self.read(path)))
        return gather(events, listing.target, self.height, self.width)

    def where(self, part: str, listing: Listing, position: int) -> str:
        """The recording's file."""
        return str(self.folder / listing.file[position]) if len(listing) else str(self.place(part))

    def misplaced(self, part: str, listing: Listing, position: int) -> str:
        """Names the folder, which is not one of a class."""
        folder = (self.folder / listing.file[position]).parent
        return f"{folder} is no class's folder ({self.folders[0]} to {self.folders[-1]})"


def gather(events: Sequence[NDArray[np.void]], target: Values, height: int, width: int) -> Recordings:
    """Recordings as structured arrays with t in us, one after the other; a missing column is 0.

    Numbers that the columns of `Recordings` cannot hold become -1.
    """
    import numpy as np

    from snn_zo.data.recordings import Recordings

    size = sum(map(len, events))

    def column(name: str, dtype: type) -> NDArray:
        parts = [piece[name] for piece in events if name in (piece.dtype.names or ())]
        values = np.concatenate(parts) if parts else np.zeros(size, dtype)
        return np.where((values < 0) | (values > np.iinfo(dtype).max), -1, values).astype(dtype)

    sample = np.repeat(np.arange(len(events), dtype=np.int32), [len(piece) for piece in events])
    place = (column("x", np.int16), column("y", np.int16), column("p", np.int8))
    return Recordings(sample, column("t", np.int64), *place, target, height, width)


@contextmanager
def _staging(root: Path, home: str) -> Iterator[Path]:
    """A folder whose folder `home` is moved to `root` when the block ends; nothing is left behind if it fails."""
    with leaving_no_folders(root):
        root.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{home}.", dir=root) as staging:
            yield Path(staging)
            shutil.copytree(Path(staging, home), root / home, copy_function=os.replace, dirs_exist_ok=True)


@functools.cache
def _warn_once(message: str) -> None:
    log.warning(message)


def _stat(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return "unreadable"
    return f"{found.st_size}:{found.st_mtime_ns}"
