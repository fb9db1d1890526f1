"""Survival functions against closed forms, from S = 1 to the last digit that a draw can resolve."""

import math

import numpy as np
import pytest
import torch
from scipy import special, stats
from scipy.integrate import quad

from snn_zo.strategies import DISTRIBUTIONS, FUNCTIONS, LocalZO, LocalZOConverse, Surrogate, ZerothOrder
from snn_zo.strategies.thresholds import Tabulated

ZETA_3 = float(special.zeta(3))


def sigmoid_with_a_1(x: np.ndarray) -> np.ndarray:
    def fall(t: float) -> float:
        return special.expit(-t) * special.expit(t) * math.tanh(t / 2) / t if t else 1 / 8

    mass = 7 * ZETA_3 / (4 * math.pi**2)
    return np.array([quad(lambda t, x=x: fall(x + t), 0, math.inf, epsabs=0, epsrel=1e-11)[0] for x in x]) / mass


# a = -1: S is proportional to x h(x) + the integral of h from x on
CLOSED = {
    ("sigmoid", 1): sigmoid_with_a_1,
    ("sigmoid", -1): lambda x: 2 * (x * special.expit(x) * special.expit(-x) + special.expit(-x)),
    ("gaussian", 1): lambda x: special.erfc(x / math.sqrt(2)),
    ("gaussian", -1): lambda x: 2 * (x * stats.norm.pdf(x) + stats.norm.sf(x)),
    # Student's t with 3 degrees of freedom, over sqrt 3; its tail has all digits, 1 - F has not
    ("arctan", 1): lambda x: 2 * special.stdtr(3, -math.sqrt(3) * x),
    ("arctan", -1): lambda x: 2 / math.pi * (x / (1 + x**2) + np.arctan2(1, x)),
    ("fast_sigmoid", -1): lambda x: (1 + 2 * x) / (1 + x) ** 2,
    ("exponential", -1): lambda x: (1 + x) * np.exp(-x),
    ("triangular", 0): lambda x: np.maximum(1 - x, 0),
    ("triangular", -1): lambda x: np.maximum(1 - x**2, 0),
    ("rectangular", -1): lambda x: np.where(x < 1, 1.0, 0.0),
    ("rectangular", 0): lambda x: np.where(x < 1, 1.0, 0.0),
    ("rectangular", 1): lambda x: np.where(x < 1, 1.0, 0.0),
    # a = 0: h(x) / h(0)
    ("sigmoid", 0): lambda x: 4 * special.expit(x) * special.expit(-x),
    ("gaussian", 0): lambda x: np.exp(-(x**2) / 2),
    ("arctan", 0): lambda x: 1 / (1 + x**2),
    ("fast_sigmoid", 0): lambda x: 1 / (1 + x) ** 2,
    ("exponential", 0): lambda x: np.exp(-x),
}
# 1 - S = (x / length)^order near 0, from -h'(x) = kappa x^p
START = {
    ("sigmoid", 1): (8 * 7 * ZETA_3 / (4 * math.pi**2), 1),
    ("sigmoid", -1): (12 ** (1 / 3), 3),
    ("gaussian", 1): (math.sqrt(math.pi / 2), 1),
    ("gaussian", -1): ((1.5 * math.sqrt(2 * math.pi)) ** (1 / 3), 3),
    ("arctan", 1): (math.pi / 4, 1),
    ("arctan", -1): ((3 * math.pi / 4) ** (1 / 3), 3),
    ("fast_sigmoid", -1): (1.0, 2),
    ("exponential", -1): (math.sqrt(2), 2),
    ("triangular", -1): (1.0, 2),
}
each_pair = pytest.mark.parametrize(("function", "a"), CLOSED)
each_start = pytest.mark.parametrize(("function", "a"), START)


def converse(function: str, a: int, samples: int = 1) -> LocalZOConverse:
    return LocalZOConverse(Surrogate(function, 1.0), a, samples)


def grid(function: str, a: int) -> torch.Tensor:
    """From 0 to where S < 2^-42, or to the edge of the support and beyond."""
    if math.isfinite(FUNCTIONS[function].support):
        return torch.linspace(0, 1.5, 301, dtype=torch.float64)
    end = 1.0
    while CLOSED[function, a](np.array([end]))[0] > 2.0**-42:
        end *= 1.1
    positive = torch.logspace(-9, math.log10(end), 400, dtype=torch.float64)
    return torch.cat([torch.zeros(1, dtype=torch.float64), positive, torch.linspace(0.01, 6, 200, dtype=torch.float64)])


def test_closed_forms_cover_every_converse():
    exist = {(name, a) for name, f in FUNCTIONS.items() for a in (-1, 0, 1) if a < f.order_at_zero + 1}
    assert set(CLOSED) == exist
    assert {pair for pair in exist if isinstance(converse(*pair).threshold, Tabulated)} <= set(START)


@each_pair
def test_survival_is_the_closed_form_down_to_the_tail(function, a):
    x = grid(function, a)
    expected = CLOSED[function, a](x.numpy())
    survival = converse(function, a).threshold.survival(x).numpy()
    assert survival == pytest.approx(expected, rel=1e-9, abs=0)


@each_pair
def test_survival_falls_from_1(function, a):
    # the first nodes matter most: log S of 1 + 1e-16 is NaN in the activity of several draws
    x = torch.cat([torch.zeros(1, dtype=torch.float64), torch.logspace(-14, 2, 20001, dtype=torch.float64)])
    survival = converse(function, a).threshold.survival(x)
    assert float(survival[0]) == 1
    assert float(survival.max()) <= 1, f"S = 1 + {float(survival.max()) - 1:.1e} at x = {float(x[survival.argmax()]):g}"
    assert float(survival.diff().max()) <= 4e-16


@each_pair
@pytest.mark.parametrize("samples", [2, 20])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_activity_of_several_draws_near_the_threshold(function, a, samples, dtype):
    x = torch.cat([torch.zeros(1, dtype=dtype), torch.logspace(-14, -2, 20001, dtype=dtype)])
    activity = converse(function, a, samples).activity(x)
    assert not activity.isnan().any(), f"NaN from u = {float(x[activity.isnan()].min()):g} on"
    assert float(activity.max()) <= 1
    assert float(activity.min()) > 0.9


@pytest.mark.parametrize(("function", "a"), [pair for pair in CLOSED if math.isinf(FUNCTIONS[pair[0]].support)])
def test_survival_float32(function, a):
    # S of single precision u, not S in single precision: x^2 / 2 in the exponent costs up to 88 * 2^-23
    x = grid(function, a)
    x = x[(x == 0) | (x > 1e-6)]
    survival = converse(function, a).threshold.survival(x.float())
    assert survival.dtype == torch.float32
    expected = converse(function, a).threshold.survival(x.float().double())
    assert torch.allclose(survival.double(), expected, rtol=2e-5, atol=0)


@each_pair
@pytest.mark.parametrize("x", [1e6, 1e20, 3e38])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_survival_far_beyond_the_table(function, a, x, dtype):
    survival = float(converse(function, a).threshold.survival(torch.tensor(x, dtype=dtype)))
    assert 0 <= survival < 1e-5


inverses = pytest.mark.parametrize(
    "strategy",
    [converse(*pair) for pair in CLOSED if pair[1] and pair[0] != "rectangular"] + [LocalZO(z) for z in DISTRIBUTIONS],
    ids=lambda strategy: f"{strategy.surrogate.function}-{strategy.a}" if hasattr(strategy, "a") else strategy.z,
)


@inverses
def test_inverse_survival_returns_x(strategy: ZerothOrder):
    x = torch.cat([torch.logspace(-3, 9, 4000), torch.linspace(0.1, 8, 2000)]).double()
    survival = strategy.threshold.survival(x)
    # nearer to 1 than this S itself has too few digits for x
    known = (survival < 0.999) & (survival > 2.0**-40)
    assert known.sum() > 500
    x, back = x[known], strategy.threshold.inverse_survival(survival[known])
    assert float((back / x - 1).abs().max()) < 1e-8


@inverses
def test_inverse_survival_is_decreasing(strategy: ZerothOrder):
    q = torch.logspace(-14, 0, 5001, dtype=torch.float64)
    x = strategy.threshold.inverse_survival(q)
    assert x.isfinite().all()
    assert (x >= 0).all()
    assert float(x.diff().max()) <= 0
    assert float(x[-1]) == pytest.approx(0, abs=1e-8)


@each_start
def test_inverse_survival_next_to_1(function, a):
    # these are the smallest thresholds that V = 1 - j 2^-32 gives: for a = -1 they have the largest weights, but come
    # up too rarely for more than their size to matter
    j = torch.tensor([1.0, 2, 3, 6, 10, 100, 1000, 4000], dtype=torch.float64)
    x = converse(function, a).threshold.inverse_survival(1 - j * 2.0**-32)
    length, order = START[function, a]
    expected = length * (j * 2.0**-32) ** (1 / order)
    assert x.numpy() == pytest.approx(expected.numpy(), rel=0.05)


@each_start
def test_inverse_survival_is_positive_below_1(function, a):
    # between 1 - 2^-32 and 1 lie thresholds of the other m - 1 draws, whose uniform numbers are finer; X^-1 of 0 is inf
    q = 1 - torch.logspace(-15.9, -6, 3001, dtype=torch.float64)
    x = converse(function, a).threshold.inverse_survival(q)
    assert (x > 0).all(), f"0 from S = 1 - {float((1 - q)[x <= 0].max()):.1e} on"


@pytest.mark.parametrize(
    ("function", "a", "mass"),
    [("sigmoid", 1, 7 * ZETA_3 / (4 * math.pi**2)), ("gaussian", 1, 0.5), ("arctan", 1, 0.5)]
    + [(function, -1, 0.5) for function in ("sigmoid", "gaussian", "arctan", "exponential", "triangular")]
    + [("fast_sigmoid", -1, 1.0), ("sigmoid", 0, 0.25), ("arctan", 0, 1 / math.pi), ("exponential", 0, 0.5)]
    + [("fast_sigmoid", 0, 1.0), ("triangular", 0, 1.0)]
    + [("rectangular", a, 0.5) for a in (-1, 0, 1)],
)
def test_mass_is_the_integral_of_the_density(function, a, mass):
    assert converse(function, a).threshold.mass == pytest.approx(mass, rel=1e-11)


def test_gate_has_no_threshold_to_ask_for():
    with pytest.raises(NotImplementedError, match="does not depend on its threshold"):
        converse("sigmoid", 0).threshold.inverse_survival(torch.ones(1))


def test_rectangular_has_no_fall():
    with pytest.raises(NotImplementedError, match="jump"):
        Surrogate("rectangular").g.fall(torch.ones(1))
