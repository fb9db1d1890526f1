import itertools

import pytest
import torch
from torch.nn.functional import adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool2d, max_pool2d

from snn_zo.ops import Spikes, adaptive_pool2d, pool2d
from snn_zo.ops.spikes import EVERYWHERE
from tests.ops.maps import DENSITIES, check, counts_of, flat, images, spikes_from

WINDOWS = {
    "2": ((3, 7, 6), 2, None, 0),
    "3 by 2": ((2, 9, 5), (3, 2), None, 0),
    "overlapping": ((2, 7, 8), 3, 2, 1),
    "one by one": ((3, 5, 4), 3, 1, 1),
    "with gaps": ((2, 8, 9), 2, 3, 0),
    "padded unevenly": ((2, 6, 5), (3, 2), (2, 1), (1, 0)),
    "whole": ((5, 3, 4), (3, 4), None, 0),
    "wide": ((70, 4, 6), 2, None, 0),
}
windows = pytest.mark.parametrize(("features", "kernel", "stride", "padding"), WINDOWS.values(), ids=WINDOWS)
sizes = pytest.mark.parametrize(
    ("features", "size"), [((3, 7, 5), 1), ((2, 6, 8), (3, 4)), ((2, 7, 5), (3, 2))], ids=["one", "even", "uneven"]
)
order = pytest.mark.parametrize("channels_last", [False, True], ids=["channels first", "channels last"])


def pooled(counts, kind, kernel, stride, padding):
    flat_counts = counts.flatten(0, 1)
    if kind == "max":
        made = max_pool2d(flat_counts, kernel, stride, padding)
    else:
        made = avg_pool2d(flat_counts, kernel, stride, padding, divisor_override=None if kind == "average" else 1)
    return made.unflatten(0, counts.shape[:2])


@pytest.mark.parametrize("kind", ["sum", "max"])
@windows
@order
@pytest.mark.parametrize("density", DENSITIES.values(), ids=DENSITIES)
def test_pool2d_torch(moving_backend, kind, features, kernel, stride, padding, channels_last, density):
    spiking, active_share = density
    for b, t, most in [(2, 3, 1), (1, 1, 3)]:
        counts = counts_of((b, t, *features), spiking, most)
        active = torch.rand(counts.shape) < active_share
        x = spikes_from(counts, active, channels_last)
        made = pool2d(x, kind, kernel, stride, padding, moving_backend)
        assert made.channels_last == channels_last
        assert made.shape[2] == made.to_dense()[0, 0].numel()
        expected = pooled(counts, kind, kernel, stride, padding)
        check(
            made, expected, images(lambda c: pooled(c, kind, kernel, stride, padding), (counts, active)), [(x, counts)]
        )


def test_pool2d_average(moving_backend):
    """Padding counts in an average."""
    counts = counts_of((2, 3, 2, 7, 8), most=2)
    x = spikes_from(counts, torch.ones_like(counts) > 0, True)
    made = pool2d(x, "average", 3, 2, 1, moving_backend)
    assert made.scale == 1 / 9
    expected = pooled(counts, "average", 3, 2, 1)
    check(made, expected, torch.ones_like(expected) > 0, [(x, counts)])


@pytest.mark.parametrize("kind", ["sum", "max"])
@sizes
@order
def test_adaptive_pool2d_torch(moving_backend, kind, features, size, channels_last):
    counts = counts_of((2, 3, *features), most=2)
    active = torch.rand(counts.shape) < 0.3

    def expected(counts):
        flat_counts = counts.flatten(0, 1)
        if kind == "max":
            return adaptive_max_pool2d(flat_counts, size).unflatten(0, counts.shape[:2])
        # torch has no adaptive sum: each cell's average by each element says of how many it is
        places = torch.eye(features[1] * features[2], dtype=torch.float64).view(-1, *features[1:])
        of_cell = (adaptive_avg_pool2d(places, size) > 0).double()
        return torch.einsum("btcp,pyx->btcyx", counts.flatten(3), of_cell)

    x = spikes_from(counts, active, channels_last)
    check(
        adaptive_pool2d(x, kind, size, moving_backend),
        expected(counts),
        images(expected, (counts, active)),
        [(x, counts)],
    )


def test_adaptive_pool2d_average(moving_backend):
    counts = counts_of((2, 3, 4, 6, 8), most=2)
    x = spikes_from(counts, torch.ones_like(counts) > 0, True)
    expected = adaptive_avg_pool2d(counts.flatten(0, 1), (3, 2)).unflatten(0, (2, 3))
    made = adaptive_pool2d(x, "average", (3, 2), moving_backend)
    assert made.scale == 1 / 8
    check(made, expected, torch.ones_like(expected) > 0, [(x, counts)])


@pytest.mark.parametrize("kind", ["sum", "max"])
@order
def test_pool2d_everywhere(moving_backend, kind, channels_last):
    """Where every element is active, so is every one of the result, with a handle for each."""
    counts = counts_of((2, 3, 4, 7, 5), most=2)
    x = spikes_from(counts, None, channels_last)
    made = pool2d(x, kind, 3, 2, 1, moving_backend)
    assert made.active is EVERYWHERE
    assert made.handle.shape == (2 * 3 * 4 * 4 * 3,)
    check(made, pooled(counts, kind, 3, 2, 1), None, [(x, counts)])


def test_pool2d_consumers(moving_backend):
    """Gradients of several consumers add up."""
    counts = counts_of((2, 4, 3, 6, 6))
    x = spikes_from(counts, torch.rand(counts.shape) < 0.5, True)
    two, three = pool2d(x, "sum", 2, backend=moving_backend), pool2d(x, "max", 3, backend=moving_backend)
    (two.to_dense().square().sum() + 3 * three.to_dense().sum() + x.to_dense().sum()).backward()
    dense = pooled(counts, "sum", 2, None, 0).square().sum() + 3 * pooled(counts, "max", 3, None, 0).sum()
    (dense + counts.sum()).backward()
    torch.testing.assert_close(x.handle.grad, flat(counts.grad, True)[x.active.flat(x.shape[2])])


def test_pool2d_no_grad(moving_backend):
    """None is active where gradients are disabled."""
    counts = counts_of((2, 3, 2, 4, 4))
    for active in (torch.rand(counts.shape) < 0.5, None):
        x = spikes_from(counts, active, True)
        with torch.no_grad():
            made = pool2d(x, "max", 2, backend=moving_backend)
        assert made.active is not EVERYWHERE
        assert len(made.active.col) == len(made.handle) == 0
        assert torch.equal(made.to_dense(), pooled(counts, "max", 2, None, 0).detach())


def test_pool2d_empty(moving_backend):
    """No sample at all."""
    x = Spikes.from_dense(torch.zeros(0, 3, 2, 4, 4))
    assert pool2d(x, "sum", 2, backend=moving_backend).to_dense().shape == (0, 3, 2, 2, 2)


@pytest.mark.parametrize("kind", ["sum", "max"])
def test_pool2d_threads(kind):
    """Bit for bit the same in any number of threads."""
    counts = counts_of((7, 5, 3, 9, 8), most=2)
    active = torch.rand(counts.shape) < 0.4
    found, before = [], torch.get_num_threads()
    try:
        for threads in (1, 2, 3, 5):
            torch.set_num_threads(threads)
            x = spikes_from(counts, active, True)
            made = pool2d(x, kind, 3, 2, backend="cpu")
            (made.handle * torch.arange(len(made.handle))).sum().backward()
            found.append([*made.events, *made.active, made.handle.detach(), x.handle.grad])
    finally:
        torch.set_num_threads(before)
    for one, other in itertools.pairwise(found):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mean", 2), "a pooling is one of sum, average, max, got 'mean'"),
        (("sum", 0), "kernel and stride must be positive, got \\[0, 0\\]"),
        (("max", 2, None, 2), "padding must lie between 0 and half of the kernel \\[2, 2\\], got \\[2, 2\\]"),
        (("max", 6), "a kernel \\[6, 6\\] does not fit into an input \\[5, 4\\] with a padding of \\[0, 0\\]"),
    ],
)
def test_pool2d_refused(arguments, message):
    x = Spikes.from_dense(torch.zeros(1, 2, 3, 5, 4))
    with pytest.raises(ValueError, match=message):
        pool2d(x, *arguments)


def test_pool2d_refused_features():
    with pytest.raises(ValueError, match=r"a pooling needs spikes \[B, T, C, H, W\], got \[1, 2, 12\]: view"):
        pool2d(Spikes.from_dense(torch.zeros(1, 2, 12)), "sum", 2)


def test_adaptive_pool2d_refused():
    x = Spikes.from_dense(torch.zeros(1, 2, 3, 5, 4))
    with pytest.raises(ValueError, match="differ in size, and an average would need a divisor for each"):
        adaptive_pool2d(x, "average", (3, 2))
    with pytest.raises(ValueError, match=r"an input \[5, 4\] cannot be pooled to \[6, 6\]"):
        adaptive_pool2d(x, "sum", 6)
