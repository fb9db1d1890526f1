import os

import numpy as np
import pytest

from snn_zo.data.datamodule import BatchOrder, EventDataModule
from snn_zo.data.digits import Digits


@pytest.fixture(scope="module")
def data() -> EventDataModule:
    return EventDataModule(Digits(cache_dir=os.environ["SNN_ZO_CACHE"], batch_size=100), seed=0)


def test_order_depends_on_seed_and_epoch_alone():
    def order(seed: int, epoch: int) -> list[int]:
        batches = BatchOrder(10, 3, seed, shuffle=True)
        batches.set_epoch(epoch)
        return np.concatenate([request.positions for request in batches]).tolist()

    assert order(0, 0) == order(0, 0)
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4
    assert sorted(order(5, 9)) == list(range(10))


def test_order_keeps_the_last_batch():
    batches = BatchOrder(10, 3, 0, shuffle=False)
    assert len(batches) == 4
    assert [request.positions.tolist() for request in batches] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]


def test_train_dataloader_serves_every_sample_once(data):
    batches = list(data.train_dataloader())
    assert len(batches) == len(data.train_dataloader()) == 13
    sample = np.concatenate([batch.sample for batch in batches])
    np.testing.assert_array_equal(np.sort(sample), data.splits.train.sample)
    assert batches[0].spikes.shape == (100, 63, 2312)
    assert batches[-1].spikes.shape == (58, 63, 2312)


def test_labels_belong_to_their_samples(data):
    for batch in data.test_dataloader():
        np.testing.assert_array_equal(batch.label, data.splits.test.store.label[batch.sample])


@pytest.mark.parametrize("loader", ["val_dataloader", "test_dataloader"])
def test_evaluation_order_is_fixed(data, loader):
    one, two = ([batch.sample.tolist() for batch in getattr(data, loader)()] for _ in range(2))
    assert one == two == [sorted(batch) for batch in one]
