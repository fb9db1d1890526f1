"""Data sets: recordings that are packed into event stores and split into training, validation and test."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from snn_zo.data.augmentation import Augmentation
from snn_zo.data.reader import EventReader
from snn_zo.places import expanded, require_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from snn_zo.data.splits import Splits
    from snn_zo.data.store import Batch, EventStore


@dataclass(frozen=True, kw_only=True)
class EventDataset(EventReader):
    """Event recordings that are served in batches; a subclass says how they are split.

    Attributes:
        batch_size: recordings in a batch.
        val_fraction: share of the training recordings (of all, without a published split) held out to choose the
            checkpoint, stratified.
        folds: K for cross-validation, in place of the shares; None without.
        fold: the one of the K that is held out.
        split_seed: of the split, apart from the run's seed: every run is tested on the same recordings.
        shuffle: whether each epoch has the training batches in another order.
        workers: processes that assemble batches beside the training; 0 for none.
        augment: of the training recordings.
    """

    batch_size: int
    val_fraction: float
    folds: int | None = None
    fold: int = 0
    split_seed: int = 0
    shuffle: bool = True
    workers: int = 0
    augment: Augmentation = field(default_factory=Augmentation)

    allows: ClassVar[frozenset[str]] = frozenset({"drop", "jitter"})
    """Augmentations after which a recording still has its target."""
    shared: ClassVar[float] = 0.01
    """Share of a part's recordings that another part may hold too, as some published ones do; more is an error."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_positive("batch_size")
        if self.workers < 0:
            raise ValueError(f"workers must be 0 or more, got {self.workers}")
        self._require_share("val_fraction")
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

    @property
    def is_analogue(self) -> bool:
        """Whether the network sees values and not spikes."""
        return False

    def presented(self, batch: Batch) -> Batch:
        """What the network sees of a batch of recordings: their spikes, if a subclass says nothing else."""
        return batch

    @abstractmethod
    def splits(self) -> Splits:
        """Training, validation and test recordings; packed at the first call.

        Raises:
            DataError: the data is missing or damaged.
        """

    def store(self, part: str) -> EventStore:
        """The packed recordings of a part, made at the first call.

        Raises:
            DataError: recordings are missing or cannot be read, or the store cannot be written.
        """
        from snn_zo.data.packing import open_or_build

        if self.traceable:
            return open_or_build(self, part)
        made: dict[str, EventStore] = self.__dict__.setdefault("_made", {})
        if part not in made:
            made[part] = open_or_build(self, part, anew=True)
        return made[part]


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
            test, rest = fold_of(self.target, store.target, self.folds, self.fold, self.split_seed)
            share = self.val_fraction * len(store) / len(rest)
            parts = stratified(self.target, store.target[rest], (share,), self.split_seed)
            val, train = (rest[part] for part in parts)
        else:
            shares = (self.test_fraction, self.val_fraction)
            test, val, train = stratified(self.target, store.target, shares, self.split_seed)
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
            return fold_of(self.target, train.target, self.folds, self.fold, self.split_seed)
        val, rest = stratified(self.target, train.target, (self.val_fraction,), self.split_seed)
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
