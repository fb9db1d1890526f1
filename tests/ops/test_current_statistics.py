"""Mean and variance of the currents, and their gradients, against every current by torch in float64."""

import pytest
import torch
from torch.nn.functional import avg_pool2d, conv2d

from snn_zo.ops import Rows, Spikes, current_statistics
from snn_zo.ops.convolution import Convolution
from snn_zo.ops.spikes import EVERYWHERE
from tests.ops.harness import assert_near

B, T = 3, 5

CONVOLUTIONS = {
    "odd": Convolution((2, 7, 5), 3, (3, 3)),
    "padded": Convolution((2, 7, 5), 3, (3, 3), padding=(1, 1)),
    "more_padded": Convolution((2, 5, 4), 3, (3, 3), padding=(2, 2)),
    "strided": Convolution((3, 8, 7), 4, (3, 3), (2, 2), (1, 1)),
    "oblong": Convolution((2, 6, 9), 3, (1, 4), (1, 3), (0, 2)),
    "grouped": Convolution((4, 5, 6), 6, (3, 3), padding=(1, 1), groups=2),
    "depthwise": Convolution((3, 5, 6), 3, (3, 3), padding=(1, 1), groups=3),
    "pooled": Convolution((2, 9, 8), 3, (3, 3), padding=(1, 1), pool=(2, 2)),
    "point": Convolution((5, 3, 3), 4, (1, 1)),
    "one_pixel": Convolution((5, 3, 3), 4, (3, 3)),
}

convolutions = pytest.mark.parametrize("convolution", CONVOLUTIONS.values(), ids=CONVOLUTIONS)


def made(features, density=0.2, active=0.3, b=B, t=T, dtype=torch.float64, channels_last=False):
    """Spikes with counts above 1 whose handle, a leaf, stands for some elements, and the dense leaf of them all."""
    dense = (torch.rand(b, t, *features) < density).to(dtype) + (torch.rand(b, t, *features) < density / 4).to(dtype)
    ordered = dense.permute(0, 1, 3, 4, 2) if channels_last else dense
    x = Spikes.from_dense(ordered.flatten(2))
    x = x.view(*features, channels_last=channels_last)
    chosen = torch.rand(ordered.flatten(2).shape) < active
    index = chosen.flatten().nonzero().squeeze(1)
    x.active = Rows.from_flat(index, b * t, x.shape[2])
    x.g, x.handle = torch.ones(len(index), dtype=dtype), torch.zeros(len(index), dtype=dtype, requires_grad=True)
    return x, dense.requires_grad_()


def expected(dense, weight, convolution):
    """By every current."""
    if convolution is None:
        current = (dense.flatten(2) @ weight.T).flatten(0, 1)
        return current.mean(0), current.var(0, unbiased=False)
    pooled = convolution.pool[0] * convolution.pool[1] * avg_pool2d(dense.flatten(0, 1), convolution.pool)
    made = convolution
    current = conv2d(pooled, weight, None, made.stride, made.padding, groups=made.groups)
    return current.mean((0, 2, 3)), current.var((0, 2, 3), unbiased=False)


def check(backend, x, dense, convolution, channels=4, tolerance=1e-11):
    """Values, and gradients at the active elements and of the weight."""
    shape = (channels, x.shape[2]) if convolution is None else convolution.weight_shape
    weight = torch.randn(shape, dtype=x.handle.dtype, requires_grad=True)
    other = weight.detach().double().requires_grad_()
    found = current_statistics(x, weight, convolution, backend)
    wanted = expected(dense.double(), other, convolution)
    factors = torch.randn(2, len(weight), dtype=torch.float64)
    sum((f * part.double()).sum() for f, part in zip(factors, found, strict=True)).backward()
    sum((f * part).sum() for f, part in zip(factors, wanted, strict=True)).backward()
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.dtype == weight.dtype
        assert_near(ours.double(), theirs, tolerance)
    assert_near(weight.grad.double(), other.grad, tolerance)
    gradient = dense.grad
    if x.channels_last:
        gradient = gradient.permute(0, 1, 3, 4, 2)
    gradient = gradient.flatten()
    if x.active is not EVERYWHERE:
        gradient = gradient[x.active_elements()]
    if x.handle.requires_grad and x.handle.is_leaf:
        assert_near(x.handle.grad.double(), gradient.double(), tolerance)


@pytest.mark.parametrize("channels_last", [False, True])
@convolutions
def test_current_statistics_of_a_convolution(backend, convolution, channels_last):
    check(backend, *made(convolution.in_shape, channels_last=channels_last), convolution)


@pytest.mark.parametrize(("b", "t"), [(1, 1), (1, 6), (4, 1), (2, 33)])
def test_current_statistics_of_a_fully_connected_layer(backend, b, t):
    check(backend, *made((2, 3, 2), b=b, t=t), None)


@pytest.mark.parametrize("kind", [None, "padded", "strided"])
@pytest.mark.parametrize(("density", "active"), [(0.0, 0.3), (1.0, 0.3), (0.2, 0.0), (0.2, 1.0)])
def test_current_statistics_of_extremes(backend, kind, density, active):
    """No event, everything an event, nothing active, everything active."""
    convolution = CONVOLUTIONS.get(kind)
    check(backend, *made((3, 8, 7) if kind == "strided" else (2, 7, 5), density, active), convolution)


@pytest.mark.parametrize("kind", [None, "padded"])
def test_current_statistics_active_everywhere(backend, kind):
    _, dense = made((2, 7, 5))
    leaf = dense.detach().clone().requires_grad_()
    check(backend, Spikes.from_dense(leaf), dense, CONVOLUTIONS.get(kind))
    assert_near(leaf.grad, dense.grad, 1e-11)


@pytest.mark.parametrize("kind", [None, "padded"])
def test_current_statistics_of_data(backend, kind):
    """Recorded spikes want no gradient."""
    _, dense = made((2, 7, 5))
    check(backend, Spikes.from_dense(dense.detach()), dense, CONVOLUTIONS.get(kind))


@pytest.mark.parametrize("kind", [None, "padded", "strided"])
def test_current_statistics_in_float32(backend, kind):
    x, dense = made((3, 8, 7) if kind == "strided" else (2, 7, 5), b=6, t=20, dtype=torch.float32)
    check(backend, x, dense, CONVOLUTIONS.get(kind), tolerance=1e-5)


def test_current_statistics_of_currents_far_from_zero(backend):
    """In float32, a mean a thousand times the deviation leaves the variance its digits."""
    dense = torch.ones(8, 25, 1)
    dense[:, ::2] = 2
    weight = torch.tensor([[1.0]])
    offset = Spikes.from_dense(torch.cat([dense, torch.ones(8, 25, 1000)], 2))
    weight = torch.cat([weight, torch.ones(1, 1000)], 1)
    mean, variance = current_statistics(offset, weight, None, backend)
    assert mean.item() == pytest.approx(1001.52, rel=1e-6)
    assert variance.item() == pytest.approx(0.2496, rel=1e-5)


def test_current_statistics_without_gradient(backend):
    x, _ = made((2, 7, 5))
    weight = torch.randn(3, 2, 3, 3, dtype=torch.float64)
    trained = current_statistics(x, weight.clone().requires_grad_(), CONVOLUTIONS["padded"], backend)
    with torch.no_grad():
        found = current_statistics(x, weight, CONVOLUTIONS["padded"], backend)
    for ours, theirs in zip(found, trained, strict=True):
        assert torch.equal(ours, theirs)
        assert not ours.requires_grad


def test_current_statistics_shapes_that_do_not_fit(backend):
    x, _ = made((2, 7, 5))
    with pytest.raises(ValueError, match=r"weight must be \[N, 70\]"):
        current_statistics(x, torch.zeros(3, 2, dtype=torch.float64), None, backend)
    with pytest.raises(ValueError, match=r"weight must be \[3, 2, 5, 5\]|weight must be"):
        current_statistics(x, torch.zeros(3, 1, 3, 3, dtype=torch.float64), CONVOLUTIONS["padded"], backend)
    with pytest.raises(ValueError, match="nonsense"):
        current_statistics(x, torch.zeros(3, 70, dtype=torch.float64), None, "nonsense")
