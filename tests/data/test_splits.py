import numpy as np
import pytest

from snn_zo.data.errors import DataError
from snn_zo.data.neuromorphic import SHD, SSC
from snn_zo.data.randman import Randman
from snn_zo.data.splits import apart, fold_of, stratified
from snn_zo.target import Classes, Continuous
from tests.data.originals import write_shd

LABEL = np.random.default_rng(0).permutation(np.repeat(np.arange(5), 23))
CLASSES = Classes(5)


def test_stratified_is_seeded():
    one, two, other = (stratified(CLASSES, LABEL, (0.2,), seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one[0], two[0])
    assert not np.array_equal(one[0], other[0])
    count = np.bincount(LABEL[one[0]])
    assert count.min() >= 4
    assert count.max() <= 5


def test_folds_are_disjoint_and_stratified():
    held_out = [fold_of(CLASSES, LABEL, 4, fold, seed=3)[0] for fold in range(4)]
    np.testing.assert_array_equal(np.sort(np.concatenate(held_out)), np.arange(len(LABEL)))
    for fold in range(4):
        again, rest = fold_of(CLASSES, LABEL, 4, fold, seed=3)
        np.testing.assert_array_equal(again, held_out[fold])
        np.testing.assert_array_equal(np.sort(np.concatenate([again, rest])), np.arange(len(LABEL)))
        assert set(np.bincount(LABEL[again])) <= {5, 6}
    assert not np.array_equal(fold_of(CLASSES, LABEL, 4, 0, seed=4)[0], held_out[0])


def test_folds_of_too_few():
    with pytest.raises(DataError, match=r"^23 recordings of a class cannot be split into 24 folds: set data\.folds"):
        fold_of(CLASSES, LABEL, 24, 0, 0)
    with pytest.raises(DataError, match="3 speakers cannot be split into 4 folds"):
        fold_of(CLASSES, LABEL, 4, 0, 0, np.arange(len(LABEL)) % 3)


def test_apart_keeps_groups_on_one_side():
    group = np.random.default_rng(1).integers(0, 9, len(LABEL))
    held_out, rest = apart(group, 0.3, 0)
    assert len(set(group[held_out])) == 3
    assert not set(group[held_out]) & set(group[rest])
    np.testing.assert_array_equal(np.sort(np.concatenate([held_out, rest])), np.arange(len(LABEL)))
    assert len(set(group[apart(group, 0.01, 0)[0]])) == 1


@pytest.fixture
def shd(tmp_path):
    """400 training recordings of 10 speakers, 20 test recordings."""
    rng = np.random.default_rng(0)
    for part, size in (("train", 400), ("test", 20)):
        times = [np.sort(rng.uniform(0, 1, 5)) for _ in range(size)]
        speaker = np.arange(size) % 10
        write_shd(tmp_path / f"SHD/shd_{part}.h5", times, [np.arange(5)] * size, np.arange(size) // 20 % 20, speaker)

    def dataset(**settings: object) -> SHD:
        return SHD(root=str(tmp_path), cache_dir=str(tmp_path / "cache"), **settings)

    return dataset


def test_shd_validation_speakers_are_not_heard_in_training(shd):
    train, val, test = shd().splits()
    assert set(val.sample % 10).isdisjoint(train.sample % 10)
    assert (len(train.sample), len(val.sample), len(test.sample)) == (360, 40, 20)
    assert len(set(shd(validation="stratified").splits().val.sample % 10)) > 5


def test_shd_folds_are_of_speakers(shd):
    speakers = [set(shd(folds=5, fold=fold).splits().val.sample % 10) for fold in range(5)]
    assert sorted(speaker for group in speakers for speaker in group) == list(range(10))


def test_shd_speakers_of_recordings_that_are_left(shd):
    train, val, _ = shd(limit=7).splits()
    assert set(train.store.origin[val.sample] % 10).isdisjoint(train.store.origin[train.sample] % 10)


def test_ssc_is_split_as_published(tmp_path):
    for part, size in (("train", 70), ("valid", 35), ("test", 36)):
        times = [np.array([0.1])] * size
        write_shd(tmp_path / f"SSC/ssc_{part}.h5", times, [np.array([4])] * size, np.arange(size) % 35)
    splits = SSC(root=str(tmp_path), cache_dir=str(tmp_path / "cache")).splits()
    assert [len(subset.sample) for subset in splits] == [70, 35, 36]
    with pytest.raises(ValueError, match="folds"):
        SSC(root=str(tmp_path), cache_dir=str(tmp_path), folds=3)


def test_seeded_split_folds_are_the_tests(tmp_path):
    folds = [
        Randman(cache_dir=str(tmp_path), samples=10, units=5, folds=5, fold=fold, val_fraction=0.2).splits()
        for fold in range(5)
    ]
    np.testing.assert_array_equal(np.sort(np.concatenate([split.test.sample for split in folds])), np.arange(100))
    for split in folds:
        assert [len(subset.sample) for subset in split] == [60, 20, 20]
        assert len(np.unique(np.concatenate([subset.sample for subset in split]))) == 100


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"folds": 1}, "^folds must be at least 2"),
        ({"folds": 3, "fold": 3}, "^fold must lie in 0 to 2, got 3"),
        ({"fold": 1}, "^fold must be 0 without data.folds"),
        ({"folds": 2, "val_fraction": 0.5}, "leave nothing to train on"),
        ({"limit": 0}, "^limit must be at least 1"),
        ({"downsample": 0}, "^downsample must be at least 1"),
        ({"start": -1.0}, "^start must be"),
        ({"clip": "both"}, "^clip must be one of binary, counts, got 'both'"),
        ({"on_bad": "cry"}, "^on_bad must be one of error, skip"),
        ({"workers": -1}, "^workers must be"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ValueError, match=message):
        Randman(cache_dir="nowhere", **settings)


@pytest.mark.parametrize("size", [13, 40, 101])
def test_stratified_by_continuous_targets(size):
    """However few there are, and with the low, the middling and the high ones in each part."""
    values = np.random.default_rng(0).normal(size=(size, 1))
    parts = stratified(Continuous(1), values, (0.2, 0.1), 0)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(size))
    assert [len(part) for part in parts[:2]] == [round(0.2 * size), round(0.1 * size)]
    if size > 100:
        for part in parts:
            assert abs(np.median(values[part]) - np.median(values)) < 0.3


def test_folds_of_continuous_targets():
    values = np.random.default_rng(0).normal(size=(23, 2))
    held_out = [fold_of(Continuous(2), values, 4, fold, seed=3)[0] for fold in range(4)]
    np.testing.assert_array_equal(np.sort(np.concatenate(held_out)), np.arange(23))
    assert {len(part) for part in held_out} == {5, 6}
    with pytest.raises(DataError, match=r"^23 recordings cannot be split into 24 folds: set data\.folds"):
        fold_of(Continuous(2), values, 24, 0, 0)
