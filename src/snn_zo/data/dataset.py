"""What a data set is to the platform: settings of how recordings become spikes, and splits of the result."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from snn_zo.data.recordings import Recordings
    from snn_zo.data.store import EventStore

log = logging.getLogger(__name__)


class DataError(Exception):
    """Data that is missing or cannot be read; the message is one line that says what to do."""


class Subset(NamedTuple):
    """Some recordings of a store, by their numbers [S]."""

    store: EventStore
    sample: NDArray[np.int64]


class Splits(NamedTuple):
    """Training, validation and test recordings."""

    train: Subset
    val: Subset
    test: Subset


@dataclass(frozen=True, kw_only=True)
class EventDataset(ABC):
    """A classification data set of event recordings, binned into T steps of dt ms.

    A subclass reads recordings; how they are binned, cached and split is settled here.

    Attributes:
        dt: time step in ms.
        steps: number of time steps T.
        batch_size: recordings a batch.
        val_fraction: share of the training recordings (of all, without a published split) held out to choose the
            checkpoint, stratified.
        split_seed: of the stratified split, apart from the run's seed: every run is tested on the same recordings.
        shuffle: whether each epoch has the training batches in another order.
        cache_dir: folder of binned recordings.
    """

    dt: float
    steps: int
    batch_size: int
    val_fraction: float
    split_seed: int = 0
    shuffle: bool = True
    cache_dir: str

    classes: ClassVar[int]
    version: ClassVar[int] = 1
    """Raised when the code that reads the recordings changes what it reads."""
    shaping: ClassVar[tuple[str, ...]] = ("dt", "steps")
    """The settings that the binned events depend on; they name the cache file."""

    def __post_init__(self) -> None:
        if not 0 < self.dt < float("inf"):
            raise ValueError(f"dt must be a positive number of milliseconds, got {self.dt:g}")
        for name in ("steps", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        self._require_share("val_fraction")

    def _require_share(self, name: str) -> None:
        if not 0 < getattr(self, name) < 1:
            raise ValueError(f"{name} must lie between 0 and 1, got {getattr(self, name):g}")

    def _require_one_of(self, name: str, names: tuple[str, ...]) -> None:
        if getattr(self, name) not in names:
            raise ValueError(f"{name} must be one of {', '.join(names)}, got '{getattr(self, name)}'")

    @property
    @abstractmethod
    def features(self) -> int:
        """Number of inputs N."""

    @property
    def merged(self) -> bool:
        """Whether both polarities of a pixel are one input."""
        return True

    @abstractmethod
    def splits(self) -> Splits:
        """Training, validation and test recordings; binned and cached at the first call.

        Raises:
            DataError: the data is missing or damaged.
        """

    @abstractmethod
    def recordings(self, part: str) -> Iterable[Recordings]:
        """All recordings of a part of the data set, in pieces that fit into memory.

        Args:
            part: one of the names that the subclass's `splits` asks `store` for.
        """

    def store(self, part: str) -> EventStore:
        """The binned recordings of a part, from the cache if they are there."""
        from snn_zo.data.store import EventStore

        path = self.cache_file(part)
        if path.exists():
            try:
                return EventStore.load(path)
            except ValueError as error:
                log.warning("%s; making it again", error)
        pieces, samples = [], 0
        for piece in self.recordings(part):
            if (fault := piece.fault(self.classes)) is not None:
                raise DataError(f"{self.where(part, samples + fault[0])} holds {fault[1]}: remove or replace it")
            samples += len(piece.label)
            pieces.append(EventStore.bin(piece, self.dt, self.steps, self.merged))
        if not samples:
            raise DataError(f"{self.where(part, 0)}: there are no recordings")
        store = EventStore.concatenate(pieces)
        store.save(path)
        return store

    def cache_file(self, part: str) -> Path:
        """File of a part's binned recordings: its name holds a hash of everything that shaped them."""
        values = dataclasses.asdict(self)
        shape = {"class": type(self).__name__, "version": self.version, "part": part, **self.source(part)}
        shape |= {name: values[name] for name in self.shaping}
        digest = hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()[:16]
        return Path(self.cache_dir).expanduser() / f"{type(self).__name__.lower()}-{part}-{digest}.npz"

    def where(self, part: str, sample: int) -> str:
        """The place of a recording, for messages."""
        return f"{type(self).__name__}, part {part}, recording {sample}"

    def source(self, part: str) -> dict[str, object]:
        """What tells one copy of the original files from another; nothing where the data comes with the code."""
        return {}


@dataclass(frozen=True, kw_only=True)
class PublishedSplit(EventDataset):
    """A data set with a published test split; validation is cut out of the training part.

    Attributes:
        root: folder that holds the data set's folder (tonic's `save_to`).
    """

    root: str

    @property
    def folder(self) -> Path:
        """`root`, with ~ expanded."""
        return Path(self.root).expanduser()

    def splits(self) -> Splits:
        """The published test split, and a stratified validation split of the rest."""
        from snn_zo.data.store import all_samples

        train, test = self.store("train"), self.store("test")
        val, rest = stratified(train.label, (self.val_fraction,), self.split_seed)
        return Splits(Subset(train, rest), Subset(train, val), Subset(test, all_samples(test)))


def stratified(label: NDArray[np.int64], shares: tuple[float, ...], seed: int) -> list[NDArray[np.int64]]:
    """Seeded disjoint parts of range(S) with `shares` of every class, each in ascending order.

    Args:
        label: [S] classes.
        shares: fractions; their sum is below 1 and the rest is the last part.
        seed: of the shuffle.

    Raises:
        DataError: there are too few recordings for every class to be in every part.
    """
    import numpy as np
    from sklearn.model_selection import train_test_split

    rest = np.arange(len(label))
    parts = []
    for share in shares:
        part_size = round(share * len(label))
        try:
            rest, part = train_test_split(rest, test_size=part_size, stratify=label[rest], random_state=seed)
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise DataError(f"{len(label)} recordings cannot be split into {share:g} and the rest: {reason}") from error
        parts.append(np.sort(part))
    return [*parts, np.sort(rest)]
