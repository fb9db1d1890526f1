import logging
import os

import numpy as np
import pytest
from sklearn.datasets import load_digits

from snn_zo.data.digits import Digits


@pytest.fixture(scope="module")
def digits() -> Digits:
    return Digits(cache_dir=os.environ["SNN_ZO_CACHE"])


@pytest.fixture(scope="module")
def splits(digits):
    return digits.splits()


def test_splits_are_disjoint_and_complete(splits):
    parts = [subset.sample for subset in splits]
    assert [len(part) for part in parts] == [1258, 180, 359]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(1797))


def test_splits_are_stratified(splits):
    for subset in splits:
        share = np.bincount(subset.store.target[subset.sample], minlength=10) / len(subset.sample)
        assert share.min() > 0.08
        assert share.max() < 0.12


def test_splits_depend_on_split_seed(digits):
    other = Digits(cache_dir=digits.cache_dir, split_seed=1).splits()
    assert not np.array_equal(other.test.sample, digits.splits().test.sample)


def test_labels_and_density(splits):
    store = splits.train.store
    np.testing.assert_array_equal(store.target, load_digits().target)
    assert store.inputs == 2 * 34 * 34
    per_sample = len(store.col) / 1797
    assert 3000 < per_sample < 5000, "as dense as N-MNIST recordings, about 4,100 events"


def test_cache_is_used_and_mended(digits, splits, monkeypatch, caplog):
    path = digits.cache_file("all")
    assert path.exists()
    monkeypatch.setattr(Digits, "listing", lambda *_: pytest.fail("the store was not used"))
    digits.splits()
    monkeypatch.undo()
    before = path.read_bytes()
    path.write_bytes(before[:1000])
    with caplog.at_level(logging.WARNING):
        digits.splits()
    assert "making it again" in caplog.text
    assert path.read_bytes() == before


def test_cache_file_names_what_shaped_it(digits):
    same = Digits(cache_dir=digits.cache_dir, batch_size=7, split_seed=4, val_fraction=0.3, folds=3, fold=1)
    assert same.cache_file("all") == digits.cache_file("all")
    changes = [{"dt": 4.0}, {"steps": 9}, {"polarities": "merged"}, {"start": 5.0}, {"downsample": 2}]
    changes += [{"clip": "counts"}, {"limit": 3}, {"on_bad": "skip"}]
    others = [Digits(cache_dir=digits.cache_dir, **change) for change in changes]
    names = {dataset.cache_file("all") for dataset in [digits, *others]}
    assert len(names) == 9
