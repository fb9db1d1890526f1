"""The reuse pool: which numbers come back, where, and what that does to the estimate."""

import pytest
import torch

from snn_zo.neuron import Neuron
from snn_zo.ops import Spikes, spiking_linear
from snn_zo.strategies import Draw, LocalZO, LocalZOConverse, Surrogate
from snn_zo.strategies.draw import philox4x32, pool

SIZE = 64


def numbers(samples: int, length: int, size: int, first: int = 0, count: int = 1, step: int = 0) -> torch.Tensor:
    """[samples, length, count] uniform numbers of one layer."""
    draw = Draw(3, 1, step, torch.arange(samples) + 10)
    return draw.uniform(torch.arange(samples * length), length, first, count, size).view(samples, length, count)


def test_pool_is_the_words_of_its_definition():
    i = torch.arange(5)
    words = philox4x32((i, 0 * i, 0 * i, torch.full_like(i, 2**32 - 1)), (7, 2))[0]
    assert torch.equal(pool(7, 2, 8)[:5], words)
    v = numbers(2, 100, SIZE, first=1, count=6)
    assert set(v.flatten().tolist()) == set(((2**32 - pool(3, 1, SIZE)).double() * 2.0**-32).tolist())
    for k in range(6):
        assert torch.equal(numbers(2, 100, SIZE, first=1 + k)[..., 0], v[..., k])


def test_pool_numbers_do_not_depend_on_the_batch():
    draw = Draw(3, 1, 0, torch.tensor([11]))
    assert torch.equal(draw.uniform(torch.arange(100), 100, 0, 2, SIZE), numbers(3, 100, SIZE, count=2)[1])


def test_pool_correlation_is_1_at_multiples_of_its_size_and_0_elsewhere():
    """What docs/energy.md says of it, over 300 samples."""
    size = 256
    v = numbers(300, 3 * size, size)[..., 0]
    centred = v - v.mean()
    for lag in (size, 2 * size):
        assert torch.equal(v[:, lag:], v[:, :-lag])
    variance = centred.square().mean()
    for lag in (1, 2, 7, size // 2, size - 1, size + 1):
        correlation = (centred[:, lag:] * centred[:, :-lag]).mean() / variance
        assert abs(correlation) < 0.2, "a cycle of 256 words has a chance correlation of 1 / 16 at each lag"
    across = (centred[1:] * centred[:-1]).mean() / variance
    assert abs(across) < 0.02
    own = numbers(300, 3 * size, 0)[..., 0] - 0.5
    assert abs((own[:, size:] * own[:, :-size]).mean() * 12) < 0.02


def test_pool_samples_and_steps_read_the_same_cycle_from_other_places():
    size = 16
    first, later = numbers(4000, size, size)[..., 0], numbers(4000, size, size, step=1)[..., 0]
    same = (first == later).all(1).double().mean()
    assert same == pytest.approx(1 / size, abs=0.015)
    assert torch.equal(first.sort(1).values, later.sort(1).values)


@pytest.mark.parametrize("size", [256, 4096])
def test_pool_activity_is_that_of_its_words(size):
    strategy = LocalZO(delta=0.1, pool=size)
    u = torch.tensor([0.02, 0.05, 0.1, 0.2], dtype=torch.float64)
    g = strategy.gradient(u.expand(20_000, -1), Draw(0, 0, 0, torch.arange(20_000)))
    share, p = (g != 0).double().mean(0), strategy.activity(u)
    words = (2**32 - pool(0, 0, size)).double() * 2.0**-32
    of_the_words = (words[:, None] < p).double().mean(0)
    assert torch.allclose(share, of_the_words, atol=4 * 0.5 / 20_000**0.5)
    assert bool(((of_the_words - p).abs() < 4 * (p * (1 - p) / size).sqrt()).all())


@pytest.mark.parametrize(
    "strategy",
    [
        LocalZO(delta=0.5, pool=SIZE),
        LocalZO("uniform", 0.5, samples=6, pool=4096),
        LocalZO("laplace", 0.3, samples=2, pool=2),
        LocalZOConverse(Surrogate("fast_sigmoid", 4.0), a=0, samples=3, pool=SIZE),
    ],
    ids=lambda strategy: f"{type(strategy).__name__}-{strategy.samples}-{strategy.pool}",
)
@pytest.mark.parametrize("reset", ["soft", "hard"])
def test_pool_backends_agree(strategy, reset):
    torch.manual_seed(0)
    x = Spikes.from_dense((torch.rand(5, 7, 11) < 0.3).double())
    draw, found = Draw(3, 1, 5, torch.arange(5) * 7), []
    for backend in ("reference", "cpu"):
        weight = torch.linspace(-0.6, 0.9, 66, dtype=torch.float64).view(6, 11).requires_grad_()
        s = spiking_linear(x, weight, None, Neuron(reset=reset), strategy, draw, backend)
        s.to_dense().square().sum().backward()
        found.append((s, weight.grad))
    (ours, grad), (theirs, expected) = found
    assert ours.active_count > 5
    assert torch.equal(ours.active.col, theirs.active.col)
    assert ours.record.drawn == theirs.record.drawn > 0
    torch.testing.assert_close(ours.g, theirs.g)
    torch.testing.assert_close(grad, expected)


def test_pool_changes_the_numbers_and_0_does_not():
    u, draw = torch.linspace(-0.1, 0.1, 600).view(3, 200), Draw(0, 0, 0, torch.arange(3))
    plain = LocalZO().gradient(u, draw)
    assert torch.equal(LocalZO(pool=0).gradient(u, draw), plain)
    assert not torch.equal(LocalZO(pool=4096).gradient(u, draw), plain)


@pytest.mark.parametrize("size", [-2, 1, 3, 100])
def test_pool_size_is_a_power_of_two(size):
    with pytest.raises(ValueError, match="pool must be a power of two, or 0 for none"):
        LocalZO(pool=size)
