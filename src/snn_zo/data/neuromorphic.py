"""Published recordings of event sensors, read by tonic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.error import URLError

from snn_zo.data.camera import Camera
from snn_zo.data.dataset import DataError, PublishedSplit

if TYPE_CHECKING:
    from pathlib import Path

    from snn_zo.data.recordings import Recordings

_CHUNK = 5000


@dataclass(frozen=True, kw_only=True)
class TonicDataset(PublishedSplit):
    """A data set that tonic reads and, where it is missing, downloads into `root`."""

    height: ClassVar[int]
    width: ClassVar[int]
    layout: ClassVar[str]
    """Where the files belong, for the message when they are not there."""

    def _open(self, part: str) -> Any:
        """Tonic's data set of `train` or `test`."""
        raise NotImplementedError

    def recordings(self, part: str) -> Iterable[Recordings]:
        """All recordings of `train` or `test`, 5,000 at a time."""
        home = self.folder / self.layout.split("/")[0]
        existed = home.exists()
        try:
            source = self._open(part)
        except (URLError, OSError, RuntimeError) as error:
            if home.exists() and not existed and not any(home.iterdir()):
                home.rmdir()  # tonic makes it before it finds that it cannot fill it
            raise DataError(
                f"no {type(self).__name__} recordings in {self.folder / self.layout}, and downloading them failed "
                f"({error}): put them there, or set data.root to the folder that holds them"
            ) from error
        for start in range(0, len(source), _CHUNK):
            items = [source[i] for i in range(start, min(start + _CHUNK, len(source)))]
            yield gather([events for events, _ in items], [int(label) for _, label in items], self.height, self.width)


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
    layout = "NMNIST/{Train,Test}/<digit>/*.bin"

    def _folder(self, part: str) -> Path:
        return self.folder / "NMNIST" / part.capitalize()

    def _open(self, part: str) -> Any:
        import tonic

        folder = self._folder(part)

        class AnyNumber(tonic.datasets.NMNIST):
            """Tonic's reader, content with fewer than 10,000 recordings."""

            def _check_exists(self) -> bool:
                return any(folder.glob("*/*.bin"))

        AnyNumber.__name__ = "NMNIST"  # tonic names the folder after the class
        return AnyNumber(str(self.folder), train=part == "train")

    def source(self, part: str) -> dict[str, object]:
        """Names and sizes of the recordings."""
        files = sorted(self._folder(part).glob("*/*.bin"))
        return {"files": [f"{path.parent.name}/{path.name}:{path.stat().st_size}" for path in files]}


@dataclass(frozen=True, kw_only=True)
class SHD(TonicDataset):
    """Spiking Heidelberg Digits (Cramer et al. 2020): spoken digits through a cochlea model with 700 channels."""

    dt: float = 2.0
    steps: int = 500
    batch_size: int = 256
    val_fraction: float = 0.1

    classes = 20
    height, width = 1, 700
    layout = "SHD/shd_{train,test}.h5"

    @property
    def features(self) -> int:
        """700 channels."""
        return self.width

    def _open(self, part: str) -> Any:
        import tonic

        return tonic.datasets.SHD(str(self.folder), train=part == "train")

    def source(self, part: str) -> dict[str, object]:
        """Size of the file."""
        path = self.folder / "SHD" / f"shd_{part}.h5"
        return {"bytes": path.stat().st_size if path.exists() else None}


def gather(events: Sequence[Any], label: Sequence[int], height: int, width: int) -> Recordings:
    """Tonic's recordings, structured arrays with t in us, end to end."""
    import numpy as np

    from snn_zo.data.recordings import Recordings

    def column(name: str, dtype: type) -> Any:
        parts = [piece[name] for piece in events if name in (piece.dtype.names or ())]
        return np.concatenate(parts).astype(dtype) if parts else np.zeros(sum(map(len, events)), dtype)

    sample = np.repeat(np.arange(len(events), dtype=np.int32), [len(piece) for piece in events])
    t = column("t", np.float64) / 1000
    place = (column("x", np.int16), column("y", np.int16), column("p", np.int8))
    return Recordings(sample, t.astype(np.float32), *place, np.array(label), height, width)
