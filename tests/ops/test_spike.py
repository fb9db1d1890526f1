import pytest
import torch
from torch.autograd import forward_ad

import snn_zo
from snn_zo.ops import spike
from snn_zo.strategies import Draw, LocalZO, Surrogate
from tests.ops.harness import Silent


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("requires_grad", [True, False])
def test_spike_forward(dtype, requires_grad):
    tiny = torch.finfo(dtype).tiny
    u = torch.tensor([[-1.0, -tiny, -0.0, 0.0, tiny, 2.0]], dtype=dtype, requires_grad=requires_grad)
    s = spike(u, Surrogate())
    assert s.dtype == dtype
    assert s.tolist() == [[0, 0, 0, 0, 1, 1]]


@pytest.mark.parametrize("shape", [(1,), (3, 5), (3, 7, 5), (2, 3, 4, 5)])
def test_spike_gradient(strategy, shape):
    u = (torch.randn(shape, dtype=torch.float64) / 2).requires_grad_()
    draw = Draw(2, 1, 5, torch.arange(shape[0]) * 3)
    grad = torch.randn(shape, dtype=torch.float64)
    s = spike(u, strategy, draw)
    s.backward(grad)
    assert torch.equal(s, (u > 0).double())
    assert torch.equal(u.grad, grad * strategy.gradient(u.detach(), draw))


def test_spike_gradient_at_threshold():
    """u = 0 does not spike, and has the largest derivative."""
    u = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    spike(u, Surrogate("sigmoid", slope=4.0)).backward()
    assert u.grad.item() == 1.0


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_spike_no_grad(mode):
    u = torch.tensor([[-1.0, 0.0, 1.0]], requires_grad=True)
    with mode():
        s = spike(u, Silent())
    assert not s.requires_grad
    assert s.tolist() == [[0, 0, 1]]


def test_spike_needs_no_gradient():
    assert not spike(torch.randn(3, 5), Silent()).requires_grad


def test_spike_without_draw():
    u = (torch.randn(3, 7, dtype=torch.float64) / 2).requires_grad_()

    def gradient(seed):
        torch.manual_seed(seed)
        return torch.autograd.grad(spike(u, LocalZO(delta=0.5)).sum(), u)[0]

    assert gradient(4).any()
    assert torch.equal(gradient(4), gradient(4))
    assert not torch.equal(gradient(4), gradient(5))


def test_spike_single_number(strategy):
    u = torch.tensor(-0.01, dtype=torch.float64, requires_grad=True)
    draw = Draw(2, 1, 5, torch.tensor([7]))
    spike(u, strategy, draw).backward()
    assert u.grad.item() == strategy.gradient(u.detach().view(1, 1), draw).item()


def test_spike_forward_mode(strategy):
    """Forward-mode derivatives have the same local derivative, with and without a recorded graph."""
    u, tangent = torch.randn(3, 5, dtype=torch.float64) / 2, torch.randn(3, 5, dtype=torch.float64)
    draw = Draw(2, 1, 5, torch.arange(3))
    wanted = tangent * strategy.gradient(u, draw)
    _, found = torch.func.jvp(lambda u: spike(u, strategy, draw), (u,), (tangent,))
    assert torch.equal(found, wanted)
    with forward_ad.dual_level(), torch.no_grad():
        dual = spike(forward_ad.make_dual(u, tangent), strategy, draw)
        assert torch.equal(forward_ad.unpack_dual(dual).tangent, wanted)


def test_spike_function_transforms():
    surrogate, u = Surrogate("sigmoid", 4.0), torch.randn(3, 5, dtype=torch.float64)
    wanted = surrogate.gradient(u)

    def total(u):
        return spike(u, surrogate).sum()

    assert torch.equal(torch.func.grad(total)(u), wanted)
    assert torch.equal(torch.vmap(torch.func.grad(total))(u), wanted)
    assert torch.equal(torch.func.vjp(lambda u: spike(u, surrogate), u)[1](torch.ones_like(u))[0], wanted)


@pytest.mark.parametrize("compiler", ["aot_eager", "inductor"])
def test_spike_compiled(compiler):
    """Several calls, as the second one is compiled anew with what the first one took for constant."""
    x = torch.randn(4, 50, generator=torch.Generator().manual_seed(3)) * 0.1
    compiled = torch.compile(lambda u: 2 * spike(u, LocalZO()), backend=compiler)

    def gradient(function, seed):
        torch.manual_seed(seed)
        return torch.autograd.grad(function(u := x.clone().requires_grad_()).sum(), u)[0]

    for seed in range(3):
        assert torch.equal(gradient(compiled, seed), 2 * gradient(lambda u: spike(u, LocalZO()), seed))


def test_spike_top_level():
    assert snn_zo.spike is spike
