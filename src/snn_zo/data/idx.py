"""MNIST and Fashion-MNIST: images from IDX files, coded as spikes."""

from __future__ import annotations

import functools
import gzip
import hashlib
import logging
import struct
import urllib.request
import zlib
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from snn_zo.atomic import write_atomically
from snn_zo.data.dataset import DataError, EventDataset, FileDataset, PublishedSplit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from snn_zo.data.recordings import Listing, Recordings

log = logging.getLogger(__name__)

SIDE = 28
CODES = ("latency", "rate")
_PREFIX = {"train": "train", "test": "t10k"}
_TIMEOUT_S = 20


@dataclass(frozen=True, kw_only=True)
class IdxImages(FileDataset, PublishedSplit):
    """28 x 28 grey images in IDX files (LeCun et al. 1998), one input a pixel.

    Looks for `<root>/<name>/raw/{train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz]`, then in the folders of
    `installed`, then downloads.

    Attributes:
        code: `latency`: a pixel of intensity x in [0, 1] spikes once, at t = tau_eff ln(x / (x - threshold)), and not
            at all where x <= threshold; `rate`: it spikes in each step with probability x max_rate dt.
        tau_eff: time constant of the latency code in ms.
        threshold: of the latency code.
        max_rate: of the rate code, spikes a second at x = 1.
    """

    dt: float = 1.0
    steps: int = 100
    batch_size: int = 256
    val_fraction: float = 1 / 12
    code: str = "latency"
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
    md5: ClassVar[dict[str, str]]
    installed: ClassVar[tuple[str, ...]] = ()
    shaping = (*EventDataset.shaping, "code", "tau_eff", "threshold", "max_rate")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_one_of("code", CODES)
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
        """These images, coded."""
        import numpy as np

        noise = np.random.default_rng((int(listing.number[0]), *self.name.encode(), *part.encode()))
        return self._coded((self._images(part)[listing.number] / 255).astype("float32"), listing.label, noise)

    def _images(self, part: str) -> NDArray[np.uint8]:
        path = self.file(part, "images-idx3")
        return _images(path, path.stat().st_mtime_ns)

    def _coded(self, x: NDArray[np.float32], label: NDArray[np.int64], noise: np.random.Generator) -> Recordings:
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
        return Recordings(sample.astype(np.int32), (1000 * t).astype(np.int32), *position, label, SIDE, SIDE)

    def source(self, part: str) -> dict[str, object]:
        """Checksums of the files: a replaced file is another data set."""
        kinds = ("images-idx3", "labels-idx1")
        return {kind: hashlib.sha256(self.file(part, kind).read_bytes()).hexdigest() for kind in kinds}

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
                if path.is_file():
                    return path
        path = own / f"{name}.gz"
        try:
            _download(f"{self.url}{name}.gz", path, self.md5[name])
        except (OSError, HTTPException) as error:
            raise DataError(
                f"no {name} in {own}, and downloading it failed ({error}): put {name} or {name}.gz there, "
                f"or set data.root to the folder that holds {self.name}/raw"
            ) from error
        return path


@dataclass(frozen=True, kw_only=True)
class MNIST(IdxImages):
    """Handwritten digits: 60,000 training and 10,000 test images (LeCun et al. 1998)."""

    name = "MNIST"
    url = "https://ossci-datasets.s3.amazonaws.com/mnist/"
    md5 = {  # noqa: RUF012
        "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
    }


@dataclass(frozen=True, kw_only=True)
class FashionMNIST(IdxImages):
    """Articles of clothing: 60,000 training and 10,000 test images (Xiao et al. 2017)."""

    name = "FashionMNIST"
    names = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
    allows = IdxImages.allows | {"flip"}
    url = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
    installed = ("/usr/share/datasets/fashion-mnist",)
    md5 = {  # noqa: RUF012
        "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
    }


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Bytes of an IDX file, plain or gzipped.

    Args:
        path: the file.
        dimensions: how many it must have.

    Raises:
        DataError: it is not such a file, or it is cut short.
    """
    import numpy as np

    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        zero, kind, found = struct.unpack(">HBB", content[:4])
        shape = struct.unpack(f">{dimensions}I", content[4 : 4 + 4 * dimensions])
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise DataError(f"{path} cannot be read ({error}): delete it to download it again") from error
    if (zero, kind, found) != (0, 8, dimensions):
        raise DataError(f"{path} is no IDX file of {dimensions} dimensions of bytes: delete it to download it again")
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions)
    if values.size != np.prod(shape):
        raise DataError(f"{path} is damaged, {values.size} bytes of {np.prod(shape)}: delete it to download it again")
    return values.reshape(shape)


@functools.lru_cache(maxsize=1)
def _images(path: Path, changed: int) -> NDArray[np.uint8]:
    return read_idx(path, dimensions=3)


def _download(url: str, path: Path, md5: str) -> None:
    """Fetch a file, whole and with the right checksum or not at all.

    Raises:
        OSError: no connection, or another file came.
    """
    log.info("downloading %s", url)
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:
        content = response.read()
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
        raise OSError(f"{url} has another checksum than the published file")
    write_atomically(path, content)
