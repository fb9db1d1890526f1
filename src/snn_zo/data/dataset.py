"""What a data set is to the platform: settings of how recordings become spikes, and splits of the result."""

from __future__ import annotations

import hashlib
import json
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from snn_zo.data.augmentation import Augmentation
from snn_zo.data.binning import Grid
from snn_zo.places import expanded, require_folder
from snn_zo.target import Classes, Target

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from snn_zo.data.recordings import Listing, Recordings
    from snn_zo.data.splits import Splits
    from snn_zo.data.store import EventStore

CLIPS = ("binary", "counts")


class DataError(Exception):
    """Data that is missing or cannot be read; the message is one line that says what to do."""


class BadRecordingError(DataError):
    """One recording that cannot be used; `on_bad=skip` does without it."""


@dataclass(frozen=True, kw_only=True)
class EventDataset(ABC):
    """A classification data set of event recordings, binned into T steps of dt ms.

    A subclass lists recordings and reads them; how they are binned, stored and split is settled here and in
    `SeededSplit` or `PublishedSplit`.

    Attributes:
        dt: time step in ms.
        steps: number of time steps T.
        start: of the first step, ms after the beginning of a recording.
        downsample: side of the square of pixels (run of channels) that share an input.
        clip: an input that gets several events in a step spikes once, `binary`, or as often, `counts`.
        batch_size: recordings a batch.
        val_fraction: share of the training recordings (of all, without a published split) held out to choose the
            checkpoint, stratified.
        folds: K for cross-validation, in place of the shares; None without.
        fold: the one of the K that is held out.
        limit: recordings of each class that are used in each part, the first ones; None for all.
        split_seed: of the split, apart from the run's seed: every run is tested on the same recordings.
        shuffle: whether each epoch has the training batches in another order.
        workers: processes that assemble batches beside the training; 0 for none.
        on_bad: `error` at a bad recording, or `skip` it and say so.
        augment: of the training recordings.
        cache_dir: folder of event stores.
    """

    dt: float
    steps: int
    start: float = 0.0
    downsample: int = 1
    clip: str = "binary"
    batch_size: int
    val_fraction: float
    folds: int | None = None
    fold: int = 0
    limit: int | None = None
    split_seed: int = 0
    shuffle: bool = True
    workers: int = 0
    on_bad: str = "error"
    augment: Augmentation = field(default_factory=Augmentation)
    cache_dir: str

    parts: ClassVar[tuple[str, ...]] = ("all",)
    """What the original data comes in."""
    version: ClassVar[int] = 1
    """Raised when the code that reads the recordings changes what it reads."""
    shaping: ClassVar[tuple[str, ...]] = ("dt", "steps", "start", "downsample", "clip", "limit", "on_bad")
    """The settings that the packed events depend on; they name the store."""
    allows: ClassVar[frozenset[str]] = frozenset({"drop", "jitter"})
    """Augmentations after which a recording is still one of its class."""
    workers_are: ClassVar[str] = "processes"
    """What reads the chunks at the same time: `processes`, or `threads` where reading is little Python."""
    shared: ClassVar[float] = 0.01
    """Share of a part's recordings that another part may hold too, as some published ones do; more is an error."""

    def __post_init__(self) -> None:
        if not 0 < self.dt < float("inf"):
            raise ValueError(f"dt must be a positive number of milliseconds, got {self.dt:g}")
        if not 0 <= self.start < float("inf"):
            raise ValueError(f"start must be a number of milliseconds, 0 or more, got {self.start:g}")
        for name in ("steps", "downsample", "batch_size", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.workers < 0:
            raise ValueError(f"workers must be 0 or more, got {self.workers}")
        require_folder("cache_dir", self.cache_dir, "SNN_ZO_CACHE")
        self._require_share("val_fraction")
        self._require_one_of("clip", CLIPS)
        self._require_one_of("on_bad", ("error", "skip"))
        if self.folds is not None and self.folds < 2:
            raise ValueError(f"folds must be at least 2, got {self.folds}")
        if not 0 <= self.fold < (self.folds or 1):
            range_ = f"lie in 0 to {self.folds - 1}" if self.folds else "be 0 without data.folds"
            raise ValueError(f"fold must {range_}, got {self.fold}")
        for name in self.augment.used():
            if name not in self.allows:
                allowed = ", ".join(sorted(self.allows))
                raise ValueError(
                    f"augment.{name} would change what a recording of {type(self).__name__} is; allowed are {allowed}"
                )

    def _require_share(self, name: str) -> None:
        if not 0 < getattr(self, name) < 1:
            raise ValueError(f"{name} must lie between 0 and 1, got {getattr(self, name):g}")

    def _require_one_of(self, name: str, names: tuple[str, ...]) -> None:
        if getattr(self, name) not in names:
            raise ValueError(f"{name} must be one of {', '.join(names)}, got '{getattr(self, name)}'")

    # ---- what a subclass says

    @property
    @abstractmethod
    def classes(self) -> int:
        """Number of classes."""

    @property
    @abstractmethod
    def height(self) -> int:
        """Rows of the sensor."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Columns of the sensor."""

    @property
    def merged(self) -> bool:
        """Whether both polarities of a pixel are one input."""
        return True

    @property
    def chunk(self) -> int:
        """Recordings that are read at once."""
        return 64

    @abstractmethod
    def listing(self, part: str) -> Listing:
        """The recordings of a part, always in the same order.

        Raises:
            DataError: they are missing.
        """

    @abstractmethod
    def recordings(self, part: str, listing: Listing) -> Recordings:
        """Read some of a part's recordings, in another process perhaps.

        Raises:
            BadRecordingError: one of them cannot be read.
            DataError: none of them can.
        """

    @abstractmethod
    def splits(self) -> Splits:
        """Training, validation and test recordings; packed at the first call.

        Raises:
            DataError: the data is missing or damaged.
        """

    def source(self, part: str) -> dict[str, object]:
        """What tells the recordings from others, as checksums do; nothing where code and settings say it all.

        A class outside of this package has to say so itself, else every process packs its recordings anew.
        """
        return {}

    def class_name(self, label: int) -> str:
        """What to call a class in a table."""
        return str(label)

    def fault(self, recordings: Recordings) -> tuple[int, str] | None:
        """The first of some recordings that cannot be one of this data set, and what is wrong; None if all can."""
        return recordings.fault()

    def where(self, part: str, listing: Listing, position: int) -> str:
        """The place of a recording, for messages."""
        number = listing.number[position] if len(listing) else 0
        return f"{type(self).__name__}, part {part}, recording {number}"

    def misplaced(self, part: str, listing: Listing, position: int) -> str:
        """What is wrong with a recording whose label is no class."""
        place, label = self.where(part, listing, position), listing.label[position]
        return f"{place} holds label {label}, which is not one of 0 to {self.classes - 1}"

    # ---- what follows from it

    @property
    def target(self) -> Target:
        """What is to be learned of a recording."""
        return Classes(self.classes)

    @property
    def grid(self) -> Grid:
        """The time steps and inputs that the recordings are binned on."""
        return Grid(
            self.height,
            self.width,
            1 if self.merged else 2,
            self.dt,
            self.steps,
            self.start,
            self.downsample,
            self.clip == "counts",
        )

    @property
    def features(self) -> int:
        """Number of inputs N."""
        return self.grid.features

    def store(self, part: str) -> EventStore:
        """The packed recordings of a part, made at the first call.

        Raises:
            DataError: recordings are missing or cannot be read, or the store cannot be written.
        """
        from snn_zo.data.packing import open_or_build

        if self._traceable:
            return open_or_build(self, part)
        made: dict[str, EventStore] = self.__dict__.setdefault("_made", {})
        if part not in made:
            made[part] = open_or_build(self, part, anew=True)
        return made[part]

    @property
    def _traceable(self) -> bool:
        """Whether the name of a store tells its recordings from all others."""
        ours = _is_ours(type(self))
        return ours or (type(self).source is not EventDataset.source and None not in _code(type(self)))

    def cache_file(self, part: str) -> Path:
        """File of a part's store: its name holds a hash of everything that shaped it."""
        from snn_zo.data.store import FORMAT

        name = type(self).__name__
        kind = {"class": [name, *_code(type(self))], "version": self.version}
        shape = {**kind, "format": FORMAT, "part": part, **self.source(part)}
        shape |= {name: getattr(self, name) for name in self.shaping}
        digest = hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()[:16]
        return expanded(self.cache_dir) / f"{name.lower()}-{part}-{digest}.events"


def _is_ours(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in ("snn_zo", "builtins", "abc")


def _code(kind: type) -> list[str | None]:
    """Digests of the files that a class of the user's is written in; None for one that is in no file."""
    modules = dict.fromkeys(base.__module__ for base in kind.__mro__ if not _is_ours(base))
    return [_digest(getattr(sys.modules.get(module), "__file__", None)) for module in modules]


def _digest(file: str | None) -> str | None:
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else None
    except OSError:  # in an archive
        return None


@dataclass(frozen=True, kw_only=True)
class SeededSplit(EventDataset):
    """A data set without a published split: all recordings are split here, stratified and seeded.

    With `folds`, fold number `fold` is the test set.

    Attributes:
        test_fraction: share of the recordings held out for the final test.
    """

    test_fraction: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_share("test_fraction")
        if self.val_fraction + (1 / self.folds if self.folds else self.test_fraction) >= 1:
            raise ValueError("val_fraction and test_fraction leave nothing to train on")

    def splits(self) -> Splits:
        """Every class has its share in each part."""
        from snn_zo.data.splits import Splits, Subset, fold_of, stratified

        store = self.store("all")
        if self.folds:
            test, rest = fold_of(store.label, self.folds, self.fold, self.split_seed)
            share = self.val_fraction * len(store) / len(rest)
            val, train = (rest[part] for part in stratified(store.label[rest], (share,), self.split_seed))
        else:
            test, val, train = stratified(store.label, (self.test_fraction, self.val_fraction), self.split_seed)
        return Splits(Subset(store, train), Subset(store, val), Subset(store, test))


@dataclass(frozen=True, kw_only=True)
class PublishedSplit(EventDataset):
    """A data set with a published test split; validation is cut out of the training part, stratified and seeded.

    With `folds`, fold number `fold` of the training part is the validation set.
    """

    parts: ClassVar[tuple[str, ...]] = ("train", "test")

    def splits(self) -> Splits:
        """The published test split, and a validation split of the rest."""
        from snn_zo.data.splits import Splits, Subset, everything

        train, test = self.store("train"), self.store("test")
        val, rest = self._held_out(train)
        return Splits(Subset(train, rest), Subset(train, val), everything(test))

    def _held_out(self, train: EventStore) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Validation recordings, and the rest."""
        from snn_zo.data.splits import fold_of, stratified

        if self.folds:
            return fold_of(train.label, self.folds, self.fold, self.split_seed)
        val, rest = stratified(train.label, (self.val_fraction,), self.split_seed)
        return val, rest


@dataclass(frozen=True, kw_only=True)
class FileDataset(EventDataset):
    """A data set in files of its own.

    Attributes:
        root: folder that holds the data set's folder (tonic's `save_to`).
    """

    root: str

    def __post_init__(self) -> None:
        super().__post_init__()
        require_folder("root", self.root, "SNN_ZO_DATA")

    @property
    def folder(self) -> Path:
        """`root`, with ~ expanded."""
        return expanded(self.root)
