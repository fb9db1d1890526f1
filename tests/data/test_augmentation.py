import dataclasses
import os

import numpy as np
import pytest

from snn_zo.data.augmentation import Augmentation
from snn_zo.data.binning import Grid
from snn_zo.data.datamodule import EventDataModule
from snn_zo.data.digits import Digits
from snn_zo.data.idx import FashionMNIST
from snn_zo.data.neuromorphic import NMNIST

GRID = Grid(5, 8, 2, 2.0, 30)
FRAMES = (np.random.default_rng(0).random((6, 30, 2, 5, 8)) < 0.15).astype(int)
SAMPLE = np.array([7, 3, 99, 0, 12, 5])


def rows(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    row, col = frames.reshape(-1, GRID.inputs).nonzero()
    ptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=frames.shape[0] * GRID.steps))])
    return ptr, col.astype(np.int32)


def augmented(seed: int = 0, epoch: int = 0, order: slice = slice(None), **changes: float) -> np.ndarray:
    """[B, T, 2, 5, 8]"""
    frames, sample = FRAMES[order], SAMPLE[order]
    ptr, col = Augmentation(**changes).apply(*rows(frames), sample, GRID, seed, epoch)
    found = np.zeros((len(frames) * GRID.steps, GRID.inputs), int)
    np.add.at(found, (np.repeat(np.arange(len(ptr) - 1), np.diff(ptr)), col), 1)
    assert found.max(initial=0) <= 1
    return found.reshape(frames.shape)


def test_nothing_changes_by_default():
    assert Augmentation().used() == []
    np.testing.assert_array_equal(augmented(), FRAMES)


def test_flip_mirrors_left_to_right():
    np.testing.assert_array_equal(augmented(flip=1.0), FRAMES[..., ::-1])
    some = augmented(flip=0.5)
    flipped = [np.array_equal(a, b[..., ::-1]) for a, b in zip(some, FRAMES, strict=True)]
    kept = [np.array_equal(a, b) for a, b in zip(some, FRAMES, strict=True)]
    assert all(a != b for a, b in zip(flipped, kept, strict=True))
    assert 0 < sum(flipped) < 6


def shifted(frames: np.ndarray, dy: int, dx: int) -> np.ndarray:
    moved = np.zeros_like(frames)
    y, x = (slice(max(d, 0), size + min(d, 0)) for d, size in ((dy, 5), (dx, 8)))
    back_y, back_x = (slice(max(-d, 0), size + min(-d, 0)) for d, size in ((dy, 5), (dx, 8)))
    moved[..., y, x] = frames[..., back_y, back_x]
    return moved


def test_shift_moves_whole_recordings():
    moves = set()
    for epoch in range(30):
        for found, frames in zip(augmented(shift=2, epoch=epoch), FRAMES, strict=True):
            fitting = [
                (dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if np.array_equal(found, shifted(frames, dy, dx))
            ]
            assert len(fitting) == 1
            moves |= set(fitting)
    assert len(moves) == 25, "every move within two pixels occurs"


def test_crop_keeps_a_window():
    for epoch in range(10):
        for found, frames in zip(augmented(crop=0.6, epoch=epoch), FRAMES, strict=True):
            ys, xs = (np.flatnonzero(found.any((0, 1, axis))) for axis in (3, 2))
            window = np.zeros_like(frames)
            window[..., ys[0] : ys[0] + 3, xs[0] : xs[0] + 5] = 1
            np.testing.assert_array_equal(found, frames * window)


def test_drop_loses_its_share():
    share = augmented(drop=0.3).sum() / FRAMES.sum()
    assert share == pytest.approx(0.7, abs=0.06)
    assert (augmented(drop=0.3) <= FRAMES).all()
    assert augmented(drop=1.0).sum() == 0


def test_jitter_moves_in_time_only():
    found = augmented(jitter=4.0)
    assert (found.sum(1) <= FRAMES.sum(1)).all()
    np.testing.assert_array_equal(found.any(1) & ~FRAMES.any(1), False)
    frames = np.zeros_like(FRAMES)
    frames[:, 15] = 1
    ptr, _ = Augmentation(jitter=4.0).apply(*rows(frames), SAMPLE, GRID, 0, 0)
    step = np.repeat(np.arange(len(ptr) - 1) % 30, np.diff(ptr))
    assert step.mean() == pytest.approx(15, abs=0.4)
    assert step.std() == pytest.approx(2, abs=0.3)


def test_augmentation_depends_on_sample_epoch_and_seed_alone():
    changes = {"flip": 0.5, "shift": 2, "crop": 0.8, "jitter": 3.0, "drop": 0.2}
    whole = augmented(**changes)
    for part in (slice(0, 1), slice(2, 5), slice(None, None, -1)):
        np.testing.assert_array_equal(augmented(order=part, **changes), whole[part])
    for other in ({"epoch": 1}, {"seed": 1}):
        assert not np.array_equal(augmented(**changes, **other), whole)


def test_augmentation_of_counts():
    grid = dataclasses.replace(GRID, counts=True, steps=1)
    ptr, col = Augmentation(flip=1.0).apply(np.array([0, 3]), np.int32([0, 0, 1]), SAMPLE[:1], grid, 0, 0)
    assert (ptr.tolist(), col.tolist()) == ([0, 3], [6, 7, 7])


@pytest.mark.parametrize("workers", [1, 2])
def test_augmentation_is_the_same_for_any_number_of_workers(workers):
    def batches(workers: int) -> list[list[int]]:
        augment = Augmentation(shift=2, drop=0.3, jitter=5.0)
        cache = os.environ["SNN_ZO_CACHE"]
        digits = Digits(cache_dir=cache, limit=8, augment=augment, workers=workers, val_fraction=0.2, batch_size=9)
        loader = EventDataModule(digits, seed=4).train_dataloader()
        loader.sampler.set_epoch(3)
        return [[*batch.sample.tolist(), *batch.spikes.events.flat(2312).tolist()] for batch in loader]

    assert batches(workers) == batches(0)


def test_evaluation_is_not_augmented():
    digits = Digits(cache_dir=os.environ["SNN_ZO_CACHE"], limit=8, augment=Augmentation(drop=1.0), val_fraction=0.2)
    data = EventDataModule(digits, seed=0)
    assert all(batch.spikes.count().sum() == 0 for batch in data.train_dataloader())
    for loader in (data.val_dataloader(), data.test_dataloader()):
        assert all((batch.spikes.count().sum(1) > 0).all() for batch in loader)


def test_what_a_data_set_does_not_allow():
    folders = {"root": "x", "cache_dir": "x"}
    with pytest.raises(ValueError, match=r"^augment\.flip would change what a recording of NMNIST is"):
        NMNIST(**folders, augment=Augmentation(flip=0.5))
    FashionMNIST(**folders, augment=Augmentation(flip=0.5))


@pytest.mark.parametrize("changes", [{"flip": 1.1}, {"drop": -0.1}, {"crop": 0.0}, {"shift": -1}, {"jitter": -1.0}])
def test_changes_that_cannot_be(changes):
    with pytest.raises(ValueError, match=f"^{next(iter(changes))} must"):
        Augmentation(**changes)
