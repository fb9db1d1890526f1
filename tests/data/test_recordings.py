from typing import Any

import numpy as np
import pytest

from snn_zo.data.recordings import Recordings


def recordings(size: int = 30, label: int = 1, **columns: Any) -> Recordings:
    """Recordings of 9 x 9 pixels, all of the same size."""
    given = {"sample": np.repeat(np.arange(label), size // label), "t": np.arange(size), "p": np.zeros(size, int)}
    given |= {"x": np.arange(size) % 9, "y": np.arange(size) // 9 % 9, **columns}
    return Recordings(**given, target=np.zeros(label, np.int64), height=9, width=9)


def test_fault_of_sound_recordings():
    assert recordings().fault() is None
    assert recordings(t=np.arange(30, dtype=np.uint64)).fault() is None


@pytest.mark.parametrize("name", "txyp")
@pytest.mark.parametrize("value", [np.nan, np.inf, 0.5])
def test_fault_of_columns_that_are_no_whole_numbers(name, value):
    fault = recordings(**{name: np.full(30, value)}).fault()
    assert fault == (0, f"holds {name} of type float64, not whole numbers")


def test_disorder_of_times_without_a_sign():
    """Their difference is never negative."""
    t = np.arange(30, dtype=np.uint32)
    assert recordings(t=t).disorder() is None
    t[20] = 3
    assert recordings(t=t).disorder() == (0, "holds time stamps that are out of order")


def test_disorder_names_the_first_recording():
    t = np.tile(np.arange(10), 3)
    assert recordings(label=3, t=t).disorder() is None
    t[25] = 0
    assert recordings(label=3, t=t).disorder() == (2, "holds time stamps that are out of order")


@pytest.mark.parametrize(
    ("same", "size", "found"), [(60, 100, True), (40, 100, False), (100, 100, True), (9, 9, False)]
)
def test_disorder_of_one_event_over_and_over(same, size, found):
    columns = {name: np.where(np.arange(size) < same, 0, np.arange(size) % 9) for name in ("x", "y")}
    t = np.where(np.arange(size) < same, 0, np.arange(size))
    fault = recordings(size, t=t, **columns).disorder()
    assert fault == ((0, "holds mostly one event over and over, as a file filled with zeros does") if found else None)


def test_disorder_of_many_events_at_a_time_is_none():
    """A sensor with a coarse clock: another pixel each."""
    assert recordings(81, t=np.zeros(81, int)).disorder() is None


def test_silence_names_the_first_recording():
    assert recordings(30, 3, sample=np.repeat([0, 2], 15)).silence() == (1, "holds no events")
    assert recordings(0, 1).disorder() == (0, "holds no events")
    assert recordings(30, 3).silence() is None
