import math

import numpy as np
import pytest
import torch
from scipy import special, stats
from scipy.integrate import quad

from snn_zo.strategies import FUNCTIONS, Draw, LocalZO, LocalZOConverse, Surrogate, SurrogateFunction

DIVERGES = [("fast_sigmoid", 1), ("triangular", 1), ("exponential", 1)]
EXISTS = [(name, a) for name in FUNCTIONS for a in (-1, 0, 1) if (name, a) not in DIVERGES]
SLOPE = 2.5
FINITE_MEAN = [pair for pair in EXISTS if pair not in [("fast_sigmoid", -1), ("arctan", -1)]]

each_pair = pytest.mark.parametrize(("function", "a"), EXISTS)
each_m = pytest.mark.parametrize("m", [1, 2, 5, 20])


def converse(function: str, a: int, m: int = 1, slope: float = SLOPE) -> LocalZOConverse:
    return LocalZOConverse(Surrogate(function, slope), a, m)


def double(*u: float) -> torch.Tensor:
    return torch.tensor(u, dtype=torch.float64)


def at(values, u: float) -> float:
    return float(values(double(u)))


@each_pair
@pytest.mark.parametrize(("m", "p"), [(1, 0.9), (1, 0.03), (1, 0.002), (2, 0.4), (5, 0.9), (5, 0.03), (20, 0.4)])
def test_gradient_mean_is_the_surrogate(sample, u_with_activity, function, a, m, p):
    strategy = converse(function, a, m)
    u = u_with_activity(strategy, p)
    estimates = sample(strategy, u, 60_000 if m < 20 else 20_000)
    assert abs(estimates.mean_off(at(strategy.surrogate.gradient, u))) < 4.5
    assert abs(estimates.activity_off(at(strategy.activity, u))) < 4.5


@each_pair
@pytest.mark.parametrize("p", [0.9, 0.1, 1e-4, 2.0**-28])
def test_gradient_mean_to_the_end_of_the_tail(mean_over_v, u_with_activity, function, a, p):
    strategy = converse(function, a)
    u = u_with_activity(strategy, p)
    assert mean_over_v(strategy, u) == pytest.approx(at(strategy.surrogate.gradient, u), rel=1e-5)


@each_pair
def test_expected_is_the_surrogate(function, a):
    u = torch.linspace(-3, 3, 101, dtype=torch.float64)
    strategy = converse(function, a, 3)
    assert torch.equal(strategy.expected(u), strategy.surrogate.gradient(u))


@pytest.mark.parametrize(("function", "a"), [pair for pair in EXISTS if pair[0] != "rectangular"])
@pytest.mark.parametrize("slope", [1.0, 100.0])
def test_density_of_the_theorem(function, a, slope):
    """Weight and survival from g' alone: c |z|^a / (2 delta), with the density -(delta^2 / c) |x|^-a g'(delta |x|)."""
    strategy, delta = converse(function, a, slope=slope), 0.3

    def integrand(t: float) -> float:
        u = double(t).requires_grad_()
        strategy.surrogate.g(u).sum().backward()
        return -float(u.grad) * t**-a

    def integral(start: float, end: float) -> float:
        return quad(integrand, start, end, epsabs=0, epsrel=1e-10, limit=200)[0]

    middle, edge = 0.5 / slope, 1 / slope
    beyond = 0 if function == "triangular" else integral(edge, 10 / slope) + integral(10 / slope, math.inf)
    total = integral(0, middle) + integral(middle, edge) + beyond
    c = 2 * delta ** (1 + a) * total
    # delta |z| = X / k, so that c |z|^a / (2 delta) = w X^a
    assert strategy.weight * (slope * delta) ** a == pytest.approx(c / (2 * delta), rel=1e-7)
    assert at(strategy.activity, edge) == pytest.approx(beyond / total, rel=1e-7, abs=1e-12)


@each_pair
@pytest.mark.parametrize("m", [2, 5, 20])
def test_activity_of_several_draws(function, a, m):
    u = torch.linspace(-4, 4, 201, dtype=torch.float64)
    one = converse(function, a).activity(u)
    assert torch.allclose(converse(function, a, m).activity(u), 1 - (1 - one) ** m, rtol=1e-6, atol=1e-14)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("slope", [1.0, 30.0])
def test_gate_is_bernoulli_with_constant_weight(function, slope):
    strategy = converse(function, 0, slope=slope)
    g = strategy.surrogate.gradient
    u = torch.linspace(-3, 3, 61, dtype=torch.float64) / slope
    assert torch.allclose(strategy.activity(u), g(u) / g(double(0.0)), rtol=1e-12, atol=0)
    values = strategy.gradient(u.expand(50, -1), Draw(0, 0, 0, torch.arange(50)))
    assert values[values != 0].numpy() == pytest.approx(at(g, 0.0), rel=1e-12)


@pytest.mark.parametrize("a", [-1, 0, 1])
def test_rectangular_is_a_hard_window(a):
    u = double(-0.41, -0.39, 0.0, 0.39, 0.41, 9.0)
    strategy = converse("rectangular", a, 3)
    g = strategy.gradient(u[None], Draw(0, 0, 0, torch.arange(1)))[0]
    assert torch.equal(g, strategy.surrogate.gradient(u))
    assert strategy.b_th == pytest.approx(1 / SLOPE)


# eager draws of |z| at k delta = 1, by their inverse distribution functions
EAGER = {
    ("arctan", 1): lambda u: np.abs(stats.t(3).ppf(u)) / math.sqrt(3),
    ("fast_sigmoid", -1): lambda u: np.sqrt(u) / (1 - np.sqrt(u)),
    ("fast_sigmoid", 0): lambda u: u**-0.5 - 1,
    ("triangular", 0): lambda u: u,
    ("triangular", -1): np.sqrt,
    # S = (1 + x) exp(-x): the sum of two exponential variables
    ("exponential", -1): lambda u: special.gammaincinv(2, u),
}


@pytest.mark.parametrize(("function", "a"), EAGER)
@pytest.mark.parametrize("m", [1, 2, 5])
@pytest.mark.parametrize("x", [0.1, 0.8])
def test_gradient_has_the_distribution_of_eager_draws(sample, function, a, m, x):
    size, strategy = 30_000, converse(function, a, m)
    z = EAGER[function, a](np.random.default_rng(m).random((size, m)))
    eager = strategy.weight * np.where(x < z, z**a, 0).mean(1)
    sample(strategy, x / SLOPE, size).assert_distributed_like(eager)


@pytest.mark.parametrize(("m", "largest"), [(1, 0.7658), (5, 1.5895), (20, 2.3470)])
@pytest.mark.parametrize("slope", [1.0, 30.63])
def test_sigmoid_constants(m, largest, slope):
    # c = 1 is the paper's weight |z| / (2 delta): k delta = 1 / sqrt C
    big_c = 7 * special.zeta(3) / (2 * math.pi**2)
    strategy = converse("sigmoid", 1, m, slope)
    delta = 1 / (slope * math.sqrt(big_c))
    assert big_c == pytest.approx(0.42628, abs=5e-6)
    # w X = |z| / (2 delta) with X = k delta |z|
    assert strategy.weight == pytest.approx(1 / (2 * delta) / (slope * delta), rel=1e-10)
    assert strategy.b_th / delta == pytest.approx(largest, abs=6e-5)
    if m == 1:
        assert strategy.b_th / delta == pytest.approx(slope * delta / 2, rel=1e-8)


def test_arctan_constants():
    strategy = converse("arctan", 1, slope=1.0)
    assert strategy.b_th == pytest.approx(2 / math.pi, rel=1e-8)
    assert strategy.weight == pytest.approx(0.5, rel=1e-11)  # |z| / (2 delta) at delta = 1
    x = np.linspace(0.01, 3, 50)
    f = 2 / np.pi * (x / (1 + x**2) + np.arctan(x))
    assert 1 - strategy.activity(torch.from_numpy(x)).numpy() == pytest.approx(f, rel=1e-8)


@pytest.mark.parametrize("slope", [1.0, 100.0])
def test_fast_sigmoid_constants(slope):
    strategy = converse("fast_sigmoid", -1, slope=slope)
    x = torch.logspace(-4, 6, 101, dtype=torch.float64)
    # 1 - (x / (1 + x))^2 without cancellation
    assert torch.allclose(strategy.activity(x / slope), (1 + 2 * x) / (1 + x).square(), rtol=1e-9, atol=0)
    # c = 2 / k: the weight of |z|^-1 / (2 delta) is 1 / (k delta), that of X^-1 = 1 / (k delta |z|) is 1
    assert strategy.weight == pytest.approx(1.0, rel=1e-11)
    assert strategy.b_th == math.inf


@pytest.mark.parametrize("m", [1, 5])
@pytest.mark.parametrize("a", [0, -1])
@pytest.mark.parametrize("u", [0.2, 0.6])
def test_fast_sigmoid_is_unbiased_in_the_tail(sample, mean_over_v, a, u, m):
    # the published table gives 0.85 g at 0.2 and 0 at 0.6
    strategy = converse("fast_sigmoid", a, m, 100.0)
    g = 1 / (1 + 100 * u) ** 2
    estimates = sample(strategy, u, 400_000)
    assert abs(estimates.mean_off(g)) < 4.5
    assert float(estimates.g.mean()) == pytest.approx(g, rel=0.14)
    if m == 1:
        assert mean_over_v(strategy, u) == pytest.approx(g, rel=1e-6)


def test_triangular_constants():
    gamma = 1 / SLOPE
    u = double(0.0, 0.1, 0.39, 0.41)
    assert torch.allclose(converse("triangular", 0).activity(u), (1 - u / gamma).clamp(min=0))
    assert torch.allclose(converse("triangular", -1).activity(u), (1 - (u / gamma) ** 2).clamp(min=0))
    assert converse("triangular", 0).weight == pytest.approx(1 / gamma)
    # E of gamma U, and of gamma sqrt U
    assert converse("triangular", 0).b_th == pytest.approx(gamma / 2)
    assert converse("triangular", -1).b_th == pytest.approx(gamma * 2 / 3)


@each_m
@pytest.mark.parametrize("slope", [1.0, 20.0])
def test_gaussian_is_the_normal_local_zo(m, slope):
    strategy, published = converse("gaussian", 1, m, slope), LocalZO("normal", 1 / slope, m)
    u = torch.linspace(-6, 6, 301, dtype=torch.float64) / slope
    assert torch.allclose(strategy.expected(u), published.expected(u), rtol=1e-12, atol=0)
    assert torch.allclose(strategy.activity(u), published.activity(u), rtol=1e-9, atol=0)
    # w X with X = k |u|, as |z| / (2 delta)
    assert strategy.weight == pytest.approx(published.weight, rel=1e-11)
    assert strategy.scale == pytest.approx(published.scale)
    assert strategy.b_th == pytest.approx(published.b_th, rel=1e-8)
    assert strategy.reach == pytest.approx(published.reach, rel=1e-8)


@pytest.mark.parametrize("m", [1, 5])
def test_gaussian_draws_what_the_normal_local_zo_draws(m):
    u, draw = torch.linspace(-0.2, 0.2, 3 * 5 * 41, dtype=torch.float64).view(3, 5, 41), Draw(1, 2, 3, torch.arange(3))
    expected = LocalZO("normal", 0.05, m).gradient(u, draw)
    assert torch.allclose(converse("gaussian", 1, m, 20.0).gradient(u, draw), expected, rtol=1e-8, atol=0)


@pytest.mark.parametrize(("function", "a"), FINITE_MEAN)
@pytest.mark.parametrize("m", [1, 5])
def test_b_th_is_half_the_integral_of_activity(function, a, m):
    strategy = converse(function, a, m)
    ends = [0, 0.5 / SLOPE, 1 / SLOPE, 10 / SLOPE, math.inf]
    area = sum(quad(lambda u: at(strategy.activity, u), *ends[i : i + 2], epsabs=1e-12)[0] for i in range(4))
    assert strategy.b_th == pytest.approx(area, rel=1e-7)


@pytest.mark.parametrize("function", ["fast_sigmoid", "arctan"])
def test_b_th_of_a_threshold_without_mean(function):
    assert converse(function, -1).b_th == math.inf


@each_pair
@pytest.mark.parametrize("m", [1, 5])
@pytest.mark.parametrize("v", [2.0**-32, 0.5, 1 - 6 * 2.0**-32, 1 - 2.0**-32])
@pytest.mark.parametrize("u", [0.0, 1e-9, 1e-5])
def test_gradient_at_the_ends_of_the_random_numbers(forced_uniform, function, a, m, v, u):
    # V = 1 - 2^-32 comes up every few hundred million elements: once is enough to spoil a training run
    forced_uniform(v)
    strategy = converse(function, a, m, 1.0)
    g = strategy.gradient(torch.full((1, 2), u, dtype=torch.float64), Draw(0, 0, 0, torch.arange(1)))
    assert g.isfinite().all()
    if v < at(strategy.activity, u):
        assert (g > 0).all()


@each_pair
@each_m
def test_reach_is_where_the_smallest_number_decides(forced_uniform, function, a, m):
    strategy = converse(function, a, m)
    forced_uniform(2.0**-32)
    u = strategy.reach * double(-1 - 1e-6, 1 - 1e-6, 1 + 1e-6, 1.5)[None]
    g = strategy.gradient(u, Draw(0, 0, 0, torch.arange(1)))
    assert math.isfinite(strategy.reach)
    assert (g != 0).flatten().tolist() == [False, True, False, False]


@each_pair
@pytest.mark.parametrize("m", [1, 5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradient_does_not_depend_on_the_batch_split(function, a, m, dtype):
    u = torch.randn(5, 7, 11, dtype=dtype, generator=torch.Generator().manual_seed(1))
    index = torch.tensor([5, 900, 2, 3, 77])
    strategy = converse(function, a, m)
    whole = strategy.gradient(u, Draw(1, 2, 3, index))
    halves = [strategy.gradient(u[part], Draw(1, 2, 3, index[part])) for part in (slice(0, 2), slice(2, 5))]
    assert whole.dtype == dtype
    assert torch.equal(torch.cat(halves), whole)


@each_pair
@pytest.mark.parametrize("shape", [(0, 4, 3), (1,), (3, 5, 7)])
def test_gradient_keeps_shape(function, a, shape):
    g = converse(function, a, 5).gradient(torch.zeros(shape), Draw(0, 0, 0, torch.arange(shape[0])))
    assert g.shape == shape
    assert (g > 0).all()


@pytest.mark.parametrize(("function", "a"), DIVERGES)
@pytest.mark.parametrize("samples", [1, 5])
def test_converse_refuses_a_divergent_density(function, a, samples):
    with pytest.raises(ValueError, match=f"{function} with a = {a}.*diverges at 0"):
        converse(function, a, samples)


def test_converse_of_a_third_partys_function(monkeypatch):
    registry = dict(FUNCTIONS)
    monkeypatch.setattr("snn_zo.strategies.functions.FUNCTIONS", registry)
    monkeypatch.setattr("snn_zo.strategies.surrogate.FUNCTIONS", registry)

    class Slow(SurrogateFunction):
        """h = 1 / (1 + x): too heavy a tail for a = -1."""

        name = "slow"
        order_at_zero = 0
        tail_order = 2

        def shape(self, x):
            return 1 / (1 + x)

        def fall(self, x):
            return 1 / (1 + x).square()

        def step(self, x):
            return x.sign() * x.abs().log1p()

    assert "slow" not in FUNCTIONS
    with pytest.raises(ValueError, match=r"slow with a = -1.*diverges at infinity"):
        converse("slow", -1)
    gate = converse("slow", 0)
    assert at(gate.expected, 0.4) == pytest.approx(SLOPE / 2)
    assert gate.b_th == math.inf


@pytest.mark.parametrize("a", [2, -2, 0.5])
def test_converse_refuses_a(a):
    with pytest.raises(ValueError, match=f"a must be -1, 0 or 1, got {a}"):
        LocalZOConverse(Surrogate(), a)


@pytest.mark.parametrize("samples", [0, -3])
def test_converse_refuses_samples(samples):
    with pytest.raises(ValueError, match="samples must be a positive whole number"):
        LocalZOConverse(Surrogate(), samples=samples)
