import numpy as np
import pytest

from snn_zo.target import GROUPS, Classes, Continuous


def test_classes_are_whole_numbers_in_range():
    target = Classes(3)
    assert (target.outputs, target.shape) == (3, ())
    values = target.typed(np.array([-1, 0, 2, 3], np.int8))
    assert values.dtype == np.int64
    assert target.valid(values).tolist() == [False, True, True, False]
    assert target.fault(values[3]) == "label 3, which is not one of 0 to 2"
    np.testing.assert_array_equal(target.strata(values), values)


def test_continuous_targets_are_finite():
    target = Continuous(2)
    assert (target.outputs, target.shape) == (2, (2,))
    values = target.typed(np.array([[0.5, 1e39], [np.nan, 0], [1, 2]]))
    assert values.dtype == np.float32
    assert target.valid(values).tolist() == [False, False, True]
    assert target.fault(values[1]) == "target nan, 0.0, which is not finite"


@pytest.mark.parametrize(
    ("target", "values", "said"),
    [
        (Classes(3), np.array([0.0, 1.0]), r"float64 \[2\], and must be int64 \[S\]"),
        (Classes(3), np.zeros((2, 1), int), r"int64 \[2, 1\], and must be int64 \[S\]"),
        (Continuous(2), np.zeros(2), r"float64 \[2\], and must be float32 \[S, 2\]"),
        (Continuous(2), np.zeros((4, 3)), r"float64 \[4, 3\], and must be float32 \[S, 2\]"),
        (Continuous(1), np.zeros((4, 1), complex), "complex128"),
        (Continuous(1), np.array(0.0), "float64"),
    ],
)
def test_typed_of_other_targets(target, values, said):
    with pytest.raises(ValueError, match=said):
        target.typed(values)


@pytest.mark.parametrize(
    ("size", "most", "groups"), [(100, 100, GROUPS), (100, 4, 4), (7, 100, 3), (1, 1, 1), (7, 0, 1)]
)
def test_strata_of_continuous_targets_are_equal_and_in_order(size, most, groups):
    values = np.random.default_rng(0).permutation(size).astype(float)[:, None]
    strata = Continuous(1).strata(values, most)
    assert np.ptp(np.bincount(strata)) <= 1
    assert strata.max() == groups - 1
    assert (np.diff(strata[values[:, 0].argsort()]) >= 0).all()


def test_strata_of_no_targets():
    assert Continuous(3).strata(np.zeros((0, 3))).shape == (0,)
