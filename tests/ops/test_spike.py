import pytest
import torch
from probes import Silent

import snn_zo
from snn_zo.ops import spike
from snn_zo.strategies import Draw, LocalZO, Surrogate


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


def test_spike_top_level():
    assert snn_zo.spike is spike
