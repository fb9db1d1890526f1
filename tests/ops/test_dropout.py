import itertools

import pytest
import torch

from snn_zo.neuron import Neuron, Readout
from snn_zo.ops import Spikes, dropout, leaky_readout, pool2d, spike_count_penalty, spiking_conv2d, spiking_linear
from snn_zo.ops.current_statistics import current_statistics
from snn_zo.ops.shapes import require_spikes
from snn_zo.ops.spikes import EVERYWHERE
from snn_zo.regularizer import SpikeCount
from snn_zo.strategies import Draw, Surrogate
from tests.ops.maps import DENSITIES, check, counts_of, spikes_from

FEATURES = (3, 4, 5)


def draw(samples=(7, 2), seed=3, layer=1, step=5):
    return Draw(seed, layer, step, torch.tensor(samples))


def stays(of, p=0.4, features=FEATURES, channels_last=False):
    """[B, *features] bool, which neurons a dropout keeps, from one in which all of them spike."""
    ones = spikes_from(torch.ones(len(of.sample), 1, *features, dtype=torch.float64), None, channels_last)
    return dropout(ones, p, of, "reference").to_dense()[:, 0].detach() > 0


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("density", DENSITIES.values(), ids=DENSITIES)
def test_dropout_torch(moving_backend, channels_last, density):
    """A mask of the samples' neurons, the same for all time steps, divided by the share that stays."""
    counts = counts_of((2, 4, *FEATURES), density[0], 2)
    active = torch.rand(counts.shape) < density[1]
    x = spikes_from(counts, active, channels_last)
    mask = stays(draw(), channels_last=channels_last).unsqueeze(1)
    assert 0 < mask.sum() < mask.numel()
    made = dropout(x, 0.4, draw(), moving_backend)
    assert made.scale == 1 / 0.6
    check(made, counts * mask / 0.6, active & mask, [(x, counts)])


def test_dropout_everywhere(moving_backend):
    counts = counts_of((2, 4, *FEATURES), most=2)
    x = spikes_from(counts, None, True)
    mask = stays(draw(), channels_last=True).unsqueeze(1)
    check(dropout(x, 0.4, draw(), moving_backend), counts * mask / 0.6, None, [(x, counts)])


def test_dropout_draws():
    """Sample, neuron, step, layer and seed decide, and the batch does not; shares are as asked for."""
    mask = stays(draw((7, 2)), 0.3, (50, 40, 30))
    assert abs(mask.float().mean() - 0.7) < 0.005
    assert torch.equal(stays(draw((2, 9, 7)), 0.3, (50, 40, 30))[[2, 0]], mask)
    for other in (draw(seed=4), draw(layer=2), draw(step=6), draw((8, 3))):
        agree = (stays(other, 0.3, (50, 40, 30)) == mask).float().mean()
        assert abs(agree - (0.7**2 + 0.3**2)) < 0.01


def test_dropout_no_grad(moving_backend):
    counts = counts_of((2, 4, *FEATURES))
    for active in (torch.rand(counts.shape) < 0.5, None):
        with torch.no_grad():
            made = dropout(spikes_from(counts, active, True), 0.4, draw(), moving_backend)
        assert made.active is not EVERYWHERE
        assert len(made.active.col) == 0


def test_dropout_threads():
    """Bit for bit the same in any number of threads."""
    counts = counts_of((7, 5, *FEATURES), most=2)
    active = torch.rand(counts.shape) < 0.4
    found, before = [], torch.get_num_threads()
    try:
        for threads in (1, 2, 3, 5):
            torch.set_num_threads(threads)
            x = spikes_from(counts, active, True)
            made = dropout(x, 0.5, draw(range(7)), "cpu")
            (made.handle * torch.arange(len(made.handle))).sum().backward()
            found.append([*made.events, *made.active, made.handle.detach(), x.handle.grad])
    finally:
        torch.set_num_threads(before)
    for one, other in itertools.pairwise(found):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_dropout_refused():
    x = Spikes.from_dense(torch.zeros(2, 2, 3))
    for p in (-0.1, 1, 1.5):
        with pytest.raises(ValueError, match=f"must be at least 0 and less than 1, got {p}"):
            dropout(x, p)


def test_scale_consumers(backend):
    """A layer behind an average or a dropout sees the value of its spikes, in its current and in all gradients."""
    counts = counts_of((2, 5, 3, 4, 4), most=2)
    weight = torch.randn(6, 12, dtype=torch.float64, requires_grad=True)
    neuron, strategy, readout = Neuron(tau=5.0), Surrogate("sigmoid", slope=5.0), Readout(tau=4.0)
    found = []
    for scaled in (True, False):
        x = spikes_from(counts, torch.ones_like(counts) > 0, False)
        pooled = pool2d(x, "average" if scaled else "sum", 2, backend=backend)
        assert pooled.scale == (0.25 if scaled else 1)
        values = weight if scaled else weight / 4
        hidden = spiking_linear(pooled, 9 * values, None, neuron, strategy, backend=backend)
        kernel = (9 * values[:, :3]).unflatten(1, (3, 1, 1))
        convolved = spiking_conv2d(pooled, kernel, None, neuron, strategy, backend=backend)
        out = leaky_readout(pooled, values[:3], None, readout, backend)
        mean, variance = current_statistics(pooled, values, backend=backend)
        weight.grad = None
        (mean.sum() + 5 * variance.sum()).backward(retain_graph=True)
        dense = pooled.to_dense() * (1 if scaled else 0.25)
        (hidden.to_dense().sum() + convolved.to_dense().sum() + out.square().sum() + dense.sum()).backward()
        made = (hidden.to_dense(), convolved.to_dense(), dense, out, mean, variance)
        found.append([*(each.detach() for each in made), weight.grad, x.handle.grad])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_scale_counted(backend):
    """What counts spikes counts them, whatever they are worth."""
    x = spikes_from(counts_of((2, 5, 3, 4, 4)), torch.ones(2, 5, 3, 4, 4) > 0, False)
    assert torch.equal(x.scaled(0.5).count(), x.count())
    penalties = [spike_count_penalty(each, SpikeCount(), backend) for each in (x, x.scaled(0.5))]
    assert penalties[0] == penalties[1]


def test_scale_refused():
    """An operation that says nothing of scales does not take spikes of another value for spikes."""
    x = Spikes.from_dense(torch.zeros(2, 3, 4)).scaled(0.5)
    require_spikes(x, scaled=True)
    with pytest.raises(ValueError, match=r"each of these spikes has the value 0\.5, which this operation"):
        require_spikes(x)
