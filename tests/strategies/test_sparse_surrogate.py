import math
from itertools import pairwise

import pytest
import torch
from scipy.integrate import quad

from snn_zo.strategies import Expectation, LocalZO, LocalZOConverse, SparseSurrogate, Surrogate

INSIDE = [Surrogate("sigmoid", 30.0), Surrogate("fast_sigmoid", 100.0), Expectation(LocalZO("laplace", 0.1))]

MATCHES = [LocalZO(z, 0.07, m) for z in ("normal", "uniform", "laplace") for m in (1, 5)] + [
    LocalZOConverse(Surrogate("sigmoid", 20.0), a, m) for a in (-1, 0, 1) for m in (1, 5)
]


@pytest.mark.parametrize("inside", INSIDE, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sparse_surrogate_is_the_surrogate_in_the_window_only(inside, dtype):
    u = torch.linspace(-0.5, 0.5, 3 * 5 * 21, dtype=dtype).view(3, 5, 21)
    g = SparseSurrogate(inside, b_th=0.2).gradient(u)
    window = u.abs() < 0.2
    assert g.dtype == dtype
    assert torch.equal(g[window], inside.gradient(u)[window])
    assert (g[window] > 0).all()
    assert (g[~window] == 0).all()


@pytest.mark.parametrize("b_th", [0.2, 0.25, 1 / 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sparse_surrogate_boundary_is_inactive(b_th, dtype):
    strategy = SparseSurrogate(Surrogate(), b_th=b_th)
    edge = torch.tensor(b_th, dtype=dtype)
    u = torch.stack([-edge, edge, torch.nextafter(edge, torch.zeros_like(edge))])
    assert strategy.activity(u).tolist() == [0, 0, 1]
    assert (strategy.gradient(u) != 0).tolist() == [False, False, True]


@pytest.mark.parametrize("match", MATCHES, ids=str)
def test_sparse_surrogate_match_has_equal_expected_activity(match):
    def activity(u: float) -> float:
        return float(match.activity(torch.tensor(u, dtype=torch.float64)))

    strategy = SparseSurrogate(Surrogate(), match=match)
    width = 1 / match.scale
    ends = [0.0, width, math.sqrt(3) * width, 10 * width, math.inf]
    expected = 2 * sum(quad(activity, a, b, epsabs=1e-12)[0] for a, b in pairwise(ends))
    assert 2 * strategy.b_th == pytest.approx(expected, rel=1e-7)


def test_sparse_surrogate_fills_in_b_th():
    strategy = SparseSurrogate(Surrogate(), match=LocalZO("normal", 0.05))
    assert strategy.b_th == pytest.approx(0.05 * math.sqrt(2 / math.pi))
    assert SparseSurrogate(Surrogate(), b_th=0.3).b_th == 0.3


def test_sparse_surrogate_refuses_both_windows():
    with pytest.raises(ValueError, match="b_th and match are both given"):
        SparseSurrogate(Surrogate(), b_th=0.1, match=LocalZO())


def test_sparse_surrogate_refuses_no_window():
    with pytest.raises(ValueError, match="no window"):
        SparseSurrogate(Surrogate())


@pytest.mark.parametrize("function", ["fast_sigmoid", "arctan"])
@pytest.mark.parametrize("samples", [1, 5])
def test_sparse_surrogate_refuses_a_match_of_infinite_mean(function, samples):
    match = LocalZOConverse(Surrogate(function, 25.0), a=-1, samples=samples)
    assert match.b_th == math.inf
    with pytest.raises(ValueError, match="infinite"):
        SparseSurrogate(Surrogate(), match=match)


@pytest.mark.parametrize("b_th", [0.0, -0.1, math.inf, math.nan])
def test_sparse_surrogate_refuses_b_th(b_th):
    with pytest.raises(ValueError, match="b_th must be a positive number"):
        SparseSurrogate(Surrogate(), b_th=b_th)


def test_sparse_surrogate_of_nothing():
    assert SparseSurrogate(Surrogate(), b_th=0.1).gradient(torch.zeros(0, 3)).shape == (0, 3)


@pytest.mark.parametrize("value", [-1.0, 1.0])
def test_sparse_surrogate_none_active(value):
    assert not SparseSurrogate(Surrogate(), b_th=0.1).gradient(torch.full((2, 3), value)).any()
