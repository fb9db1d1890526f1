import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.integrate import quad

from snn_zo.strategies import DISTRIBUTIONS, Draw, LocalZO

Z = {
    "normal": stats.norm(),
    "uniform": stats.uniform(-math.sqrt(3), 2 * math.sqrt(3)),
    "laplace": stats.laplace(scale=1 / math.sqrt(2)),
}
SAMPLES = [1, 2, 5, 20]
DELTAS = [0.05, 0.5]
# in units of delta; the last two lie in the far tail, and outside the support of the uniform z
X = [0.0, 0.1, 0.77, 1.6, 1.74, 3.0, 6.5]

each_z = pytest.mark.parametrize("z", Z)
each_m = pytest.mark.parametrize("m", SAMPLES)


def double(*u: float) -> torch.Tensor:
    return torch.tensor(u, dtype=torch.float64)


def exceeding(z: str, x: np.ndarray | float) -> np.ndarray | float:
    """P(|z| > x), with all digits in the tail."""
    return 2 * Z[z].sf(x)


def test_distributions_are_all_tested():
    assert set(Z) == set(DISTRIBUTIONS)


@each_z
@pytest.mark.parametrize("delta", DELTAS)
@pytest.mark.parametrize("x", X)
def test_expected_is_the_mean_over_z(z, delta, x):
    end = math.sqrt(3) if z == "uniform" else 40.0
    moment = 2 * quad(lambda t: t * Z[z].pdf(t), min(x, end), end, epsabs=0, epsrel=1e-11)[0]
    expected = LocalZO(z, delta).expected(double(delta * x, -delta * x))
    assert expected.tolist() == pytest.approx([moment / (2 * delta)] * 2, rel=1e-9, abs=0)


@each_z
@pytest.mark.parametrize("delta", DELTAS)
def test_expected_integrates_to_1(z, delta):
    strategy = LocalZO(z, delta)
    ends = [delta * x for x in (0, 1, math.sqrt(3), 8, 60)]
    area = sum(quad(lambda u: float(strategy.expected(double(u))), a, b)[0] for a, b in pairwise(ends))
    assert 2 * area == pytest.approx(1, rel=1e-9)


@each_z
@pytest.mark.parametrize("delta", DELTAS)
def test_expected_is_the_derivative_of_primitive(z, delta):
    strategy = LocalZO(z, delta)
    u = delta * torch.linspace(-5.013, 5, 201, dtype=torch.float64)
    h = 1e-5 * delta
    slope = (strategy.primitive(u + h) - strategy.primitive(u - h)) / (2 * h)
    assert torch.allclose(strategy.expected(u), slope, rtol=1e-7, atol=1e-9 / delta)


@each_z
@pytest.mark.parametrize("m", SAMPLES)
def test_expected_does_not_depend_on_samples(z, m):
    u = double(-0.1, 0.0, 0.03)
    assert torch.equal(LocalZO(z, 0.05, m).expected(u), LocalZO(z, 0.05).expected(u))


@each_z
@each_m
@pytest.mark.parametrize("delta", DELTAS)
def test_activity_is_one_minus_f_to_the_m(z, m, delta):
    x = np.array([*X, 1e-3, 5.0])
    # 1 - (1 - S)^m without cancellation; S = 1 is log 0
    with np.errstate(divide="ignore"):
        expected = -np.expm1(m * np.log1p(-np.minimum(exceeding(z, x), 1)))
    activity = LocalZO(z, delta, m).activity(torch.from_numpy(-delta * x))
    assert activity.numpy() == pytest.approx(expected, rel=1e-9, abs=1e-300)


@each_z
@each_m
def test_activity_float32_keeps_digits_in_the_tails(z, m):
    strategy = LocalZO(z, 0.25, m)
    u = torch.linspace(-2.4, 2.4, 301)
    expected = strategy.activity(u.double())
    assert torch.allclose(strategy.activity(u).double(), expected, rtol=3e-5, atol=3e-6 if z == "uniform" else 0)


@pytest.mark.parametrize("delta", DELTAS)
@pytest.mark.parametrize(
    ("z", "m", "largest"),
    [
        ("normal", 1, 0.79788),
        ("normal", 5, 1.56983),
        ("normal", 20, 2.16657),
        ("uniform", 1, 0.86603),
        ("uniform", 5, 1.44338),
        ("uniform", 20, 1.64957),
        ("laplace", 1, 0.70711),
        ("laplace", 5, 1.61456),
        ("laplace", 20, 2.54399),
    ],
)
def test_b_th_is_delta_times_the_mean_of_the_largest(z, m, largest, delta):
    assert LocalZO(z, delta, m).b_th / delta == pytest.approx(largest, abs=6e-6)


@each_z
@each_m
def test_b_th_is_half_the_integral_of_activity(z, m):
    strategy = LocalZO(z, 0.05, m)
    ends = [0.05 * x for x in (0, 1, math.sqrt(3), 8, 60)]
    area = sum(quad(lambda u: float(strategy.activity(double(u))), a, b)[0] for a, b in pairwise(ends))
    assert strategy.b_th == pytest.approx(area, rel=1e-8)


@each_z
@pytest.mark.parametrize("delta", DELTAS)
def test_mean_of_z_is_twice_delta_times_g_at_0(z, delta):
    mean = LocalZO(z, delta).b_th / delta
    assert mean == pytest.approx(2 * delta * float(LocalZO(z, delta).expected(double(0.0))), rel=1e-8)


@each_z
@each_m
@pytest.mark.parametrize("x", [0.0, 0.3, 1.0, 1.6, 2.5])
def test_gradient_mean_and_activity(sample, z, m, x):
    strategy, u = LocalZO(z, 0.1, m), 0.1 * x
    estimates = sample(strategy, u)
    assert abs(estimates.mean_off(float(strategy.expected(double(u))))) < 4.5
    assert abs(estimates.activity_off(float(strategy.activity(double(u))))) < 4.5


@each_z
@pytest.mark.parametrize("p", [1.0, 0.9, 0.1, 1e-4, 2.0**-28])
def test_gradient_mean_to_the_end_of_the_tail(mean_over_v, u_with_activity, z, p):
    strategy = LocalZO(z, 0.1)
    u = u_with_activity(strategy, p)
    assert mean_over_v(strategy, u) == pytest.approx(float(strategy.expected(double(u))), rel=1e-6)


@pytest.mark.parametrize(("z", "relative"), [("normal", 0.756), ("uniform", 0.577), ("laplace", 1.0)])
def test_gradient_relative_deviation_at_0(sample, z, relative):
    g = sample(LocalZO(z, 0.1), 0.0, 120_000).g
    assert float(g.std() / g.mean()) == pytest.approx(relative, rel=0.01)


@each_z
@pytest.mark.parametrize("x", [0.0, 0.8])
def test_gradient_variance_falls_as_1_over_m(sample, z, x):
    variance = [m * float(sample(LocalZO(z, 0.1, m), 0.1 * x, 120_000).g.var()) for m in SAMPLES]
    assert variance == pytest.approx([variance[0]] * len(SAMPLES), rel=0.04)


@each_z
@each_m
@pytest.mark.parametrize("x", [0.0, 0.9, 1.65])
def test_gradient_has_the_distribution_of_eager_draws(sample, z, m, x):
    """Mean over m of |z| / (2 delta) 1(|u| < delta |z|), every z drawn."""
    delta, size = 0.1, 50_000
    largest = np.abs(Z[z].rvs((size, m), random_state=np.random.default_rng(m)))
    eager = np.where(x < largest, largest, 0).mean(1) / (2 * delta)
    sample(LocalZO(z, delta, m), delta * x, size).assert_distributed_like(eager)


@each_z
@each_m
def test_gradient_draws_nothing_beyond_reach(monkeypatch, z, m):
    strategy = LocalZO(z, 0.1, m)
    calls = []
    uniform = Draw.uniform

    def recorded(self, element, size, first, count, pool_size=0):
        calls.append((element.tolist(), first, count))
        return uniform(self, element, size, first, count, pool_size)

    monkeypatch.setattr(Draw, "uniform", recorded)
    c = strategy.reach
    u = double(0.0, c, -1.001 * c, 0.999 * c, 50.0, -0.999 * c).view(2, 3)
    g = strategy.gradient(u, Draw(0, 0, 0, torch.arange(2)))
    assert calls[0] == ([0, 3, 5], 0, 1)
    # P(active at 0.999 cutoff) is about 2^-32, so u = 0 alone draws the others
    assert calls[1:] == ([([0], 1, m - 1)] if m > 1 else [])
    assert (g != 0).flatten().tolist() == [True, False, False, False, False, False]


@each_z
@each_m
def test_reach_is_where_the_smallest_number_decides(forced_uniform, z, m):
    strategy = LocalZO(z, 0.1, m)
    forced_uniform(2.0**-32)
    u = strategy.reach * double(-1 - 1e-9, 1 - 1e-9, 1 - 1e-6, 1, 1 + 1e-9)[None]
    g = strategy.gradient(u, Draw(0, 0, 0, torch.arange(1)))
    assert (g != 0).flatten().tolist() == [False, True, True, False, False]
    if z != "uniform":
        # max |z| of m exceeds this with probability 2^-32
        assert strategy.reach == pytest.approx(0.1 * Z[z].isf(-math.expm1(math.log1p(-(2.0**-32)) / m) / 2), rel=1e-8)


@each_z
@each_m
@pytest.mark.parametrize("v", [2.0**-32, 0.5, 1 - 2.0**-32])
def test_gradient_at_the_ends_of_the_random_numbers(forced_uniform, z, m, v):
    forced_uniform(v)
    g = LocalZO(z, 0.1, m).gradient(torch.zeros(1, 2, dtype=torch.float64), Draw(0, 0, 0, torch.arange(1)))
    assert g.isfinite().all()
    assert (g > 0).all()


@each_z
@pytest.mark.parametrize("m", [1, 5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradient_does_not_depend_on_the_batch_split(z, m, dtype):
    generator = torch.Generator().manual_seed(1)
    u = 0.2 * torch.randn(7, 11, 13, dtype=dtype, generator=generator)
    index = torch.tensor([5, 900, 2, 3, 77, 41, 0])
    strategy = LocalZO(z, 0.1, m)
    whole = strategy.gradient(u, Draw(1, 2, 3, index))
    halves = [strategy.gradient(u[part], Draw(1, 2, 3, index[part])) for part in (slice(0, 3), slice(3, 7))]
    order = torch.tensor([4, 0, 6])
    assert torch.equal(torch.cat(halves), whole)
    assert torch.equal(strategy.gradient(u[order], Draw(1, 2, 3, index[order])), whole[order])
    assert 0 < float((whole != 0).double().mean()) < 1


@pytest.mark.parametrize("change", [{"seed": 2}, {"layer": 3}, {"step": 4}, {"sample": torch.arange(4) + 4}])
def test_gradient_differs_by_draw(change):
    def gradient(**settings) -> torch.Tensor:
        draw = Draw(**{"seed": 1, "layer": 2, "step": 3, "sample": torch.arange(4)} | settings)
        return LocalZO().gradient(torch.zeros(4, 9), draw)

    assert torch.equal(gradient(), gradient())
    assert (gradient() != gradient(**change)).all()


@each_z
@pytest.mark.parametrize("m", [1, 5])
def test_gradient_float32_is_the_rounded_float64(z, m):
    u = 0.2 * torch.randn(3, 5, 17, generator=torch.Generator().manual_seed(2))
    strategy, draw = LocalZO(z, 0.1, m), Draw(0, 0, 0, torch.arange(3))
    single, double = strategy.gradient(u, draw), strategy.gradient(u.double(), draw)
    assert single.dtype == torch.float32
    assert double.dtype == torch.float64
    assert torch.equal(single, double.float())


@pytest.mark.parametrize("m", [1, 5])
@pytest.mark.parametrize("shape", [(0, 4, 3), (3, 0), (1,), (5,), (1, 1, 1), (3, 5, 7), (2, 3, 5, 7)])
def test_gradient_keeps_shape(m, shape):
    u = torch.zeros(shape, requires_grad=True)
    g = LocalZO(samples=m).gradient(u, Draw(0, 0, 0, torch.arange(shape[0])))
    assert g.shape == shape
    assert not g.requires_grad
    assert (g > 0).all()


def test_gradient_of_a_strided_tensor():
    u = 0.1 * torch.randn(7, 5, 3, generator=torch.Generator().manual_seed(3))
    draw = Draw(0, 0, 0, torch.arange(3))
    turned = u.transpose(0, 2)
    assert not turned.is_contiguous()
    assert torch.equal(LocalZO().gradient(turned, draw), LocalZO().gradient(turned.contiguous(), draw))


def test_gradient_is_even_in_u_for_one_draw():
    u, draw = torch.linspace(0, 0.2, 30).view(2, 15), Draw(0, 0, 0, torch.arange(2))
    assert torch.equal(LocalZO(samples=3).gradient(u, draw), LocalZO(samples=3).gradient(-u, draw))


@pytest.mark.parametrize("value", [10.0, -10.0, math.inf, 3e38])
def test_gradient_none_active(value):
    assert not LocalZO(samples=5).gradient(torch.full((3, 5), value), Draw(0, 0, 0, torch.arange(3))).any()


def test_gradient_without_a_draw_follows_torchs_generator():
    u = torch.zeros(2, 3)
    torch.manual_seed(4)
    first, second = LocalZO().gradient(u), LocalZO().gradient(u)
    torch.manual_seed(4)
    assert torch.equal(LocalZO().gradient(u), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize(("z", "near"), [("nomal", "normal"), ("unifrom", "uniform"), ("Laplace", "laplace")])
def test_local_zo_unknown_z_names_the_nearest(z, near):
    with pytest.raises(ValueError, match=rf"\bz\b.*'{z}'.*did you mean '?{near}\b"):
        LocalZO(z)


@pytest.mark.parametrize("delta", [0.0, -0.05, math.inf, math.nan])
def test_local_zo_refuses_delta(delta):
    with pytest.raises(ValueError, match="delta must be a positive number"):
        LocalZO(delta=delta)


@pytest.mark.parametrize("samples", [0, -1])
def test_local_zo_refuses_samples(samples):
    with pytest.raises(ValueError, match="samples must be a positive whole number"):
        LocalZO(samples=samples)
