"""Recordings held on a GPU, whose batches are put together there."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from snn_zo.data.store import Batch, EventStore
from snn_zo.ops.analogue import Analogue
from snn_zo.ops.spikes import Rows, Spikes

SHARE = 0.5
"""Share of the device's free memory that recordings may take; the rest is for the training."""


class ResidentStore:
    """All recordings of a store on a device; making a batch of them does not wait for the host.

    Args:
        store: its recordings are compared with their checksums first.
        device: to hold them on.

    Raises:
        DamagedStoreError: a recording is not what was written.
    """

    def __init__(self, store: EventStore, device: torch.device) -> None:
        store.check(np.arange(len(store)))
        self.store = store
        # columns take as many bytes as in the file, but are signed: torch has few operations for unsigned integers
        self._mask = 0xFFFF if store.col.dtype == np.uint16 else -1
        col = store.col.view(np.int16) if self._mask == 0xFFFF else store.col
        self._col = torch.from_numpy(np.array(col)).to(device)
        self._length = torch.from_numpy(store.length.astype(np.int32)).to(device)
        self._first = torch.from_numpy(store.first).to(device)
        self._target = torch.from_numpy(store.target).to(device)

    def batch(self, index: NDArray[np.int64]) -> Batch:
        """The recordings `index`, in that order, as one batch on the device; equal to `EventStore.batch`."""
        size = int((self.store.first[index + 1] - self.store.first[index]).sum())
        device = self._col.device
        sample = _to(torch.from_numpy(index), device)
        first, length = self._first[sample], self._first[sample + 1] - self._first[sample]
        own = torch.arange(len(index), device=device).repeat_interleave(length, output_size=size)
        place = torch.arange(size, device=device) + (first - (length.cumsum(0) - length))[own]
        ptr = torch.zeros(len(index) * self.store.steps + 1, dtype=torch.int64, device=device)
        torch.cumsum(self._length[sample].flatten(), 0, out=ptr[1:])
        events = Rows(ptr, self._col[place].int() & self._mask)
        shape = (len(index), self.store.steps, self.store.inputs)
        spikes = Spikes.from_events(shape, events, features=self.store.in_shape)
        return Batch(spikes, self._target[sample], sample)


def fits(store: EventStore, device: torch.device) -> bool:
    """Whether a CUDA device has room for a store."""
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return store.col.nbytes + 4 * store.length.size < SHARE * free


def streamed(batch: Batch, device: torch.device) -> Batch:
    """A batch on its way to a device through pinned memory, without a wait for the copy."""
    if isinstance(batch.spikes, Analogue):
        values = Analogue(_to(batch.spikes.values, device), batch.spikes.steps)
        return Batch(values, _to(batch.target, device), _to(batch.sample, device), batch.share)
    spikes = batch.spikes
    events = Rows(*(_to(part, device) for part in spikes.events))
    moved = Spikes.from_events(spikes.shape, events, spikes.handle.dtype, spikes.features)
    return Batch(moved, _to(batch.target, device), _to(batch.sample, device), batch.share)


def _to(tensor: Tensor, device: torch.device) -> Tensor:
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
