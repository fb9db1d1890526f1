"""What a data set is to the platform: settings that say how recordings become spikes, and splits of the result."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from snn_zo.data.store import EventStore

POLARITIES = ("separate", "merged")


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

    Attributes:
        dt: time step in ms.
        steps: number of time steps T.
        polarities: `separate` inputs for each polarity, or `merged`.
        batch_size: recordings a training batch.
        val_fraction: share of the recordings held out to choose the checkpoint.
        split_seed: of the stratified split, apart from the run's seed: every run is tested on the same recordings.
        cache_dir: folder of binned recordings.
    """

    dt: float
    steps: int
    polarities: str = "separate"
    batch_size: int = 64
    val_fraction: float = 0.1
    split_seed: int = 0
    cache_dir: str

    classes: ClassVar[int]
    shaping: ClassVar[tuple[str, ...]] = ("dt", "steps", "polarities")
    """The settings that the binned events depend on; they name the cache file."""

    def __post_init__(self) -> None:
        if not self.dt > 0:
            raise ValueError(f"dt must be a positive number of milliseconds, got {self.dt:g}")
        for name in ("steps", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.polarities not in POLARITIES:
            raise ValueError(f"polarities must be one of {', '.join(POLARITIES)}, got '{self.polarities}'")
        self._require_share("val_fraction")

    def _require_share(self, name: str) -> None:
        if not 0 < getattr(self, name) < 1:
            raise ValueError(f"{name} must lie between 0 and 1, got {getattr(self, name):g}")

    @property
    @abstractmethod
    def features(self) -> int:
        """Number of inputs N."""

    @abstractmethod
    def splits(self) -> Splits:
        """Training, validation and test recordings; binned and cached at the first call."""

    def cache_file(self, version: int) -> Path:
        """File of the binned recordings: its name holds a hash of everything that shaped them.

        Args:
            version: raised when the code that makes them changes what it makes.
        """
        values = dataclasses.asdict(self)
        shape = {"class": type(self).__name__, "version": version} | {name: values[name] for name in self.shaping}
        digest = hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()[:16]
        return Path(self.cache_dir).expanduser() / f"{type(self).__name__.lower()}-{digest}.npz"


def stratified(label: NDArray[np.int64], shares: tuple[float, ...], seed: int) -> list[NDArray[np.int64]]:
    """Seeded disjoint parts of range(S) with `shares` of every class, each in ascending order.

    Args:
        label: [S] classes.
        shares: fractions; their sum is below 1 and the rest is the last part.
        seed: of the shuffle.

    Raises:
        ValueError: a class is too rare to be in every part.
    """
    import numpy as np
    from sklearn.model_selection import train_test_split

    rest = np.arange(len(label))
    parts = []
    for share in shares:
        part_size = round(share * len(label))
        rest, part = train_test_split(rest, test_size=part_size, stratify=label[rest], random_state=seed)
        parts.append(np.sort(part))
    return [*parts, np.sort(rest)]
