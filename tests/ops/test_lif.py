import pytest
import torch

from snn_zo.neuron import Neuron
from snn_zo.ops import lif
from snn_zo.strategies import Draw, LocalZO, SparseSurrogate, Surrogate
from tests.ops import oracle
from tests.ops.harness import Poison, Silent, assert_near, check_layer, double, draw_for, twin

B, T, N = 3, 9, 5


def make_current(*shape, dtype=torch.float64):
    return torch.randn(shape or (B, T, N), dtype=dtype).requires_grad_()


def check(current, neuron, strategy, draw, backend):
    """Spikes, active set and gradient against the oracle."""
    (other,) = twin(current)
    expected = oracle.lif(other, neuron, strategy, draw)
    return check_layer(lif(current, neuron, strategy, draw, backend), [current], expected, [other])


def test_lif_oracle(backend, neuron, strategy):
    spikes = check(make_current(), neuron, strategy, draw_for(B, 1), backend)
    assert B * T * N / 10 < len(spikes.events.col) < B * T * N / 2


def test_lif_recurrence(backend, neuron, strategy):
    """The adjoint of docs/engine.md is what autograd finds, and eps vanishes where the page says so."""
    current, grad = make_current(), torch.randn(B, T, N, dtype=torch.float64)
    (other,) = twin(current)
    layer = oracle.lif(other, neuron, strategy, draw_for(B, 1))
    (layer.s * grad).sum().backward()
    (lif(current, neuron, strategy, draw_for(B, 1), backend).to_dense() * grad).sum().backward()
    lambdas, eps = layer.adjoint(grad, neuron)
    assert_near(other.grad, lambdas)
    assert_near(current.grad, lambdas)
    assert not eps[(layer.g == 0) & ((layer.s == 0) | (neuron.reset != "hard"))].any()


def test_lif_cases_active(strategy):
    """The cases exercise what they are meant to."""
    share = lif(make_current(), Neuron(tau=5.0, v_th=0.8), strategy, draw_for(B, 1)).active_count / (B * T * N)
    if strategy == Surrogate("sigmoid", slope=5.0):
        assert share == 1
    elif strategy == SparseSurrogate(Surrogate("sigmoid"), b_th=1e-9):
        assert share == 0
    else:
        assert 0.1 < share < 0.7


def test_lif_attached_differs(backend):
    """Attached and detached resets have different gradients, or the cases would prove nothing."""

    def gradient(**settings):
        torch.manual_seed(1)
        current = make_current()
        neuron = Neuron(tau=5.0, v_th=0.8, **settings)
        lif(current, neuron, Surrogate("sigmoid", slope=5.0), backend=backend).to_dense().sum().backward()
        return current.grad

    soft, hard, none = ([gradient(reset=r, detach_reset=d) for d in (True, False)] for r in ("soft", "hard", "none"))
    assert not torch.allclose(*soft)
    assert not torch.allclose(*hard)
    assert torch.equal(*none)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 5), (1, 7, 5), (3, 7, 1), (2, 33, 70)])
def test_lif_shapes(backend, neuron, shape):
    check(make_current(*shape), neuron, LocalZO(delta=0.5, samples=2), draw_for(shape[0], 1), backend)


def test_lif_not_contiguous(backend, neuron):
    leaf = torch.randn(N, T, B, dtype=torch.float64).requires_grad_()
    grad = torch.randn(B, T, N, dtype=torch.float64)
    (other,) = twin(leaf)
    strategy = Surrogate("triangular")
    (lif(leaf.transpose(0, 2), neuron, strategy, backend=backend).to_dense() * grad).sum().backward()
    (oracle.lif(other.transpose(0, 2), neuron, strategy).s * grad).sum().backward()
    assert_near(leaf.grad, other.grad)


def test_lif_float32(backend, neuron, strategy):
    current = make_current(dtype=torch.float32)
    (exact,) = double(current)
    expected = oracle.lif(exact, neuron, strategy, draw_for(B, 1))
    spikes = lif(current, neuron, strategy, draw_for(B, 1), backend)
    check_layer(spikes, [current], expected, [exact], 1e-5)
    assert spikes.handle.dtype == spikes.g.dtype == current.grad.dtype == torch.float32


@pytest.mark.parametrize("tau", [float("inf"), 1e-3])
def test_lif_extreme_leak(backend, tau):
    """No leak at all, and no memory at all."""
    for reset in ("soft", "hard", "none"):
        neuron = Neuron(tau=tau, v_th=0.8, reset=reset, detach_reset=False)
        check(make_current(), neuron, Surrogate("sigmoid", slope=2.0), None, backend)


def test_lif_hand_computed(backend):
    """v_th = 1, no leak: v crosses, sits exactly at the threshold (no spike), and is reset."""
    current = torch.tensor([0.5, 0.5, 0.25, 1.0, 0.0], dtype=torch.float64).view(1, 5, 1)

    def spikes(reset):
        neuron = Neuron(tau=float("inf"), reset=reset)
        return lif(current, neuron, Surrogate(), backend=backend).to_dense().flatten().tolist()

    assert spikes("soft") == [0, 0, 1, 1, 0]  # v = 0.5, 1.0, 1.25, 1.25, 0.25
    assert spikes("hard") == [0, 0, 1, 0, 0]  # v = 0.5, 1.0, 1.25, 1.0, 1.0
    assert spikes("none") == [0, 0, 1, 1, 1]  # v = 0.5, 1.0, 1.25, 2.25, 2.25


def test_lif_nothing_active(backend, neuron):
    current = make_current()
    spikes = lif(current, neuron, SparseSurrogate(Surrogate(), b_th=1e-9), backend=backend)
    assert len(spikes.active.col) == len(spikes.handle) == 0
    (spikes.to_dense().sum() + spikes.count().sum()).backward()
    assert torch.equal(current.grad, torch.zeros_like(current))


def test_lif_everything_active(backend, neuron):
    spikes = check(make_current(), neuron, Surrogate("fast_sigmoid", slope=1.0), None, backend)
    assert spikes.active_count == B * T * N


@pytest.mark.parametrize("level", [-1.0, 3.0])
def test_lif_constant_activity(backend, neuron, level):
    """No spike anywhere, and a spike at every step."""
    current = torch.full((B, T, N), level, dtype=torch.float64, requires_grad=True)
    spikes = check(current, neuron, Surrogate("sigmoid", slope=1.0), None, backend)
    assert len(spikes.events.col) == (B * T * N if level > 0 else 0)


@pytest.mark.parametrize("consumer", ["to_dense", "count"])
def test_lif_poisoned(backend, neuron, strategy, consumer):
    """What a consumer's gradient says about inactive elements does not matter."""
    current = make_current()
    (other,) = twin(current)
    spikes = lif(current, neuron, strategy, draw_for(B, 1), backend)
    expected = oracle.lif(other, neuron, strategy, draw_for(B, 1))
    mask, wanted = expected.g != 0, expected.s
    if consumer == "count":
        mask, wanted = mask.any(1), wanted.sum(1)
    grad = torch.randn(mask.shape, dtype=torch.float64)
    (Poison.apply(getattr(spikes, consumer)(), mask) * grad).sum().backward()
    (wanted * grad).sum().backward()
    assert current.grad.isfinite().all()
    assert_near(current.grad, other.grad)


def test_lif_handle_gradient(backend, neuron, strategy):
    """The gradient with respect to handle[k] is dL/ds at active element k."""
    spikes = lif(make_current(), neuron, strategy, draw_for(B, 1), backend)
    spikes.handle.retain_grad()
    grad = torch.randn(B, T, N, dtype=torch.float64)
    (spikes.to_dense() * grad).sum().backward()
    assert torch.equal(spikes.handle.grad[spikes.g != 0], grad.flatten()[spikes.active_elements()])


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_lif_eval(backend, neuron, mode):
    current = make_current()
    trained = lif(current, neuron, LocalZO(delta=0.5), draw_for(B, 1), backend)
    before = torch.get_rng_state()
    with mode():
        spikes = lif(current, neuron, Silent(delta=0.5), backend=backend)
        assert torch.equal(spikes.to_dense(), trained.to_dense())
    assert len(spikes.active.col) == len(spikes.g) == len(spikes.handle) == 0
    assert spikes.active.ptr.tolist() == [0] * (B * T + 1)
    assert not spikes.handle.requires_grad
    assert torch.equal(torch.get_rng_state(), before)


def test_lif_without_draw(backend):
    """A fresh draw comes from torch's global generator."""
    current = make_current()

    def active(seed):
        torch.manual_seed(seed)
        return lif(current, Neuron(), LocalZO(delta=0.5), backend=backend).active_elements()

    first = active(4)
    assert len(first)
    assert torch.equal(active(4), first)
    assert not torch.equal(active(5), first)


def test_lif_same_draw(backend, neuron):
    current, strategy = make_current(), LocalZO(delta=0.5, samples=3)
    first, second = (lif(current, neuron, strategy, draw_for(B, 1), backend) for _ in range(2))
    assert torch.equal(first.active_elements(), second.active_elements())
    assert torch.equal(first.g, second.g)


def test_lif_other_draw(backend):
    current, strategy, sample = make_current(), LocalZO(delta=0.5), torch.arange(B)
    draws = [Draw(0, 0, 0, sample), Draw(1, 0, 0, sample), Draw(0, 1, 0, sample), Draw(0, 0, 1, sample)]
    draws.append(Draw(0, 0, 0, sample + 1))
    active = {tuple(lif(current, Neuron(), strategy, draw, backend).active_elements().tolist()) for draw in draws}
    assert len(active) == len(draws)


def test_lif_batch_split(backend, neuron):
    current, sample = make_current(5, T, N), torch.tensor([4, 9, 0, 77, 3])
    strategy = LocalZO(delta=0.5, samples=3)
    whole = lif(current, neuron, strategy, Draw(1, 0, 2, sample), backend)
    parts = [
        lif(current[part], neuron, strategy, Draw(1, 0, 2, sample[part]), backend)
        for part in (slice(0, 3), slice(3, 5))
    ]
    assert torch.equal(torch.cat([part.to_dense() for part in parts]), whole.to_dense())
    assert torch.equal(
        torch.cat([parts[0].active_elements(), parts[1].active_elements() + 3 * T * N]), whole.active_elements()
    )
    assert torch.equal(torch.cat([part.g for part in parts]), whole.g)


def test_lif_no_gradient_needed(backend):
    """A current that needs no gradient: spikes and an active set, but no graph."""
    spikes = lif(make_current().detach(), Neuron(), Surrogate("sigmoid", slope=2.0), backend=backend)
    assert spikes.active_count == B * T * N
    assert not spikes.handle.requires_grad
    assert not spikes.to_dense().requires_grad


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 0, 4)])
def test_lif_wrong_shape(backend, shape):
    with pytest.raises(ValueError, match=r"\[B, T, C, H, W\], T > 0, got \[" + ", ".join(map(str, shape))):
        lif(torch.zeros(shape), Neuron(), Surrogate(), backend=backend)


def test_lif_of_images_is_lif_of_their_pixels(backend):
    """The shape of the current is the shape of the spikes and of the gradient."""
    current = (2 * torch.rand(B, T, 2, 3, 4)).requires_grad_()
    flat = current.detach().flatten(2).requires_grad_()
    images, row = (lif(each, Neuron(tau=5.0), Surrogate(slope=5.0), backend=backend) for each in (current, flat))
    assert (images.features, row.features) == ((2, 3, 4), (24,))
    assert torch.equal(images.to_dense().flatten(2), row.to_dense())
    slope = torch.rand(B, T, 24)
    (images.to_dense().flatten(2) * slope).sum().backward()
    (row.to_dense() * slope).sum().backward()
    assert torch.equal(current.grad.flatten(2), flat.grad)


@pytest.mark.parametrize("samples", [B - 1, B + 1])
def test_lif_wrong_draw(backend, samples):
    """A draw names each sample of the batch, no fewer and no more."""
    with pytest.raises(ValueError, match="sample"):
        lif(make_current(), Neuron(), LocalZO(delta=0.5), draw_for(samples, 1), backend)


@pytest.mark.parametrize("steps", [1, 7])
def test_lif_constant_current(backend, neuron, strategy, steps):
    """The same as a current that is given for every step, and a gradient for each neuron."""
    current = (1.5 * torch.rand(B, N, dtype=torch.float64)).requires_grad_()
    (other,) = twin(current)
    expected = oracle.lif(other[:, None].expand(B, steps, N), neuron, strategy, draw_for(B, 1))
    spikes = lif(current, neuron, strategy, draw_for(B, 1), backend, steps=steps)
    check_layer(spikes, [current], expected, [other])


def test_lif_constant_image(backend, strategy):
    """[B, C, H, W], whose neurons are numbered with the channels last."""
    current = (1.5 * torch.rand(2, 3, 4, 5, dtype=torch.float64)).requires_grad_()
    (other,) = twin(current)
    flat = other.permute(0, 2, 3, 1).flatten(1)
    expected = oracle.lif(flat[:, None].expand(2, 6, 60), Neuron(tau=5.0), strategy, draw_for(2))
    spikes = lif(current, Neuron(tau=5.0), strategy, draw_for(2), backend, steps=6, channels_last=True)
    assert spikes.features == (3, 4, 5)
    assert torch.equal(spikes.to_dense().permute(0, 1, 3, 4, 2).flatten(2), expected.s)
    check_layer(spikes.view(60), [current], expected, [other])


@pytest.mark.parametrize("shape", [(2,), (2, 3, 4), (2, 3, 4, 5, 6)])
def test_lif_constant_current_refuses(shape):
    with pytest.raises(ValueError, match=r"a constant current must be \[B, N\] or \[B, C, H, W\]"):
        lif(torch.zeros(shape), Neuron(), LocalZO(), steps=3)


def test_lif_constant_current_refuses_no_step():
    with pytest.raises(ValueError, match=r"steps positive, got .* and 0"):
        lif(torch.zeros(2, 3), Neuron(), LocalZO(), steps=0)
