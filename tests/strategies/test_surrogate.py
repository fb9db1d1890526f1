import math
from itertools import pairwise

import pytest
import torch
from scipy.integrate import quad

from snn_zo.strategies import FUNCTIONS, Expectation, LocalZO, Surrogate

SLOPES = [0.5, 1.0, 25.0, 100.0]
ALL = [Surrogate(name, slope) for name in FUNCTIONS for slope in SLOPES]
EXPECTATIONS = [Expectation(LocalZO(z, delta)) for z in ("normal", "uniform", "laplace") for delta in (0.05, 2.0)]


def scale(strategy) -> float:
    """The width over which g changes."""
    return strategy.of.delta if isinstance(strategy, Expectation) else 1 / strategy.slope


def label(strategy) -> str:
    name = f"expectation-{strategy.of.z}" if isinstance(strategy, Expectation) else strategy.function.replace("_", "-")
    return f"{name}-{scale(strategy)}"


def double(*u: float) -> torch.Tensor:
    return torch.tensor(u, dtype=torch.float64)


dense = pytest.mark.parametrize("strategy", ALL + EXPECTATIONS, ids=label)


@dense
def test_gradient_is_derivative_of_primitive(strategy):
    # no point lies on a kink: 0, and 1 and sqrt 3 widths
    u = torch.linspace(-8.013, 8, 400, dtype=torch.float64) * scale(strategy)
    h = 1e-5 * scale(strategy)
    slope = (strategy.primitive(u + h) - strategy.primitive(u - h)) / (2 * h)
    peak = float(strategy.expected(double(0.0)))
    assert torch.allclose(strategy.gradient(u), slope, rtol=1e-6, atol=1e-8 * peak)


@dense
def test_gradient_of_autograd_agrees_with_primitive(strategy):
    # where differences of the primitive have no digits left, its own derivative has
    u = (torch.tensor([-4.0, -0.7, -0.01, 0.02, 0.9, 5.0], dtype=torch.float64) * scale(strategy)).requires_grad_()
    strategy.primitive(u).sum().backward()
    assert torch.allclose(strategy.gradient(u), u.grad, rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("slope", SLOPES)
def test_surrogate_honours_slope(name, slope):
    x = torch.linspace(-3.01, 3, 77, dtype=torch.float64)
    area_factor = 1.0 if name == "fast_sigmoid" else slope
    assert torch.allclose(
        Surrogate(name, slope).gradient(x / slope), area_factor * Surrogate(name, 1.0).gradient(x), rtol=1e-12
    )


FORMULAS = {
    "sigmoid": lambda k, u: k / (2 + 2 * math.cosh(k * u)),
    "fast_sigmoid": lambda k, u: 1 / (1 + k * abs(u)) ** 2,
    "arctan": lambda k, u: k / (math.pi * (1 + (k * u) ** 2)),
    "gaussian": lambda k, u: k * math.exp(-((k * u) ** 2) / 2) / math.sqrt(2 * math.pi),
    "triangular": lambda k, u: max(1 / k - abs(u), 0) * k**2,
    "rectangular": lambda k, u: (abs(u) < 1 / k) * k / 2,
    "exponential": lambda k, u: k * math.exp(-k * abs(u)) / 2,
}


def test_formulas_cover_every_function():
    assert set(FORMULAS) == set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_surrogate_is_its_formula(name):
    u = [-2.0, -0.31, -0.1, 0.0, 0.05, 0.29, 0.6]
    expected = double(*(FORMULAS[name](3.0, x) for x in u))
    assert torch.allclose(Surrogate(name, 3.0).gradient(double(*u)), expected, rtol=1e-12, atol=0)


@dense
def test_surrogate_integral(strategy):
    def g(u: float) -> float:
        return float(strategy.gradient(double(u)))

    kinks = (1.0, math.sqrt(3), math.inf)
    ends = [0.0, *(kink * scale(strategy) for kink in kinks)]
    area = 2 * sum(quad(g, a, b, epsabs=0, epsrel=1e-9)[0] for a, b in pairwise(ends))
    fast = isinstance(strategy, Surrogate) and strategy.function == "fast_sigmoid"
    assert area == pytest.approx(2 / strategy.slope if fast else 1.0, rel=1e-7)


@dense
def test_surrogate_float32_keeps_digits_in_the_tails(strategy):
    # single precision rounds k u, which exp(-k u) turns into a relative error of up to 88 * 2^-23; at the edge of a
    # finite support 1 - k u has none but absolute accuracy
    u = torch.logspace(-6, 5, 500) * scale(strategy)
    expected = strategy.gradient(u.double())
    normal = expected > torch.finfo(torch.float32).tiny
    assert normal.sum() > 100
    edge = 0.0 if math.isinf(strategy.b_th) else 1e-6 * float(strategy.gradient(double(0.0)))
    g = strategy.gradient(u)
    assert g.dtype == torch.float32
    assert torch.allclose(g[normal].double(), expected[normal], rtol=2e-5, atol=edge)


@dense
def test_surrogate_float32_is_finite_and_even_for_every_finite_u(strategy):
    magnitude = torch.cat([torch.tensor([0.0, 1e-45, 1e-30, 1e4, 1e20, 3e38]), torch.logspace(-38, 38.5, 306)])
    g = strategy.gradient(magnitude)
    assert g.isfinite().all(), f"not finite at u = {magnitude[~g.isfinite()].tolist()}"
    assert (g >= 0).all()
    assert torch.equal(strategy.gradient(-magnitude), g)
    assert (g <= g[0] * (1 + 1e-6)).all()


def test_surrogate_sigmoid_far_below_threshold():
    # snnTorch 1.0.0 has NaN here
    g = Surrogate("sigmoid", 25.0).gradient(torch.tensor([-4.0, -40.0, -3.0]))
    assert g.isfinite().all()
    assert float(g[2]) == pytest.approx(25 * math.exp(-75), rel=1e-5)


@pytest.mark.parametrize("z", ["normal", "uniform", "laplace"])
def test_expectation_equals_expected_of_local_zo(z):
    u = torch.linspace(-1, 1, 201, dtype=torch.float64)
    for samples in (1, 5):
        of = LocalZO(z, 0.2, samples)
        assert torch.equal(Expectation(of).gradient(u), of.expected(u))
        assert torch.equal(Expectation(of).primitive(u), of.primitive(u))


@dense
def test_surrogate_is_active_where_not_0(strategy):
    u = torch.linspace(-4, 4, 81, dtype=torch.float64) * scale(strategy)
    activity = strategy.activity(u)
    assert torch.equal(activity, (strategy.gradient(u) != 0).double())
    assert torch.equal(activity, (u.abs() < strategy.b_th).double())


@pytest.mark.parametrize(
    ("strategy", "b_th"),
    [
        (Surrogate("triangular", 4.0), 0.25),
        (Surrogate("rectangular", 4.0), 0.25),
        (Surrogate("sigmoid"), math.inf),
        (Expectation(LocalZO("uniform", 0.1)), 0.1 * math.sqrt(3)),
        (Expectation(LocalZO("laplace")), math.inf),
    ],
    ids=str,
)
def test_surrogate_b_th_is_the_support(strategy, b_th):
    assert strategy.b_th == pytest.approx(b_th)


@dense
@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (1,), (3, 5, 7)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_surrogate_keeps_shape_and_type(strategy, shape, dtype):
    u = torch.zeros(shape, dtype=dtype, requires_grad=True)
    for out in (strategy.gradient(u), strategy.activity(u.detach())):
        assert out.shape == shape
        assert out.dtype == dtype
        assert not out.requires_grad


@pytest.mark.parametrize(
    ("name", "near"), [("sigmiod", "sigmoid"), ("fastsigmoid", "fast_sigmoid"), ("gausian", "gaussian")]
)
def test_surrogate_unknown_function_names_the_nearest(name, near):
    with pytest.raises(ValueError, match=rf"function.*'{name}'.*did you mean '?{near}\b.*rectangular"):
        Surrogate(name)


def test_surrogate_unknown_function_without_a_near_one():
    with pytest.raises(ValueError, match="function 'xyz' does not exist; choose from sigmoid, fast_sigmoid"):
        Surrogate("xyz")


@pytest.mark.parametrize("slope", [0.0, -1.0, math.inf, math.nan])
def test_surrogate_refuses_slope(slope):
    with pytest.raises(ValueError, match="slope must be a positive number"):
        Surrogate("sigmoid", slope)
