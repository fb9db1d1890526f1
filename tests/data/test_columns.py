import numpy as np
import pytest

from snn_zo.data.columns import whole, whole_events

NUMBERS = np.array([0, 1, 5, 127])


@pytest.mark.parametrize("dtype", ["<i1", "u1", ">i2", "<u2", ">i4", "<u8", ">u8", "<f2", ">f4", "<f8", np.longdouble])
def test_whole_of_any_type(dtype):
    found = whole("t", NUMBERS.astype(dtype), scale=1_000_000)
    assert found.dtype == np.int64
    assert found.tolist() == [0, 10**6, 5 * 10**6, 127 * 10**6]


def test_whole_of_truth_values():
    assert whole("p", np.array([True, False])).tolist() == [1, 0]


@pytest.mark.parametrize("name", ["t", "x"])
def test_whole_of_nothing(name):
    assert len(whole(name, np.zeros(0))) == len(whole(name, np.zeros(0, np.uint8))) == 0


def test_whole_rounds_times_down():
    """Just before the beginning is before it."""
    assert whole("t", np.array([0.0015, -0.0001, 2.9999]), 1000).tolist() == [1, -1, 2999]


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (np.nan, "no finite number"),
        (np.inf, "no finite number"),
        (-np.inf, "no finite number"),
        (1e30, "too large"),
        (-(2.0**62), "too large"),
        (0.5, "no whole number"),
    ],
)
@pytest.mark.parametrize("dtype", ["<f4", ">f8"])
def test_whole_of_what_cannot_be(value, what, dtype):
    with pytest.raises(ValueError, match=rf"^column y holds \S+, which is {what}$"):
        whole("y", np.array([0, 3, value, 1], dtype))


@pytest.mark.parametrize(
    ("value", "dtype", "scale"),
    [(2**64 - 1, "u8", 1), (-(2**63), "i8", 1), (2**62, "i8", 1), (2**60, "i8", 1000), (-(2**60), ">i8", 1000)],
)
def test_whole_of_integers_beyond_62_bits(value, dtype, scale):
    with pytest.raises(ValueError, match=f"^column t holds {value}, which is too large"):
        whole("t", np.array([3, value], dtype), scale)


@pytest.mark.parametrize("dtype", ["c8", "M8[us]", "m8[us]", "O", "U3", "S3", "V8", [("a", "i4")]])
def test_whole_of_no_numbers(dtype):
    with pytest.raises(ValueError, match=r"^column p holds .*, not a number an event"):
        whole("p", np.zeros(3, dtype))


def test_whole_of_a_table():
    with pytest.raises(ValueError, match="of 2 dimensions"):
        whole("t", np.zeros((3, 2)))


def test_whole_events_keeps_its_columns():
    events = np.array([(True, 7, 1.9)], [("p", "?"), ("x", ">u2"), ("t", "f2")])
    found = whole_events(events)
    assert found.dtype.names == ("t", "x", "p")
    assert found.tolist() == [(1, 7, 1)]


@pytest.mark.parametrize("names", [("x", "y", "p"), ("t", "y"), ("time", "x")])
def test_whole_events_without_time_or_place(names):
    with pytest.raises(ValueError, match=r"there is no column [tx] among"):
        whole_events(np.zeros(2, [(name, int) for name in names]))


def test_whole_events_that_are_rows():
    with pytest.raises(ValueError, match="there is no column t"):
        whole_events(np.zeros((5, 4)))
