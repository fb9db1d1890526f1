"""Batches that a device puts together; on a CPU the same code runs on the host's memory."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from snn_zo.data import datamodule
from snn_zo.data.binning import Grid
from snn_zo.data.resident import ResidentStore, fits, streamed
from snn_zo.data.store import DamagedStoreError, EventStore
from tests.data.originals import packed

CPU = torch.device("cpu")


def make_store(path, features=70_000, samples=7, steps=5):
    generator = np.random.default_rng(0)
    length = generator.integers(0, 4, (samples, steps))
    length[2] = 0
    col = np.concatenate([np.sort(generator.choice(features, n, replace=False)) for n in length.ravel()])
    label = generator.integers(0, 3, samples)
    grid = Grid(height=1, width=features, polarities=1, dt=1.0, steps=steps)
    EventStore.write(path, grid, [(packed(length, col, label), np.arange(samples))], {})
    return EventStore(path)


def assert_same(ours, theirs):
    assert ours.spikes.shape == theirs.spikes.shape
    assert ours.spikes.features == theirs.spikes.features
    assert ours.share == theirs.share
    ours, theirs = ((*batch.spikes.events, batch.target, batch.sample) for batch in (ours, theirs))
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype
        assert torch.equal(a, b)


@pytest.mark.parametrize("features", [30, 65_535, 70_000])
def test_resident_batch_is_the_store_s(tmp_path, features):
    store = make_store(tmp_path / "store", features)
    resident = ResidentStore(store, CPU)
    for index in ([3], [2], [6, 0, 2, 2, 5], range(7)):
        index = np.array(index)
        assert_same(resident.batch(index), store.batch(index))


def test_resident_checks_first(tmp_path):
    store = make_store(tmp_path / "store")
    with open(store.path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xff\xff")
    with pytest.raises(DamagedStoreError):
        ResidentStore(EventStore(store.path), CPU)


def test_fits_by_size(tmp_path, monkeypatch):
    store = make_store(tmp_path / "store")
    need = store.col.nbytes + 4 * store.length.size
    assert not fits(store, CPU)
    for free, there in ((2 * need, False), (2 * need + 2, True)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, free=free: (free, 10 * free))
        assert fits(store, torch.device("cuda")) == there


def test_streamed_is_the_same(tmp_path):
    batch = make_store(tmp_path / "store").batch(np.arange(3))
    assert_same(streamed(batch, CPU), batch)


def test_datamodule_serves_from_the_device(tmp_path, monkeypatch):
    """A loader then hands over numbers, and the device makes the batch that the loader would have made."""
    from snn_zo.data.digits import Digits

    dataset = Digits(cache_dir=str(tmp_path), batch_size=50)
    ordinary = datamodule.EventDataModule(dataset, 0)
    resident = datamodule.EventDataModule(dataset, 0)
    monkeypatch.setattr(datamodule, "fits", lambda store, device: True)
    resident.trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=CPU), global_rank=0, world_size=1)
    served = 0
    for ours, theirs in zip(resident.val_dataloader(), ordinary.val_dataloader(), strict=True):
        assert isinstance(ours, datamodule.ResidentBatch)
        made = resident.transfer_batch_to_device(ours, CPU, 0)
        assert_same(made, ordinary.transfer_batch_to_device(theirs, CPU, 0))
        served += len(made.target)
    assert served == len(resident.splits.val.sample)
