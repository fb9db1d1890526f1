import pytest
import torch

from snn_zo.data.store import Batch
from snn_zo.models import FeedForward
from snn_zo.neuron import Neuron, Readout
from snn_zo.ops import Rows, Spikes, leaky_readout, spike_count_penalty, spiking_linear
from snn_zo.regularizer import SpikeCount
from snn_zo.strategies import SparseSurrogate, Surrogate
from snn_zo.target import Classes
from snn_zo.tasks import CrossEntropy, make_task
from snn_zo.training import SpikingModule
from tests.ops import oracle
from tests.ops.harness import assert_near

B, T, N, C = 3, 7, 5, 2

BOUNDS = {
    "off": SpikeCount(upper=0.7, at_most=99.0, lower=3.0, at_least=0.0),
    "upper": SpikeCount(upper=0.7, at_most=4.5, lower=3.0, at_least=0.0),
    "lower": SpikeCount(upper=0.7, at_most=99.0, lower=3.0, at_least=5.5),
    "both": SpikeCount(upper=0.7, at_most=4.5, lower=3.0, at_least=5.5),
    "default": SpikeCount(),
}
"""The counts of `counts` lie on both sides of each bound that is in reach."""

bounds = pytest.mark.parametrize("regularizer", BOUNDS.values(), ids=BOUNDS)


def counts(b=B, t=T, n=N, dtype=torch.float64):
    """[B, T, N]: repeated spikes, samples from silent to busy, and a neuron that never spikes."""
    x = torch.randint(0, 4, (b, t, n)).to(dtype)
    x[0] = 0
    x[:, :, -1] = 0
    return x


def spikes(x, active):
    """Spikes of these counts whose handle, a leaf, stands for the elements of the mask."""
    made = Spikes.from_dense(x)
    index = active.flatten().nonzero().squeeze(1)
    made.active = Rows.from_flat(index, x.shape[0] * x.shape[1], x.shape[2])
    made.g = torch.ones(len(index), dtype=x.dtype)
    made.handle = torch.zeros(len(index), dtype=x.dtype, requires_grad=True)
    return made


def some_active(x):
    return spikes(x, torch.rand(x.shape) < 0.4)


def looped(x, regularizer):
    """Penalty and dL/ds of the docstring's formula, one number at a time."""
    x, (b, t, n) = x.detach(), x.shape
    upper = lower = 0.0
    grad = torch.zeros(b, t, n, dtype=torch.float64)
    for i in range(b):
        count = [sum(float(x[i, k, j]) for k in range(t)) for j in range(n)]
        mean = sum(count) / n
        upper += max(0.0, mean - regularizer.at_most) / b
        for j in range(n):
            missing = max(0.0, regularizer.at_least - count[j])
            lower += missing**2 / (b * n)
            slope = regularizer.upper * (mean > regularizer.at_most) - 2 * regularizer.lower * missing
            grad[i, :, j] = slope / (b * n)
    return regularizer.upper * upper + regularizer.lower * lower, grad


def dense(x, regularizer):
    """The same by autograd through a dense tensor of counts."""
    n = x.sum(1)
    above = torch.relu(n.mean(1) - regularizer.at_most).mean()
    below = torch.relu(regularizer.at_least - n).pow(2).mean()
    return regularizer.upper * above + regularizer.lower * below


def check(x, made, regularizer, backend, factor=-2.5):
    """Value and gradient at every active element against the loop and against dense autograd."""
    penalty = spike_count_penalty(made, regularizer, backend)
    value, grad = looped(x, regularizer)
    leaf = x.detach().clone().requires_grad_()
    (factor * dense(leaf, regularizer)).backward()
    assert penalty.shape == ()
    assert penalty.item() == pytest.approx(value, rel=1e-13, abs=1e-15)
    if made.handle.requires_grad:
        ours = torch.autograd.grad(factor * penalty, made.handle)[0]
        index = made.active_elements()
        assert_near(ours, factor * grad.flatten()[index])
        assert_near(ours, leaf.grad.flatten()[index])


@bounds
def test_spike_count_penalty_formula(backend, regularizer):
    x = counts()
    check(x, some_active(x), regularizer, backend)


@bounds
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 7, 5), (3, 1, 5), (3, 7, 1), (2, 33, 71)])
def test_spike_count_penalty_shapes(backend, regularizer, shape):
    x = torch.randint(0, 4, shape).double()
    check(x, some_active(x), regularizer, backend)


def test_spike_count_penalty_branches_bite(backend):
    """The cases above see each branch both at work and at rest."""
    n = counts().sum(1)
    regularizer = BOUNDS["both"]
    assert {bool(mean > regularizer.at_most) for mean in n.mean(1)} == {True, False}
    assert {bool(count < regularizer.at_least) for count in n.flatten()} == {True, False}
    values = {name: spike_count_penalty(some_active(counts()), bound, backend).item() for name, bound in BOUNDS.items()}
    assert values["off"] == 0
    assert min(values["upper"], values["lower"]) > 0


def test_spike_count_penalty_hand_computed(backend):
    """Counts 3, 0, 1, one element of each active: the mean is 1/3 too high, and 0, 2, 1 spikes are missing."""
    x = torch.tensor([[[2.0, 0.0, 0.0], [1.0, 0.0, 1.0]]], dtype=torch.float64)
    made = spikes(x, torch.tensor([[[1, 0, 0], [0, 1, 1]]]))
    penalty = spike_count_penalty(made, SpikeCount(upper=6.0, at_most=1.0, lower=3.0, at_least=2.0), backend)
    penalty.backward()
    assert penalty.item() == pytest.approx(6 * (1 / 3) + 3 * (4 + 1) / 3)
    assert made.handle.grad.tolist() == pytest.approx([2, 2 - 4, 2 - 2])


@bounds
def test_spike_count_penalty_repeated_counts(backend, regularizer):
    """A column that stands twice in `events` is two spikes, one that stands twice in `active` two elements."""
    events = Rows(torch.tensor([0, 3, 3, 6]), torch.tensor([1, 1, 4, 0, 4, 4], dtype=torch.int32))
    active = Rows(torch.tensor([0, 2, 3, 3]), torch.tensor([2, 2, 4], dtype=torch.int32))
    handle = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    made = Spikes((1, 3, 5), events, active, torch.ones(3, dtype=torch.float64), handle)
    x = torch.zeros(1, 3, 5, dtype=torch.float64)
    x[0, 0, 1], x[0, 0, 4], x[0, 2, 0], x[0, 2, 4] = 2, 1, 1, 2
    check(x, made, regularizer, backend)


@bounds
def test_spike_count_penalty_no_active(backend, regularizer):
    x = counts()
    made = spikes(x, torch.zeros_like(x))
    check(x, made, regularizer, backend)
    assert len(made.handle) == 0


@bounds
def test_spike_count_penalty_all_active(backend, regularizer):
    x = counts().requires_grad_()
    made = Spikes.from_dense(x)
    check(x, made, regularizer, backend)
    spike_count_penalty(made, regularizer, backend).backward()
    assert_near(x.grad, looped(x, regularizer)[1])


@bounds
def test_spike_count_penalty_of_data(backend, regularizer):
    """Recorded spikes have counts but nothing that could be changed."""
    x = counts()
    check(x, Spikes.from_dense(x), regularizer, backend)
    assert not spike_count_penalty(Spikes.from_dense(x), regularizer, backend).requires_grad


def test_spike_count_penalty_silent(backend):
    x = torch.zeros(B, T, N, dtype=torch.float64)
    made = some_active(x)
    check(x, made, SpikeCount(lower=3.0, at_least=2.0), backend)
    assert spike_count_penalty(made, SpikeCount(lower=3.0, at_least=2.0), backend).item() == pytest.approx(12.0)


@bounds
def test_spike_count_penalty_hidden_layer(backend, regularizer):
    """Through a layer: its weights' gradient is that of dL/ds weighted by the layer's own derivative."""
    strategy, neuron = SparseSurrogate(Surrogate("sigmoid", slope=5.0), b_th=0.4), Neuron(tau=5.0)
    x = counts()
    weight = torch.randn(N, N, dtype=torch.float64, requires_grad=True)
    other = weight.detach().clone().requires_grad_()
    hidden = spiking_linear(Spikes.from_dense(x), weight, None, neuron, strategy, backend=backend)
    expected = oracle.spiking_linear(x, other, None, neuron, strategy).s
    assert 0 < hidden.active_count < expected.numel()
    spike_count_penalty(hidden, regularizer, backend).backward()
    dense(expected, regularizer).backward()
    assert_near(weight.grad, other.grad)


@bounds
def test_spike_count_penalty_several_consumers(backend, regularizer):
    """One Spikes feeds a readout and the penalty, twice: the gradients add up."""
    x = counts()
    made, settings = some_active(x), Readout(3.0, reduce="sum")
    weight, grad = torch.randn(C, N, dtype=torch.float64), torch.randn(B, C, dtype=torch.float64)
    readout = (leaky_readout(made, weight, None, settings, backend) * grad).sum()
    first, second = (spike_count_penalty(made, chosen, backend) for chosen in (regularizer, BOUNDS["both"]))
    (readout + first - 3 * second).backward()
    leaf = x.clone().requires_grad_()
    total = (oracle.readout(leaf, weight, None, settings) * grad).sum() + dense(leaf, regularizer)
    (total - 3 * dense(leaf, BOUNDS["both"])).backward()
    assert_near(made.handle.grad, leaf.grad.flatten()[made.active_elements()])


def test_spike_count_penalty_float32(backend):
    x = counts(dtype=torch.float32)
    made = some_active(x)
    penalty = spike_count_penalty(made, BOUNDS["both"], backend)
    penalty.backward()
    value, grad = looped(x, BOUNDS["both"])
    assert penalty.dtype == made.handle.grad.dtype == torch.float32
    assert penalty.item() == pytest.approx(value, rel=1e-6)
    assert_near(made.handle.grad.double(), grad.flatten()[made.active_elements()], 1e-6)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_spike_count_penalty_eval(backend, mode):
    x = counts()
    trained = spike_count_penalty(some_active(x), BOUNDS["both"], backend)
    with mode():
        penalty = spike_count_penalty(some_active(x), BOUNDS["both"], backend)
    assert torch.equal(penalty, trained)
    assert not penalty.requires_grad


def test_spike_count_penalty_unknown_backend():
    with pytest.raises(ValueError, match="nonsense"):
        spike_count_penalty(some_active(counts()), SpikeCount(), "nonsense")


@pytest.mark.parametrize("name", ["upper", "at_most", "lower", "at_least"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_spike_count_wrong_settings(name, value):
    with pytest.raises(ValueError, match=f"^{name} "):
        SpikeCount(**{name: value})


def test_training_step_adds_the_sum_over_layers(backend):
    """Loss with the regulariser minus loss without it is the sum over both hidden layers, and is what is logged."""
    model = FeedForward((N,), C, Surrogate(slope=5.0), [6, 4], Neuron(), Readout(), gain=4.0).double()
    batch = Batch(Spikes.from_dense(counts()), torch.tensor([0, 1, 0]), torch.arange(B))
    loss, logged = {}, {}
    for name in ("off", "both"):
        module = SpikingModule(
            model, make_task(Classes(C), CrossEntropy()), 0, torch.optim.SGD, regularizer=BOUNDS[name], backend=backend
        )
        module.log = lambda key, value, **_: logged.update({key: value})
        module.log_dict = lambda *_, **__: None
        loss[name] = module.training_step(batch, 0)["loss"]
    hidden = [x.to_dense() for x in model(batch.spikes).hidden.values()]
    expected = sum(looped(s, BOUNDS["both"])[0] for s in hidden)
    assert expected > 0
    assert [s.shape[2] for s in hidden] == [6, 4]
    assert (loss["both"] - loss["off"]).item() == pytest.approx(expected)
    assert logged["train/penalty"].item() == pytest.approx(expected)
    loss["both"].backward()
    assert all(layer.weight.grad.abs().sum() > 0 for layer in model.layers)
