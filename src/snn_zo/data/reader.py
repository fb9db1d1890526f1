"""Which recordings a data set has, how they are read, and the grid of steps and inputs that they are binned on."""

from __future__ import annotations

import hashlib
import json
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from snn_zo.data.binning import Grid
from snn_zo.places import expanded, require_folder
from snn_zo.target import Classes, Target

if TYPE_CHECKING:
    from snn_zo.data.recordings import Listing, Recordings

Clip = Literal["binary", "counts"]
OnBad = Literal["error", "skip"]
Workers = Literal["processes", "threads"]


@dataclass(frozen=True, kw_only=True)
class EventReader(ABC):
    """Event recordings, binned into T steps of dt ms.

    A data set derives from `SeededSplit` or `PublishedSplit`, which know how they are split and served.

    Attributes:
        dt: time step in ms.
        steps: number of time steps T.
        start: of the first step, ms after the beginning of a recording.
        downsample: side of the square of pixels (run of channels) that share an input.
        clip: an input that gets several events in a step spikes once, `binary`, or as often, `counts`.
        limit: recordings of each class that are used in each part, the first ones; None for all. Continuous targets
            count as ten classes of neighbouring values.
        on_bad: `error` at a bad recording, or `skip` it and say so.
        cache_dir: folder of event stores.
    """

    dt: float
    steps: int
    start: float = 0.0
    downsample: int = 1
    clip: Clip = "binary"
    limit: int | None = None
    on_bad: OnBad = "error"
    cache_dir: str

    parts: ClassVar[tuple[str, ...]] = ("all",)
    """Names of the parts that the original data comes in."""
    version: ClassVar[int] = 1
    """Raised when the code that reads the recordings changes what it reads."""
    shaping: ClassVar[tuple[str, ...]] = ("dt", "steps", "start", "downsample", "clip", "limit", "on_bad")
    """The settings that the packed events depend on; they name the store."""
    workers_are: ClassVar[Workers] = "processes"
    """What reads several chunks at the same time: `processes`, or `threads` where reading is little Python."""

    def __post_init__(self) -> None:
        if type(self).target is EventReader.target and type(self).classes is EventReader.classes:
            raise ValueError(
                f"{type(self).__name__} must say how many classes it has, or the target that is to be learned"
            )
        if not 0 < self.dt < float("inf"):
            raise ValueError(f"dt must be a positive number of milliseconds, got {self.dt:g}")
        if not 0 <= self.start < float("inf"):
            raise ValueError(f"start must be a number of milliseconds, 0 or more, got {self.start:g}")
        self._require_positive("steps", "downsample", "limit")
        require_folder("cache_dir", self.cache_dir, "SNN_ZO_CACHE")
        self._require_one_of("clip", get_args(Clip))
        self._require_one_of("on_bad", get_args(OnBad))

    def _require_positive(self, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")

    def _require_one_of(self, name: str, names: tuple[str, ...]) -> None:
        if getattr(self, name) not in names:
            raise ValueError(f"{name} must be one of {', '.join(names)}, got '{getattr(self, name)}'")

    # ---- what a subclass says

    @property
    def classes(self) -> int:
        """Number of classes; a data set without classes says its `target`."""
        raise AttributeError(f"{type(self).__name__} has no classes")

    @property
    def target(self) -> Target:
        """What is to be learned of a recording: which of the `classes` it is, if a subclass does not say otherwise."""
        return Classes(self.classes)

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
        """What is wrong with a recording whose target is not in range."""
        return f"{self.where(part, listing, position)} holds {self.target.fault(listing.target[position])}"

    # ---- what follows from it

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
    def in_shape(self) -> tuple[int, ...]:
        """Feature shape of the inputs: (polarities, rows, columns) of a camera, (N,) of a single row of channels."""
        return self.grid.shape

    @property
    def inputs(self) -> int:
        """Number of inputs N, the product of `in_shape`."""
        return self.grid.inputs

    @property
    def traceable(self) -> bool:
        """Whether the name of a store tells its recordings from all others."""
        return _is_ours(type(self)) or (type(self).source is not EventReader.source and None not in _code(type(self)))

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
