"""Recordings in the format of N-MNIST, made at random or read byte by byte."""

from pathlib import Path

import numpy as np

Folder = dict[str, np.ndarray]
"""Events [E, 4] of x, y, t in us and p by file, in the order that the files are to be read."""


def random_events(rng: np.random.Generator, size: int) -> np.ndarray:
    """Events in order of time, many of them alike, some on the edge of a step and some after the last one."""
    t = np.sort(np.concatenate([rng.integers(0, 330_000, size), rng.integers(0, 40, size) * 3000, [0, 2**23 - 1]]))
    return np.stack([*rng.integers(0, 34, (2, len(t))), t, rng.integers(0, 2, len(t))], 1)


def bin_bytes(path: Path) -> np.ndarray:
    """[E, 4] x, y, t, p of a recording without overflow events."""
    byte = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, 5).astype(np.int64)
    assert byte[:, :2].max() < 34
    t = byte[:, 2:] @ [65536, 256, 1]
    return np.stack([byte[:, 0], byte[:, 1], t % 2**23, t // 2**23], 1)
