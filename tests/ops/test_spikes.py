import pytest
import torch

from snn_zo.neuron import Neuron
from snn_zo.ops import Rows, Spikes, lif, spiking_linear
from snn_zo.ops.spikes import EVERYWHERE
from snn_zo.strategies import LocalZO, Surrogate
from tests.ops.harness import assert_near
from tests.ops.oracle import lif as oracle_lif
from tests.ops.oracle import spiking_linear as oracle_spiking_linear

DENSE = {
    "counts": torch.tensor([[[0, 3, 1], [2, 0, 0]], [[0, 0, 0], [0, 0, 5]]]),
    "odd": torch.randint(0, 3, (3, 7, 5), generator=torch.Generator().manual_seed(0)),
    "one step": torch.tensor([[[0, 1, 2]], [[1, 0, 0]], [[0, 0, 0]]]),
    "one element": torch.ones(1, 1, 1),
    "empty first and last rows": torch.tensor([[[0, 0], [1, 0]], [[0, 1], [0, 0]]]),
    "silent": torch.zeros(2, 3, 4),
    "ones": torch.ones(2, 3, 4),
    "no sample": torch.zeros(0, 3, 4),
}

dense = pytest.mark.parametrize("x", DENSE.values(), ids=DENSE)


@dense
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_from_dense_round_trip(x, dtype):
    x = x.to(dtype)
    spikes = Spikes.from_dense(x)
    assert spikes.shape == tuple(x.shape)
    assert len(spikes.events.col) == x.sum()
    assert spikes.to_dense().dtype == dtype
    assert torch.equal(spikes.to_dense(), x)


def test_from_dense_repeats_columns():
    events = Spikes.from_dense(DENSE["counts"].double()).events
    assert events.ptr.tolist() == [0, 4, 6, 6, 11]
    assert events.col.tolist() == [1, 1, 1, 2, 0, 0, 2, 2, 2, 2, 2]


def test_from_dense_not_contiguous():
    x = DENSE["odd"].double().transpose(0, 2).requires_grad_()
    grad = torch.randn(5, 7, 3, dtype=torch.float64)
    (Spikes.from_dense(x).to_dense() * grad).sum().backward()
    assert torch.equal(Spikes.from_dense(x).to_dense(), x)
    assert torch.equal(x.grad, grad)


@pytest.mark.parametrize("bad", [-1.0, 0.5, 1.0 + 1e-6, float("nan"), float("inf"), -float("inf")])
def test_from_dense_not_counts(bad):
    x = torch.zeros(2, 3, 4, dtype=torch.float64)
    x[1, 1, 2] = bad
    with pytest.raises(ValueError, match="counts"):
        Spikes.from_dense(x)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_from_dense_wrong_dimensions(shape):
    with pytest.raises(ValueError, match=r"\[B, T, N\]"):
        Spikes.from_dense(torch.zeros(shape))


def test_feature_shape_goes_with_the_spikes():
    """Images come back as images, with their gradients; to the kernels they are neurons in a row."""
    x = torch.randint(0, 3, (2, 4, 3, 5, 7)).float().requires_grad_()
    spikes = Spikes.from_dense(x)
    assert (spikes.shape, spikes.features) == ((2, 4, 105), (3, 5, 7))
    assert torch.equal(spikes.to_dense(), x)
    for same in (spikes.detach(), spikes.to("cpu"), spikes.view(105).view(3, 5, 7)):
        assert same.features == (3, 5, 7)
        assert torch.equal(same.to_dense(), x)
    assert torch.equal(spikes.view(105).to_dense(), x.flatten(2))
    assert spikes.count().shape == (2, 105)
    slope = torch.rand_like(x)
    (spikes.to_dense() * slope).sum().backward()
    assert torch.equal(x.grad, slope)
    assert repr(spikes).startswith("Spikes([2, 4, 3, 5, 7], ")


def test_feature_shape_has_to_fit():
    with pytest.raises(ValueError, match=r"12 neurons cannot have the feature shape \[5, 2\]"):
        Spikes.from_dense(torch.zeros(1, 2, 12)).view(5, 2)


@dense
def test_from_dense_active_everything(x):
    spikes = Spikes.from_dense(x.double().requires_grad_())
    assert torch.equal(spikes.active_elements(), torch.arange(x.numel()))
    assert torch.equal(spikes.g, torch.ones(x.numel(), dtype=torch.float64))
    assert spikes.handle.shape == spikes.g.shape
    assert spikes.handle.requires_grad


@pytest.mark.parametrize("requires_grad", [True, False])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_from_dense_active_nothing(mode, requires_grad):
    x = DENSE["odd"].double().requires_grad_(requires_grad)
    with mode():
        spikes = Spikes.from_dense(x)
    if mode is torch.enable_grad and requires_grad:
        assert spikes.active_count == x.numel()
    else:
        assert len(spikes.active.col) == len(spikes.g) == len(spikes.handle) == 0
        assert spikes.active.ptr.tolist() == [0] * (3 * 7 + 1)
        assert not spikes.handle.requires_grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_from_events_data(dtype):
    events = Rows(torch.tensor([0, 0, 2, 3]), torch.tensor([1, 1, 0], dtype=torch.int32))
    spikes = Spikes.from_events((1, 3, 2), events, dtype)
    assert spikes.to_dense().dtype == dtype
    assert spikes.to_dense().tolist() == [[[0, 0], [0, 2], [1, 0]]]
    assert not spikes.to_dense().requires_grad
    assert len(spikes.active.col) == len(spikes.handle) == 0


@dense
def test_to_dense_gradient(x):
    x = x.double().requires_grad_()
    grad = torch.randn(x.shape, dtype=torch.float64)
    Spikes.from_dense(x).to_dense().backward(grad)
    assert torch.equal(x.grad, grad)


def test_to_dense_gradient_gathers():
    """At an active set that is only a part, in rows of 0, 1 and 3 elements."""
    handle = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    active = Rows(torch.tensor([0, 0, 1, 4]), torch.tensor([2, 0, 1, 2], dtype=torch.int32))
    spikes = Spikes((1, 3, 3), Rows.empty(3), active, torch.ones(4), handle)
    spikes.to_dense().backward(torch.arange(9.0, dtype=torch.float64).view(1, 3, 3))
    assert handle.grad.tolist() == [5, 6, 7, 8]


@dense
def test_count_sum_over_time(x):
    x = x.double().requires_grad_()
    count = Spikes.from_dense(x).count()
    grad = torch.randn(count.shape, dtype=torch.float64)
    count.backward(grad)
    assert torch.equal(count, x.sum(1))
    assert torch.equal(x.grad, grad[:, None].expand_as(x))


@dense
def test_by_neuron_sum_over_samples_and_time(x):
    assert torch.equal(Spikes.from_dense(x.double()).by_neuron(), x.long().sum((0, 1)))


@pytest.mark.parametrize("everywhere", [True, False])
def test_active_by_neuron_leaves_out_what_is_listed_for_nothing(everywhere):
    """More rows than a byte counts."""
    g = torch.rand(3, 201, 5) * (torch.rand(3, 201, 5) < 0.9)
    x = Spikes.from_dense(torch.zeros_like(g))
    listed = torch.arange(g.numel()) if everywhere else torch.arange(0, g.numel(), 2)
    x.active = EVERYWHERE if everywhere else Rows.from_flat(listed, 3 * 201, 5)
    x.g = g.flatten()[listed]
    chosen = torch.zeros(g.numel()).index_fill(0, listed, 1).view_as(g)
    assert torch.equal(x.active_by_neuron(), (g * chosen != 0).sum((0, 1)))


def test_count_gradient_gathers():
    current = torch.randn(3, 7, 5, dtype=torch.float64, requires_grad=True)
    neuron, strategy = Neuron(tau=5.0), Surrogate("triangular", slope=2.0)
    grad = torch.randn(3, 5, dtype=torch.float64)
    spikes = lif(current, neuron, strategy)
    spikes.handle.retain_grad()
    spikes.count().backward(grad)
    expected = oracle_lif(current, neuron, strategy)
    assert 0 < len(expected.active) < current.numel()
    assert torch.equal(spikes.handle.grad, grad[:, None].expand_as(current).flatten()[expected.active])


def test_spikes_several_consumers(backend):
    """to_dense twice, count, and two layers: their gradients add up."""
    x = torch.randint(0, 3, (3, 7, 4)).double().requires_grad_()
    y = x.detach().clone().requires_grad_()
    w = [torch.randn(n, 4, dtype=torch.float64) for n in (5, 2)]
    a, b = torch.randn(2, *x.shape, dtype=torch.float64)
    c, d, e = (torch.randn(*shape, dtype=torch.float64) for shape in ((3, 4), (3, 7, 5), (3, 7, 2)))
    neuron, strategy = Neuron(tau=5.0), Surrogate("sigmoid", slope=3.0)

    spikes = Spikes.from_dense(x)
    first, second = (spiking_linear(spikes, weight, None, neuron, strategy, backend=backend) for weight in w)
    dense = spikes.to_dense() * a + spikes.to_dense() * b
    (dense.sum() + (spikes.count() * c).sum()).backward(retain_graph=True)
    ((first.to_dense() * d).sum() + (second.to_dense() * e).sum()).backward()

    first, second = (oracle_spiking_linear(y, weight, None, neuron, strategy) for weight in w)
    ((y * (a + b)).sum() + (y.sum(1) * c).sum() + (first.s * d).sum() + (second.s * e).sum()).backward()
    assert_near(x.grad, y.grad)


def test_hidden_spikes_several_consumers(backend):
    """The same where the active set is a part: the layer below gets the sum, from one backward."""
    current = torch.randn(3, 7, 4, dtype=torch.float64, requires_grad=True)
    twin = current.detach().clone().requires_grad_()
    weight = torch.randn(5, 4, dtype=torch.float64)
    a, c, d = (torch.randn(*shape, dtype=torch.float64) for shape in ((3, 7, 4), (3, 4), (3, 7, 5)))
    neuron, strategy = Neuron(tau=5.0), Surrogate("triangular", slope=1.5)

    x = lif(current, neuron, strategy, backend=backend)
    y = spiking_linear(x, weight, None, neuron, strategy, backend=backend)
    ((x.to_dense() * a).sum() + (x.count() * c).sum() + (y.to_dense() * d).sum()).backward()

    x = oracle_lif(twin, neuron, strategy).s
    y = oracle_spiking_linear(x, weight, None, neuron, strategy).s
    ((x * a).sum() + (x.sum(1) * c).sum() + (y * d).sum()).backward()
    assert_near(current.grad, twin.grad)


def test_detach_cuts_graph():
    x = DENSE["odd"].double().requires_grad_()
    spikes = Spikes.from_dense(x)
    detached = spikes.detach()
    assert not detached.handle.requires_grad
    assert not detached.to_dense().requires_grad
    assert not detached.count().requires_grad
    assert torch.equal(detached.to_dense(), x)
    assert torch.equal(detached.active_elements(), spikes.active_elements())
    assert spikes.to_dense().requires_grad


def test_to_cpu():
    x = DENSE["odd"].double().requires_grad_()
    moved = Spikes.from_dense(x).to("cpu", non_blocking=True)
    moved.to_dense().sum().backward()
    assert moved.shape == (3, 7, 5)
    assert torch.equal(moved.to_dense(), x)
    assert torch.equal(x.grad, torch.ones_like(x))


def test_to_meta():
    """Every part moves."""
    spikes = lif(torch.rand(2, 3, 4).requires_grad_(), Neuron(), LocalZO(), backend="reference").to("meta")
    assert {part.device.type for part in (*spikes.events, *spikes.active, spikes.g, spikes.handle)} == {"meta"}


def test_repr_counts():
    x = DENSE["counts"].double()
    assert repr(Spikes.from_dense(x)) == "Spikes([2, 2, 3], 11 events, 0 active)"
    assert repr(Spikes.from_dense(x.requires_grad_())) == "Spikes([2, 2, 3], 11 events, 12 active)"


@pytest.mark.parametrize(
    ("flat", "rows", "width"),
    [
        ([], 4, 3),
        ([], 0, 3),
        ([0], 1, 1),
        ([3, 3, 5, 9, 11], 6, 3),  # rows 0, 2, 4 and 5 are empty
        ([0, 1, 2, 17], 6, 3),
        (list(range(12)), 4, 3),
        ([2, 2, 2, 2], 3, 1),
    ],
)
def test_rows_flat_inverse(flat, rows, width):
    index = torch.tensor(flat, dtype=torch.int64)
    made = Rows.from_flat(index, rows, width)
    assert made.ptr.dtype == torch.int64
    assert made.col.dtype == torch.int32
    assert made.ptr.tolist() == [sum(i < r * width for i in flat) for r in range(rows + 1)]
    assert made.col.tolist() == [i % width for i in flat]
    assert made.row().tolist() == [i // width for i in flat]
    assert torch.equal(made.flat(width), index)
    assert made.row().dtype == made.flat(width).dtype == torch.int64


def test_rows_empty():
    rows = Rows.empty(5)
    assert rows.ptr.tolist() == [0] * 6
    assert (rows.ptr.dtype, rows.col.dtype) == (torch.int64, torch.int32)
    assert rows.row().tolist() == rows.flat(7).tolist() == []


def test_rows_to_device():
    rows = Rows.from_flat(torch.tensor([3, 3, 5]), 2, 3)
    assert all(torch.equal(moved, part) for moved, part in zip(rows.to("cpu"), rows, strict=True))
    assert {part.device.type for part in rows.to("meta")} == {"meta"}
