"""IDX files of random images."""

import gzip
import struct
from pathlib import Path

import numpy as np

from snn_zo.data.idx import IdxImages

NAMES = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()


def contents(samples: int, seed: int = 0) -> dict[str, bytes]:
    """Four IDX files: `samples` training images, half as many test images, and all classes equally often."""
    rng = np.random.default_rng(seed)
    arrays = []
    for size in (samples, samples // 2):
        images = rng.integers(0, 256, (size, 28, 28)) * (rng.random((size, 28, 28)) < 0.5)
        arrays += [images, rng.permutation(np.arange(size) % 10)]
    return dict(zip(NAMES, map(idx, arrays), strict=True))


def put(folder: Path, files: dict[str, bytes], suffix: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}{suffix}").write_bytes(gzip.compress(content, mtime=0) if suffix else content)
    return folder


def dense(dataset: IdxImages, part: str) -> np.ndarray:
    """[S, T, N] spikes."""
    store = dataset.store(part)
    return store.batch(np.arange(len(store))).spikes.to_dense().flatten(2).numpy()
