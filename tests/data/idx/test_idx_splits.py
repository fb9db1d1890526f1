import numpy as np
import pytest

from snn_zo.data.errors import DataError
from snn_zo.data.idx import MNIST, FashionMNIST, read_idx
from tests.data.idx.files import NAMES, contents, idx, put
from tests.data.originals import assert_equal
from tests.data.outcome import message


def test_cache_is_used(make, raw, monkeypatch):
    before = make().splits()
    monkeypatch.setattr(FashionMNIST, "listing", lambda *_: pytest.fail("the store was not used"))
    after = make(batch_size=3).splits()
    assert_equal(after.train.store, before.train.store)


def test_cache_file_of_a_replaced_file(make, raw):
    before = make().cache_file("train")
    assert len(make().store("train").target) == 40
    put(raw, contents(60, seed=1))
    assert make().cache_file("train") != before
    assert len(make().store("train").target) == 60
    put(raw, contents(40))
    assert make().cache_file("train") == before


def test_cache_file_names_what_shaped_it(make, raw, tmp_path):
    put(tmp_path / "MNIST" / "raw", contents(40))
    changes = [{"dt": 2.0}, {"steps": 9}, {"code": "rate"}, {"tau_eff": 9.0}, {"threshold": 0.3}, {"max_rate": 9.0}]
    names = {make(**change).cache_file("train") for change in [{}, *changes]}
    names |= {make(MNIST).cache_file("train"), make().cache_file("test")}
    assert len(names) == 9
    same = make(batch_size=7, val_fraction=0.3, split_seed=4, shuffle=False)
    assert same.cache_file("train") == make().cache_file("train")


@pytest.mark.parametrize(("val_fraction", "size"), [(0.25, 10), (0.5, 20)])
def test_splits_validation_is_stratified(make, raw, val_fraction, size):
    train, val, _ = make(val_fraction=val_fraction).splits()
    assert [len(train.sample), len(val.sample)] == [40 - size, size]
    np.testing.assert_array_equal(np.sort(np.concatenate([train.sample, val.sample])), np.arange(40))
    assert np.bincount(val.store.target[val.sample]).tolist() == [size // 10] * 10
    assert np.bincount(train.store.target[train.sample]).tolist() == [(40 - size) // 10] * 10


def test_splits_leave_the_test_part_untouched(make, raw):
    one, two = (make(split_seed=seed).splits() for seed in (0, 1))
    assert not np.array_equal(one.val.sample, two.val.sample)
    for splits in (one, two):
        np.testing.assert_array_equal(splits.test.sample, np.arange(20))
        np.testing.assert_array_equal(splits.test.store.target, read_idx(raw / NAMES[3], 1))


def test_splits_of_too_few_recordings(make, raw):
    (raw / NAMES[1]).write_bytes(idx(np.arange(40) // 39))
    with pytest.raises(DataError, match="40 recordings") as error:
        make().splits()
    message(error)
