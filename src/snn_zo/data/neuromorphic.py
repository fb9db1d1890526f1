"""The published benchmarks: recordings of event cameras and of cochlea models, and images as spike trains."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from snn_zo.data.camera import Camera, Polarities
from snn_zo.data.columns import stack, whole, whole_events
from snn_zo.data.dataset import PublishedSplit, SeededSplit
from snn_zo.data.errors import BadRecordingError, DataError
from snn_zo.data.heidelberg import Heidelberg
from snn_zo.data.idx import SIDE, read_idx
from snn_zo.data.published import FilePerRecording, TonicDataset, gather
from snn_zo.data.readable import readable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from snn_zo.data.recordings import Listing, Recordings
    from snn_zo.data.splits import Splits
    from snn_zo.data.store import EventStore

Validation = Literal["speaker", "stratified"]

_MOST_EVENTS = 2**24
_IDX = ("images-idx3", "labels-idx1")
_MOVED = frozenset({"drop", "jitter", "shift", "crop"})

_CALTECH = """
BACKGROUND_Google Faces_easy Leopards Motorbikes accordion airplanes anchor ant barrel bass beaver binocular bonsai
brain brontosaurus buddha butterfly camera cannon car_side ceiling_fan cellphone chair chandelier cougar_body
cougar_face crab crayfish crocodile crocodile_head cup dalmatian dollar_bill dolphin dragonfly electric_guitar elephant
emu euphonium ewer ferry flamingo flamingo_head garfield gerenuk gramophone grand_piano hawksbill headphone hedgehog
helicopter ibis inline_skate joshua_tree kangaroo ketch lamp laptop llama lobster lotus mandolin mayfly menorah
metronome minaret nautilus octopus okapi pagoda panda pigeon pizza platypus pyramid revolver rhino rooster saxophone
schooner scissors scorpion sea_horse snoopy soccer_ball stapler starfish stegosaurus stop_sign strawberry sunflower tick
trilobite umbrella watch water_lilly wheelchair wild_cat windsor_chair wrench yin_yang
"""


@dataclass(frozen=True, kw_only=True)
class NMNIST(FilePerRecording, Camera, PublishedSplit):
    """N-MNIST (Orchard et al. 2015): MNIST before a moving 34 x 34 event camera, about 300 ms.

    Any number of recordings in `<root>/NMNIST/{Train,Test}/<digit>/*.bin`.
    """

    dt: float = 3.0
    steps: int = 100
    batch_size: int = 64
    val_fraction: float = 0.1
    polarities: Polarities = "merged"

    height = width = 34
    folders = tuple("0123456789")
    largest = 2**24
    layout = {"train": "NMNIST/Train/*/*.bin", "test": "NMNIST/Test/*/*.bin"}  # noqa: RUF012
    allows = _MOVED

    def read(self, path: Path) -> NDArray[np.void]:
        """Events of 5 bytes."""
        return read_bin(path)


@dataclass(frozen=True, kw_only=True)
class DVSGesture(FilePerRecording, Camera, PublishedSplit):
    """DVS128 Gesture (Amir et al. 2017): eleven gestures of 29 people before a 128 x 128 event camera, about 6 s.

    `<root>/DVSGesture/ibmGesture{Train,Test}/user<NN>_<light>/<label>.npy`, tonic's cut of the original recordings.
    Left and right are classes of their own: no flips.
    """

    dt: float = 30.0
    steps: int = 200
    downsample: int = 4
    batch_size: int = 32
    val_fraction: float = 0.1

    height = width = 128
    folders = (
        *("hand clapping", "right hand wave", "left hand wave", "right arm clockwise"),
        *("right arm counterclockwise", "left arm clockwise", "left arm counterclockwise"),
        *("arm roll", "air drums", "air guitar", "other gestures"),
    )
    layout = {  # noqa: RUF012
        "train": "DVSGesture/ibmGestureTrain/*/*.npy",
        "test": "DVSGesture/ibmGestureTest/*/*.npy",
    }
    allows = _MOVED
    chunk = 8

    def label(self, file: Path) -> int:
        """The number that the file is named after."""
        return int(file.stem) if file.stem.isdecimal() and int(file.stem) < self.classes else -1

    def misplaced(self, part: str, listing: Listing, position: int) -> str:
        """The file that is not named after a gesture."""
        return f"{self.where(part, listing, position)} is not named after a gesture, 0.npy to {self.classes - 1}.npy"

    def read(self, path: Path) -> NDArray[np.void]:
        """Rows of x, y, p and t in ms."""
        return _from_first(read_npy(path, ("x", "y", "p", "t"), microseconds=1000))


@dataclass(frozen=True, kw_only=True)
class CIFAR10DVS(FilePerRecording, Camera, SeededSplit):
    """CIFAR10-DVS (Li et al. 2017): 10,000 images of CIFAR-10 moved before a 128 x 128 event camera, about 1.3 s.

    `<root>/CIFAR10DVS/<class>/*.aedat4`. There is no published split.
    """

    dt: float = 10.0
    steps: int = 130
    downsample: int = 4
    batch_size: int = 64
    val_fraction: float = 0.1

    height = width = 128
    folders = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    layout = {"all": "CIFAR10DVS/*/*.aedat4"}  # noqa: RUF012
    allows = _MOVED | {"flip"}
    chunk = 16

    def read(self, path: Path) -> NDArray[np.void]:
        """Packets of events, with the camera's clock."""
        from tonic.io import read_aedat4

        events = read_aedat4(str(path))
        events.dtype.names = ["t", "x", "y", "p"]
        return _from_first(whole_events(events))


@dataclass(frozen=True, kw_only=True)
class NCALTECH101(FilePerRecording, Camera, SeededSplit):
    """N-Caltech101 (Orchard et al. 2015): 8,709 photographs before a moving camera, up to 240 x 180, about 300 ms.

    `<root>/NCALTECH101/**/Caltech101/<class>/*.bin`. There is no published split. As tonic does it, each recording is
    moved to the upper left corner.
    """

    dt: float = 5.0
    steps: int = 60
    downsample: int = 4
    batch_size: int = 64
    val_fraction: float = 0.1

    height, width = 180, 240
    folders = tuple(_CALTECH.split())
    largest = 2**24
    layout = {"all": "NCALTECH101/**/Caltech101/*/*.bin"}  # noqa: RUF012
    beside = ("NCALTECH101/**/Caltech101_annotations/**/*",)
    allows = _MOVED | {"flip"}
    chunk = 16

    def read(self, path: Path) -> NDArray[np.void]:
        """Events of 5 bytes."""
        events = read_bin(path)
        for axis, size in (("x", self.width), ("y", self.height)) if len(events) else ():
            if events[axis].max() < size:  # else it is refused, as an event outside the sensor
                events[axis] -= events[axis].min()
        return events


@dataclass(frozen=True, kw_only=True)
class POKERDVS(FilePerRecording, Camera, PublishedSplit):
    """POKER-DVS (Serrano-Gotarredona and Linares-Barranco 2015): pips of poker cards, 35 x 35, about 30 ms.

    `<root>/POKERDVS/pips_{train,test}/<suit>/*.npy`: clubs, hearts, diamonds, spades.
    """

    dt: float = 0.2
    steps: int = 150
    batch_size: int = 8
    val_fraction: float = 0.2

    height = width = 35
    folders = ("cl", "he", "di", "sp")
    layout = {"train": "POKERDVS/pips_train/**/*.npy", "test": "POKERDVS/pips_test/**/*.npy"}  # noqa: RUF012
    allows = _MOVED | {"flip"}

    def label(self, file: Path) -> int:
        """The suit that the folder's name ends with."""
        return self.folders.index(file.parent.name[-2:]) if file.parent.name[-2:] in self.folders else -1

    def read(self, path: Path) -> NDArray[np.void]:
        """Rows of t in us, x, y and p."""
        return _from_first(read_npy(path, ("t", "x", "y", "p"), microseconds=1))


@dataclass(frozen=True, kw_only=True)
class HeidelbergDataset(TonicDataset):
    """Words through a cochlea model with 700 channels, about 1 s (Cramer et al. 2020), an HDF5 file for each part."""

    height, width = 1, 700
    allows = frozenset({"drop", "jitter", "shift"})

    def listing(self, part: str) -> Listing:
        """Recordings in the order of the file, with their speakers."""
        from snn_zo.data.recordings import Listing

        path = self.folder / self.files(part)[0]
        with readable(str(path), DataError), Heidelberg(path) as file:
            return Listing(file.label, group=file.speaker)

    def recordings(self, part: str, listing: Listing) -> Recordings:
        """Read these rows of the file."""
        path = self.folder / self.files(part)[0]
        events = []
        with readable(str(path), DataError), Heidelberg(path) as file:
            for i, number in enumerate(listing.number.tolist()):
                with readable(self.where(part, listing, i)):
                    events.append(file.events(number))
        return gather(events, listing.target, self.height, self.width)

    def where(self, part: str, listing: Listing, position: int) -> str:
        """The file, and the recording's number in it."""
        number = f", recording {listing.number[position]}," if len(listing) else ""
        return f"{self.place(part)}{number}"


@dataclass(frozen=True, kw_only=True)
class SHD(HeidelbergDataset, PublishedSplit):
    """Spiking Heidelberg Digits: zero to nine in English and German.

    Attributes:
        validation: `speaker`: on speakers that the training does not hear, as the test does for the most part; or
            `stratified` over all recordings.
    """

    dt: float = 2.0
    steps: int = 500
    batch_size: int = 256
    val_fraction: float = 0.1
    validation: Validation = "speaker"

    classes = 20
    layout = {"train": "SHD/shd_train.h5", "test": "SHD/shd_test.h5"}  # noqa: RUF012

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_one_of("validation", get_args(Validation))

    def _held_out(self, train: EventStore) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        from snn_zo.data.splits import apart, fold_of

        if self.validation == "stratified":
            return super()._held_out(train)
        speaker = self.listing("train").group
        if speaker is None:
            raise DataError(f"{self.place('train')} does not say who speaks: set data.validation=stratified")
        speaker = speaker[train.origin]
        if self.folds:
            return fold_of(self.target, train.target, self.folds, self.fold, self.split_seed, speaker)
        return apart(speaker, self.val_fraction, self.split_seed)


@dataclass(frozen=True, kw_only=True)
class SSC(HeidelbergDataset, PublishedSplit):
    """Spiking Speech Commands: 35 words. The published validation part has speakers of its own."""

    dt: float = 2.0
    steps: int = 500
    batch_size: int = 256
    val_fraction: float = 0.1

    classes = 35
    parts = ("train", "valid", "test")
    layout = {part: f"SSC/ssc_{part}.h5" for part in parts}  # noqa: RUF012

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.folds:
            raise ValueError("folds are not for SSC, which has a published validation part")

    def tonic_arguments(self, part: str) -> dict[str, object]:
        """Tonic's name for the part."""
        return {"split": part}

    def splits(self) -> Splits:
        """The published parts."""
        from snn_zo.data.splits import Splits, everything

        return Splits(*(everything(self.store(part)) for part in self.parts))


@dataclass(frozen=True, kw_only=True)
class SMNIST(TonicDataset, PublishedSplit):
    """Spiking sequential MNIST (Bellec et al. 2018): pixel after pixel, 99 inputs that spike when grey changes, 1.6 s.

    `<root>/smnist/{train,t10k}-{images-idx3,labels-idx1}-ubyte`.
    """

    dt: float = 1.0
    steps: int = 1568
    batch_size: int = 256
    val_fraction: float = 1 / 12

    classes = 10
    height, width = 1, 99
    layout = {"train": "smnist/train-*-ubyte", "test": "smnist/t10k-*-ubyte"}  # noqa: RUF012
    chunk = 500

    def listing(self, part: str) -> Listing:
        """Images in the order of the file."""
        import numpy as np

        from snn_zo.data.recordings import Listing

        return Listing(self._images(part).label_data.astype(np.int64))

    def recordings(self, part: str, listing: Listing) -> Recordings:
        """These images as spikes."""
        images = self._images(part)
        events = [whole_events(images[i][0]) for i in listing.number.tolist()]
        return gather(events, listing.target, self.height, self.width)

    def fault(self, recordings: Recordings) -> tuple[int, str] | None:
        """Events that cannot be, or none at all; tonic's spikes need not be in order of time."""
        return recordings.fault() or recordings.silence()

    def _files(self, part: str) -> list[str]:
        found = super()._files(part)
        return found if len(found) == len(_IDX) else []

    def _images(self, part: str) -> Any:
        return _smnist(self.folder, part, str(self.source(part)))

    def where(self, part: str, listing: Listing, position: int) -> str:
        """The files, and the number of the image in them."""
        number = f", image {listing.number[position]}," if len(listing) else ""
        return f"{self.place(part)}{number}"


@functools.lru_cache(maxsize=1)
def _smnist(root: Path, part: str, state_of_files: str) -> Any:
    from tonic.datasets import SMNIST as Images

    prefix = "train" if part == "train" else "t10k"
    images, labels = (root / f"smnist/{prefix}-{kind}-ubyte" for kind in _IDX)
    # tonic allocates what the files say of their size, without a check
    shape = read_idx(images, dimensions=3).shape
    if shape != (len(read_idx(labels, dimensions=1)), SIDE, SIDE):
        raise DataError(f"{images}: {shape} images do not fit {labels}: remove or replace them")
    return Images(str(root), train=part == "train")


def read_bin(path: Path) -> NDArray[np.void]:
    """Events of a file in the format of N-MNIST.

    Raises:
        BadRecordingError: it is not a whole number of events.
    """
    import numpy as np

    size = path.stat().st_size
    if size == 0 or size % 5:
        raise BadRecordingError(f"{path} is damaged, {size} bytes are no whole number of events: remove or replace it")
    byte = np.fromfile(path, np.uint8).reshape(-1, 5).astype(np.int64)
    x, y, high = byte[:, :3].T
    # row 240 stands for an overflow of the lower 13 bits of the clock, not for an event
    overflow = y == 240
    t = byte[:, 2:] @ [1 << 16, 1 << 8, 1] % (1 << 23) + (np.cumsum(overflow) << 13)
    return stack(t=t, x=x, y=y, p=high >> 7)[~overflow]


def read_npy(path: Path, columns: tuple[str, ...], microseconds: int) -> NDArray[np.void]:
    """Events that are the rows of an array.

    Args:
        path: of the file.
        columns: what its columns are.
        microseconds: unit of its time.

    Raises:
        ValueError: it holds something else.
    """
    import numpy as np

    try:
        # mapping the file fails where it is shorter than its header says
        with np.errstate(over="ignore"):
            table = np.lib.format.open_memmap(path, mode="r")
    except OSError:
        raise
    except (MemoryError, Exception) as error:  # numpy's parser may raise anything
        raise ValueError("no array of numbers in numpy's format, or one that is cut short") from error
    if table.size > _MOST_EVENTS * len(columns):
        raise ValueError(f"{len(table):,} events, where {_MOST_EVENTS:,} are the most")
    if table.ndim != 2 or table.shape[1] != len(columns):
        raise ValueError(f"an array of shape {table.shape} holds no rows of {', '.join(columns)}")
    rows = np.asarray(table).T
    return stack(
        **{name: whole(name, row, microseconds if name == "t" else 1) for name, row in zip(columns, rows, strict=True)}
    )


def _from_first(events: NDArray[np.void]) -> NDArray[np.void]:
    """Events with times since the first one: the clock of the camera had been running before."""
    events["t"] -= events["t"][:1].sum()
    return events
