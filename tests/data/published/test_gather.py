import numpy as np
import pytest

from snn_zo.data.published import gather


@pytest.mark.parametrize("value", [-1, 40_000, 2**32 + 3, -(2**32) + 3, 2**62])
def test_gather_of_numbers_that_do_not_fit(value):
    """None of them becomes a pixel."""
    events = np.array([(0, value, value, value)], [(name, np.int64) for name in "txyp"])
    recordings = gather([events], np.array([0]), 32_768, 32_768)
    assert recordings.x.tolist() == recordings.y.tolist() == recordings.p.tolist() == [-1]
    assert recordings.fault() is not None


def test_gather_numbers_recordings_and_fills_in_columns():
    dtype = np.dtype([("t", int), ("x", int)])
    events = [np.array([(1500, 3), (2500, 4)], dtype), np.array([], dtype), np.array([(7, 5)], dtype)]
    recordings = gather(events, np.array([4, 5, 6]), 1, 9)
    assert recordings.sample.tolist() == [0, 0, 2]
    assert recordings.t.tolist() == [1500, 2500, 7]
    assert recordings.x.tolist() == [3, 4, 5]
    assert recordings.y.tolist() == recordings.p.tolist() == [0, 0, 0]
    assert recordings.target.tolist() == [4, 5, 6]
