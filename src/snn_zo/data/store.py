"""Packed events: all recordings of a data set as compressed sparse rows, from which batches are copied."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from snn_zo.atomic import replacing
from snn_zo.data.recordings import Recordings

if TYPE_CHECKING:
    from torch import Tensor

    from snn_zo.ops.spikes import Spikes


class Batch(NamedTuple):
    """What the model sees in one step.

    Attributes:
        spikes: [B, T, N] input spikes.
        label: [B] int64 class.
        sample: [B] int64 index in the data set, which keys the random draws of each sample.
    """

    spikes: Spikes
    label: Tensor
    sample: Tensor


class EventStore(NamedTuple):
    """S recordings binned into T time steps of N inputs.

    Attributes:
        ptr: [S * T + 1] int64; row s * T + t holds col[ptr[r]:ptr[r + 1]].
        col: [K] int32 inputs, ascending in each row, each at most once.
        label: [S] int64 class.
        steps: T.
        features: N.
    """

    ptr: NDArray[np.int64]
    col: NDArray[np.int32]
    label: NDArray[np.int64]
    steps: int
    features: int

    @classmethod
    def bin(cls, recordings: Recordings, dt: float, steps: int, merged: bool) -> EventStore:
        """Recordings binned at `dt` ms and clipped to binary; what falls after the last step is dropped.

        Args:
            recordings: raw events.
            dt: time step in ms.
            steps: T.
            merged: whether both polarities of a pixel are one input.
        """
        pixels = recordings.height * recordings.width
        features = pixels if merged else 2 * pixels
        step = (recordings.t // _microseconds(dt)).astype(np.int64)
        inside = step < steps
        feature = recordings.y.astype(np.int64) * recordings.width + recordings.x
        if not merged:
            feature += recordings.p.astype(np.int64) * pixels
        row = recordings.sample[inside].astype(np.int64) * steps + step[inside]
        key = np.sort(row * features + feature[inside])
        key = key[np.diff(key, prepend=-1) > 0]
        row, col = np.divmod(key, features)
        rows = len(recordings.label) * steps
        ptr = np.zeros(rows + 1, dtype=np.int64)
        np.cumsum(np.bincount(row, minlength=rows), out=ptr[1:])
        return cls(ptr, col.astype(np.int32), recordings.label, steps, features)

    @classmethod
    def concatenate(cls, stores: Sequence[EventStore]) -> EventStore:
        """Stores of one shape, end to end."""
        if len(stores) == 1:
            return stores[0]
        first = np.cumsum([0, *(store.ptr[-1] for store in stores)])
        ptr = [store.ptr[:-1] + start for store, start in zip(stores, first[:-1], strict=True)]
        return cls(
            np.concatenate([*ptr, first[-1:]]),
            np.concatenate([store.col for store in stores]),
            np.concatenate([store.label for store in stores]),
            stores[0].steps,
            stores[0].features,
        )

    def batch(self, index: NDArray[np.int64]) -> Batch:
        """The recordings `index`, in that order, as one batch; a few vectorised copies."""
        import torch

        from snn_zo.ops.spikes import Rows, Spikes

        rows = index[:, None] * self.steps + np.arange(self.steps)
        ptr = np.zeros(rows.size + 1, dtype=np.int64)
        np.cumsum((self.ptr[rows + 1] - self.ptr[rows]).ravel(), out=ptr[1:])
        # a sample's rows lie end to end in the store: one run of `col` for each sample
        first = self.ptr[index * self.steps]
        length = self.ptr[(index + 1) * self.steps] - first
        place = np.arange(ptr[-1]) + np.repeat(first - ptr[: -1 : self.steps], length)
        events = Rows(torch.from_numpy(ptr), torch.from_numpy(self.col[place]))
        return Batch(
            Spikes.from_events((len(index), self.steps, self.features), events),
            torch.from_numpy(self.label[index]),
            torch.from_numpy(index),
        )

    def save(self, path: Path) -> None:
        """Write to an .npz file, whole or not at all."""
        with replacing(path) as file:
            np.savez(file, **self._asdict())

    @classmethod
    def load(cls, path: Path) -> EventStore:
        """Read what `save` wrote.

        Raises:
            ValueError: the file is damaged.
        """
        import zipfile

        try:
            with np.load(path, allow_pickle=False) as arrays:
                parts = {name: arrays[name] for name in cls._fields}
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} is not an event store: {error}") from error
        parts["steps"], parts["features"] = int(parts["steps"]), int(parts["features"])
        return cls(**parts)


def _microseconds(dt: float) -> int | float:
    """dt ms in us: a whole number where it is one but for rounding, so that the edge of a time step is sharp."""
    exact = 1000 * dt
    whole = round(exact)
    return whole if whole and math.isclose(exact, whole, rel_tol=1e-12) else exact


def all_samples(store: EventStore) -> NDArray[np.int64]:
    """[S] the numbers of all recordings of a store."""
    return np.arange(len(store.label))
