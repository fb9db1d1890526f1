import numpy as np
import pytest

from snn_zo.report.dashboard.run_page.axis import linear, logarithmic, whole_numbers


def told(axis) -> list[str]:
    return [text for _, text in axis.ticks]


def test_linear_suits_its_values():
    axis = linear("loss", np.array([0.1, 1.9]), "{:g}".format)
    assert told(axis) == ["0.5", "1", "1.5"]
    low, high = axis.at(np.array([0.1, 1.9]))
    assert 0 < low < 0.1
    assert 0.9 < high < 1


@pytest.mark.parametrize("value", [0.973, 0.0, -4.0, 1e-12, 1e12])
def test_linear_of_one_value_is_about_it(value):
    axis = linear("score", np.array([value, value]), "{:.6g}".format, least=0.02 if value == 0.973 else 0.0)
    assert axis.at(np.array([value])) == pytest.approx([0.5])
    assert axis.high - axis.low < 0.3 * max(abs(value), 1)
    assert 2 <= len(axis.ticks) <= 12


def test_linear_has_no_negative_zero():
    assert "-0" not in told(linear("x", np.array([-1.0, 1.0]), "{:g}".format))


def test_logarithmic_has_ticks_at_one_two_and_five():
    axis = logarithmic("active", np.array([0.004, 0.06]), "{:g}".format)
    assert told(axis) == ["0.005", "0.01", "0.02", "0.05"]
    assert axis.at(np.array([0.004 * 0.06]) ** 0.5) == pytest.approx([0.5])


def test_logarithmic_of_many_decades_has_few_ticks():
    assert len(logarithmic("active", np.array([1e-30, 1.0]), "{:g}".format).ticks) <= 8


@pytest.mark.parametrize(
    ("epochs", "ticks"), [(1, "1"), (3, "1 2 3"), (10, "1 2 4 6 8 10"), (400, "1 100 200 300 400")]
)
def test_whole_numbers_begin_with_one(epochs, ticks):
    assert told(whole_numbers("epoch", epochs)) == ticks.split()
