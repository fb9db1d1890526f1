"""Serving an event data set to Lightning."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from snn_zo.data.augmentation import Augmentation
from snn_zo.data.content import content_of, difference
from snn_zo.data.dataset import EventDataset
from snn_zo.data.inspection import inspected
from snn_zo.data.packing import open_or_build
from snn_zo.data.resident import ResidentStore, fits, streamed
from snn_zo.data.splits import Splits, Subset
from snn_zo.data.store import Batch, DamagedStoreError

log = logging.getLogger(__name__)


class EventDataModule(lightning.LightningDataModule):
    """Batches of sparse events from the splits of a data set; where several devices train, each gets its share of them.

    Args:
        dataset: what to serve.
        seed: run seed; the order of training batches and their augmentation depend on it and on the epoch alone.
        content: that the recordings should have, as a run's summary says; where they do not, that is logged.
    """

    def __init__(self, dataset: EventDataset, seed: int = 0, content: object = None) -> None:
        super().__init__()
        self.dataset, self.seed, self.content = dataset, seed, content
        self._splits: Splits | None = None
        self._resident: dict[Path, ResidentStore] = {}

    @property
    def splits(self) -> Splits:
        """Training, validation and test recordings."""
        if self._splits is None:
            self._splits = inspected(self.dataset)
            if changed := difference(self.content, content_of(self._splits)):
                log.warning("this is not the data that the run was trained and tested on: %s", changed)
        return self._splits

    def prepare_data(self) -> None:
        """Pack the recordings, once on each machine."""
        _ = self.splits

    def train_dataloader(self) -> DataLoader[Batch | ResidentBatch]:
        """Augmented batches, in another order in each epoch."""
        return self._loader(self.splits.train, self.dataset.shuffle, self.dataset.augment)

    def val_dataloader(self) -> DataLoader[Batch | ResidentBatch]:
        """Batches in the order of the data set."""
        return self._loader(self.splits.val)

    def test_dataloader(self) -> DataLoader[Batch | ResidentBatch]:
        """Batches in the order of the data set."""
        return self._loader(self.splits.test)

    def recording(self, part: Literal["train", "val", "test"], position: int) -> Batch:
        """A single recording of a part as a batch, not augmented.

        Args:
            part: of the data set.
            position: 0 to the number of recordings - 1, in the order of the data set.
        """
        subset: Subset = getattr(self.splits, part)
        batches = _Batches(self.dataset, subset, self.seed, Augmentation())
        batch = batches[Request(0, np.array([position]), 1.0)]
        assert isinstance(batch, Batch)
        return batch

    def _loader(
        self, subset: Subset, shuffle: bool = False, augment: Augmentation | None = None
    ) -> DataLoader[Batch | ResidentBatch]:
        rank, devices = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        order = BatchOrder(len(subset.sample), self.dataset.batch_size, self.seed, shuffle, rank, devices)
        augment = augment or Augmentation()
        batches = _Batches(self.dataset, subset, self.seed, augment, not augment.used() and self._is_resident(subset))
        # a sample of this loader is a whole batch, so there is nothing to collate
        return DataLoader(batches, sampler=order, batch_size=None, num_workers=self.dataset.workers)

    def _is_resident(self, subset: Subset) -> bool:
        """Whether the recordings are on the GPU that trains; they are put there if they fit."""
        store, device = subset.store, self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        if store.path not in self._resident and fits(store, device):
            self._resident[store.path] = ResidentStore(store, device)
            log.info("%s is held on %s", store.path.name, device)
        return store.path in self._resident

    def transfer_batch_to_device(
        self, batch: Batch | ResidentBatch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Put a batch together on the device, or send it there."""
        if isinstance(batch, ResidentBatch):
            held = self._resident[batch.path].batch(batch.sample.numpy())
            return self.dataset.presented(held)._replace(share=batch.share)
        return streamed(batch, device)


class ResidentBatch(NamedTuple):
    """A batch that the device is to put together: numbers of recordings that it holds, and the batch's share."""

    path: Path
    sample: Tensor
    share: float


class Request(NamedTuple):
    """What a batch is made of: positions in a split, the epoch, which the augmentation depends on, and its share."""

    epoch: int
    positions: NDArray[np.int64]
    share: float


class BatchOrder(Sampler[Request]):
    """Positions of each batch in a split, from (seed, epoch) alone: an interrupted run goes on in the same order.

    The order is fixed when the first batch is asked for: Lightning makes the iterator of a resumed run before it
    says which epoch it is. Several devices share out each batch: they take as many steps as one device would, with the
    same recordings in each.

    Args:
        size: number of recordings.
        batch_size: recordings in a batch, over all devices; the last batch may be smaller.
        seed: of the shuffles.
        shuffle: whether to permute the recordings each epoch.
        rank: number of the device whose shares these are.
        devices: how many there are.
    """

    def __init__(self, size: int, batch_size: int, seed: int, shuffle: bool, rank: int = 0, devices: int = 1) -> None:
        self.size, self.batch_size, self.seed, self.shuffle = size, batch_size, seed, shuffle
        self.rank, self.devices = rank, devices
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.size // self.batch_size)

    def __iter__(self) -> Iterator[Request]:
        order = np.arange(self.size)
        if self.shuffle:
            np.random.default_rng((self.seed, self.epoch)).shuffle(order)
        for start in range(0, self.size, self.batch_size):
            batch = order[start : start + self.batch_size]
            own = batch[self.rank :: self.devices]
            yield Request(self.epoch, own, self.devices * len(own) / len(batch))


class _Batches(Dataset[Batch | ResidentBatch]):
    """A split, indexed by what its batches are made of."""

    def __init__(
        self, dataset: EventDataset, subset: Subset, seed: int, augment: Augmentation, resident: bool = False
    ) -> None:
        self.dataset, self.subset, self.seed, self.augment, self.resident = dataset, subset, seed, augment, resident

    def __len__(self) -> int:
        return len(self.subset.sample)

    def __getitem__(self, request: Request) -> Batch | ResidentBatch:
        sample = self.subset.sample[request.positions]
        if self.resident:
            return ResidentBatch(self.subset.store.path, torch.from_numpy(sample), request.share)
        ptr, col = self._events(sample)
        if self.augment.used() and len(sample):
            ptr, col = self.augment.apply(ptr, col, sample, self.dataset.grid, self.seed, request.epoch)
        made = self.subset.store.assemble(sample, ptr, col)
        return self.dataset.presented(made)._replace(share=request.share)

    def _events(self, sample: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        try:
            return self.subset.store.events(sample)
        except DamagedStoreError as error:
            log.warning("%s; making it again", error)
        store = open_or_build(self.dataset, self.subset.store.about["part"], thorough=True)
        self.subset = Subset(store, self.subset.sample)
        return store.events(sample)
