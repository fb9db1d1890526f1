"""MNIST and Fashion-MNIST: images from IDX files, coded as spikes."""

from __future__ import annotations

import functools
import gzip
import hashlib
import math
import os
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Literal, get_args

from snn_zo.data.dataset import EventDataset, FileDataset, PublishedSplit
from snn_zo.data.direct import Images, as_bits
from snn_zo.data.errors import BadRecordingError, DataError
from snn_zo.data.fetch import fetch
from snn_zo.data.layout import near_miss
from snn_zo.data.readable import open_regular, readable, reason

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from snn_zo.data.recordings import Listing, Recordings
    from snn_zo.target import Values

SIDE = 28
Code = Literal["latency", "rate", "direct"]
_PREFIX = {"train": "train", "test": "t10k"}
_FOREVER_US = 2**62
_MOST = 1_000_000
"""Limit of the images, or labels, in a file."""


@dataclass(frozen=True, kw_only=True)
class IdxImages(Images, FileDataset, PublishedSplit):
    """28 x 28 grey images in IDX files (LeCun et al. 1998), one input for each pixel.

    Looks for `<root>/<name>/raw/{train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz]`, then in the folders of
    `installed`, then downloads.

    Attributes:
        code: `latency`: a pixel of intensity x in [0, 1] spikes once, at t = tau_eff ln(x / (x - threshold)), and not
            at all where x <= threshold; `rate`: it spikes in each step with probability x max_rate dt; `direct`: the
            network sees x at each step.
        tau_eff: time constant of the latency code in ms.
        threshold: of the latency code.
        max_rate: of the rate code, spikes per second at x = 1.
    """

    dt: float = 1.0
    steps: int = 100
    batch_size: int = 256
    val_fraction: float = 1 / 12
    code: Code = "latency"
    tau_eff: float = 20.0
    threshold: float = 0.2
    max_rate: float = 100.0

    classes = 10
    height = width = SIDE
    version = 2
    chunk = 5000
    workers_are = "threads"
    allows = frozenset({"drop", "jitter", "shift", "crop"})
    name: ClassVar[str]
    names: ClassVar[tuple[str, ...]] = tuple("0123456789")
    url: ClassVar[str]
    published: ClassVar[dict[str, tuple[int, str]]]
    """Size in bytes and MD5 of each file, gzipped."""
    installed: ClassVar[tuple[str, ...]] = ()
    shaping = (*EventDataset.shaping, "code", "tau_eff", "threshold", "max_rate")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_one_of("code", get_args(Code))
        self._require_share("threshold")
        if not 0 < self.tau_eff < float("inf"):
            raise ValueError(f"tau_eff must be a positive number of milliseconds, got {self.tau_eff:g}")
        if not 0 < self.max_rate * self.dt <= 1000 * (1 + 1e-12):
            raise ValueError(f"max_rate must lie in (0, 1000 / dt] spikes a second, got {self.max_rate:g}")

    def listing(self, part: str) -> Listing:
        """Images in the order of the file."""
        from snn_zo.data.recordings import Listing

        label = read_idx(self.file(part, "labels-idx1"), dimensions=1).astype("int64")
        shape = self._images(part).shape
        if shape != (len(label), SIDE, SIDE):
            raise DataError(f"{self.file(part, 'images-idx3')}: {shape} images do not fit {len(label)} labels")
        return Listing(label)

    def recordings(self, part: str, listing: Listing) -> Recordings:
        """These images as spikes."""
        import numpy as np

        images = self._images(part)[listing.number]
        blank = ~images.any((1, 2))
        if blank.any():
            place = f"{self.file(part, 'images-idx3')}, image {listing.number[blank.argmax()]},"
            raise BadRecordingError(f"{place} is blank, as in a file filled with zeros: remove or replace it")
        if self.is_analogue:
            return as_bits(images, listing.target)
        noise = np.random.default_rng((int(listing.number[0]), *self.name.encode(), *part.encode()))
        return self._coded((images / 255).astype("float32"), listing.target, noise)

    def _images(self, part: str) -> NDArray[np.uint8]:
        path = self.file(part, "images-idx3")
        return _images(path, path.stat().st_mtime_ns)

    def _coded(self, x: NDArray[np.float32], target: Values, noise: np.random.Generator) -> Recordings:
        import numpy as np

        from snn_zo.data.recordings import Recordings

        if self.code == "latency":
            sample, row, column = np.nonzero(x > self.threshold)
            value = x[sample, row, column].astype(np.float64)
            t = self.tau_eff * np.log(value / (value - self.threshold))
        else:
            chance = (x * self.max_rate * self.dt / 1000).ravel()
            spikes = [np.flatnonzero(noise.random(chance.size, np.float32) < chance) for _ in range(self.steps)]
            t = np.repeat((np.arange(self.steps) + 0.5) * self.dt, [len(step) for step in spikes])
            sample, row, column = np.unravel_index(np.concatenate(spikes), x.shape)
            order = np.argsort(sample, kind="stable")
            sample, row, column, t = sample[order], row[order], column[order], t[order]
        position = (column.astype(np.int16), row.astype(np.int16), np.zeros(len(t), np.int8))
        return Recordings(
            sample.astype(np.int32), np.minimum(1000 * t, _FOREVER_US).astype(np.int64), *position, target, SIDE, SIDE
        )

    def source(self, part: str) -> dict[str, object]:
        """Checksums of the files, so that a replaced file is read again."""
        checksums: dict[str, object] = {}
        for kind in ("images-idx3", "labels-idx1"):
            path = self.file(part, kind)
            with readable(str(path), DataError), open_regular(path, _MOST * SIDE**2) as file:
                checksums[kind] = hashlib.file_digest(file, "sha256").hexdigest()
        return checksums

    def where(self, part: str, listing: Listing, position: int) -> str:
        """The file, and the number of the image in it."""
        number = f", image {listing.number[position]}," if len(listing) else ""
        return f"{self.file(part, 'labels-idx1')}{number}"

    def class_name(self, label: int) -> str:
        """Digit, or piece of clothing."""
        return self.names[label]

    def file(self, part: str, kind: str) -> Path:
        """Path of an IDX file, downloaded if it is nowhere to be found.

        Raises:
            DataError: it cannot be downloaded either.
        """
        name = f"{_PREFIX[part]}-{kind}-ubyte"
        own = self.folder / self.name / "raw"
        for folder in (own, *map(Path, self.installed)):
            for path in (folder / name, folder / f"{name}.gz"):
                with readable(str(path), DataError):
                    if path.is_symlink() or path.exists():
                        return path
        path = own / f"{name}.gz"
        known = [f"{self.name}/raw/{other}{suffix}" for other in self.published for suffix in ("", ".gz")]
        for suffix in ("", ".gz"):
            if near := near_miss(self.folder, f"{self.name}/raw/{name}{suffix}", known):
                raise DataError(f"no {name} in {own}: {near}")
        try:
            size, md5 = self.published[name]
            fetch(f"{self.url}{name}.gz", path, md5, size)
        except (OSError, HTTPException) as error:
            raise DataError(
                f"no {name} in {own}, and downloading it failed ({reason(error)}): put {name} or {name}.gz there, "
                f"or set data.root to the folder that holds {self.name}/raw"
            ) from error
        return path


@dataclass(frozen=True, kw_only=True)
class MNIST(IdxImages):
    """Handwritten digits: 60,000 training and 10,000 test images (LeCun et al. 1998)."""

    name = "MNIST"
    url = "https://ossci-datasets.s3.amazonaws.com/mnist/"
    published = {  # noqa: RUF012
        "train-images-idx3-ubyte": (9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        "train-labels-idx1-ubyte": (28_881, "d53e105ee54ea40749a09fcbcd1e9432"),
        "t10k-images-idx3-ubyte": (1_648_877, "9fb629c4189551a2d022fa330f9573f3"),
        "t10k-labels-idx1-ubyte": (4_542, "ec29112dd5afa0611ce80d1b7f02629c"),
    }


@dataclass(frozen=True, kw_only=True)
class FashionMNIST(IdxImages):
    """Articles of clothing: 60,000 training and 10,000 test images (Xiao et al. 2017)."""

    name = "FashionMNIST"
    names = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
    allows = IdxImages.allows | {"flip"}
    url = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
    installed = ("/usr/share/datasets/fashion-mnist",)
    published = {  # noqa: RUF012
        "train-images-idx3-ubyte": (26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        "train-labels-idx1-ubyte": (29_515, "25c81989df183df01b3e8a0aad5dffbe"),
        "t10k-images-idx3-ubyte": (4_422_102, "bef4ecab320f06d8554ea6380940ec79"),
        "t10k-labels-idx1-ubyte": (5_148, "bb300cfdad3c16e7a12a480ee83cd310"),
    }


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Bytes of an IDX file, plain or gzipped.

    Args:
        path: the file.
        dimensions: how many it must have.

    Raises:
        DataError: it is not such a file, it is cut short, or it promises more than there can be.
    """
    with readable(str(path), DataError), open_regular(path) as stored:
        if path.suffix != ".gz":
            return _idx(stored, dimensions, os.fstat(stored.fileno()).st_size)
        with gzip.GzipFile(fileobj=stored) as file:
            return _idx(file, dimensions)


def _idx(file: BinaryIO | gzip.GzipFile, dimensions: int, size: int | None = None) -> NDArray[np.uint8]:
    """Read a file that is no larger than it says in the beginning, and whose size in bytes may be known."""
    import numpy as np

    begin = 4 + 4 * dimensions
    header = file.read(begin)
    if header[:4] != bytes((0, 0, 8, dimensions)) or len(header) < begin:
        raise ValueError(f"no IDX file of {dimensions} dimensions of bytes")
    shape = tuple(np.frombuffer(header, ">u4", offset=4).tolist())
    promised = math.prod(shape)
    if shape[0] > _MOST or promised > _MOST * SIDE**2:
        raise ValueError(f"{' x '.join(map(str, shape))} bytes are more than there can be")
    if size is not None and size != begin + promised:
        raise ValueError(f"damaged, {size - begin:,} bytes of {promised:,}")
    content = file.read(promised + 1)
    if len(content) != promised:
        raise ValueError(f"damaged, {len(content):,} bytes of {promised:,}")
    return np.frombuffer(content, np.uint8).reshape(shape)


@functools.lru_cache(maxsize=1)
def _images(path: Path, changed: int) -> NDArray[np.uint8]:
    return read_idx(path, dimensions=3)
