import os
from types import SimpleNamespace

import numpy as np
import pytest

from snn_zo.data.augmentation import Augmentation
from snn_zo.data.datamodule import BatchOrder, EventDataModule
from snn_zo.data.digits import Digits
from snn_zo.data.randman import Randman


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


@pytest.mark.parametrize("devices", [1, 2, 3, 5])
@pytest.mark.parametrize("shuffle", [True, False])
def test_order_is_shared_out(devices, shuffle):
    """The devices' parts of each batch make the batch, and the mean of their weighted means is its mean."""
    whole = BatchOrder(22, 7, seed=1, shuffle=shuffle)
    parts = [BatchOrder(22, 7, 1, shuffle, rank, devices) for rank in range(devices)]
    assert {len(part) for part in parts} == {len(whole)}
    for request, *own in zip(whole, *parts, strict=True):
        assert request.share == 1
        assert sorted(np.concatenate([part.positions for part in own])) == sorted(request.positions)
        assert np.ptp([len(part.positions) for part in own]) <= 1
        means = [part.share * part.positions.mean() if len(part.positions) else part.share for part in own]
        assert np.mean(means) == pytest.approx(request.positions.mean())


def test_device_without_a_share_of_the_last_batch():
    """Its batch is there, with nothing in it, also where recordings are augmented."""
    size = {"classes": 5, "units": 23, "steps": 31, "samples": 11, "val_fraction": 0.2}
    augment, cache = Augmentation(drop=0.5, jitter=1), os.environ["SNN_ZO_CACHE"]
    data = EventDataModule(Randman(**size, batch_size=16, augment=augment, cache_dir=cache), seed=0)
    assert len(data.splits.train.sample) % 16 == 1
    data.trainer = SimpleNamespace(global_rank=2, world_size=3, strategy=SimpleNamespace(root_device="cpu"))
    first, *_, last = data.train_dataloader()
    assert (len(first.target), first.share) == (5, 3 * 5 / 16)
    assert last.spikes.shape == (0, 31, 23)
    assert (len(last.target), len(last.sample), last.share) == (0, 0, 0)


def test_train_dataloader_serves_every_sample_once(data):
    batches = list(data.train_dataloader())
    assert len(batches) == len(data.train_dataloader()) == 13
    sample = np.concatenate([batch.sample for batch in batches])
    np.testing.assert_array_equal(np.sort(sample), data.splits.train.sample)
    assert batches[0].spikes.shape == (100, 63, 2312)
    assert batches[-1].spikes.shape == (58, 63, 2312)


def test_labels_belong_to_their_samples(data):
    for batch in data.test_dataloader():
        np.testing.assert_array_equal(batch.target, data.splits.test.store.target[batch.sample])


@pytest.mark.parametrize("loader", ["val_dataloader", "test_dataloader"])
def test_evaluation_order_is_fixed(data, loader):
    one, two = ([batch.sample.tolist() for batch in getattr(data, loader)()] for _ in range(2))
    assert one == two == [sorted(batch) for batch in one]
