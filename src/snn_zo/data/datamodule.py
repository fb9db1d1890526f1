"""Serving an event data set to Lightning."""

from __future__ import annotations

from collections.abc import Iterator

import lightning
import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from snn_zo.data.dataset import EventDataset, Splits, Subset
from snn_zo.data.store import Batch


class EventDataModule(lightning.LightningDataModule):
    """Batches of sparse events from the splits of a data set.

    Args:
        dataset: what to serve.
        seed: run seed; the order of training batches depends on it and on the epoch alone.
    """

    def __init__(self, dataset: EventDataset, seed: int) -> None:
        super().__init__()
        self.dataset, self.seed = dataset, seed
        self._splits: Splits | None = None

    @property
    def splits(self) -> Splits:
        """Training, validation and test recordings."""
        if self._splits is None:
            self._splits = self.dataset.splits()
        return self._splits

    def prepare_data(self) -> None:
        """Bin and cache the recordings, once a machine."""
        _ = self.splits

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches, in another order each epoch."""
        return self._loader(self.splits.train, shuffle=self.dataset.shuffle)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Batches in the order of the data set."""
        return self._loader(self.splits.val, shuffle=False)

    def test_dataloader(self) -> DataLoader[Batch]:
        """Batches in the order of the data set."""
        return self._loader(self.splits.test, shuffle=False)

    def _loader(self, subset: Subset, shuffle: bool) -> DataLoader[Batch]:
        order = BatchOrder(len(subset.sample), self.dataset.batch_size, self.seed, shuffle)
        # a "sample" of this loader is a whole batch: there is nothing to collate
        return DataLoader(_Batches(subset), sampler=order, batch_size=None)


class BatchOrder(Sampler[NDArray[np.int64]]):
    """Positions of each batch in a split, from (seed, epoch) alone: an interrupted run goes on in the same order.

    The order is settled when the first batch is asked for: Lightning makes the iterator of a resumed run before it
    says which epoch it is.

    Args:
        size: number of recordings.
        batch_size: recordings a batch; the last batch may be smaller.
        seed: of the shuffles.
        shuffle: whether to permute the recordings each epoch.
    """

    def __init__(self, size: int, batch_size: int, seed: int, shuffle: bool) -> None:
        self.size, self.batch_size, self.seed, self.shuffle = size, batch_size, seed, shuffle
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.size // self.batch_size)

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        order = np.arange(self.size)
        if self.shuffle:
            np.random.default_rng((self.seed, self.epoch)).shuffle(order)
        for start in range(0, self.size, self.batch_size):
            yield order[start : start + self.batch_size]


class _Batches(Dataset[Batch]):
    """A split, indexed by arrays of positions."""

    def __init__(self, subset: Subset) -> None:
        self.subset = subset

    def __len__(self) -> int:
        return len(self.subset.sample)

    def __getitem__(self, positions: NDArray[np.int64]) -> Batch:
        return self.subset.store.batch(self.subset.sample[positions])
