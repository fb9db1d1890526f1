import itertools

import pytest
import torch

from snn_zo.ops import Spikes, merge
from snn_zo.ops.spikes import EVERYWHERE
from tests.ops.maps import DENSITIES, check, counts_of, flat, images, spikes_from

RESULTS = {
    "add": lambda a, b: a + b,
    "and": lambda a, b: a * b,
    "iand": lambda a, b: (1 - a.clamp(max=1)) * b,
    "cat": lambda a, b: torch.cat([a, b], 2),
}
ways = pytest.mark.parametrize("how", RESULTS)
FEATURES = (3, 4, 5)


def pair_of(shape=(2, 3, *FEATURES), density=0.4, most=1, active=0.3):
    """Counts of two layers, and which are active."""
    counts = [counts_of(shape, density, most) for _ in range(2)]
    return counts, [torch.rand(shape) < active for _ in counts]


@ways
@pytest.mark.parametrize("orders", [(True, True), (False, False), (True, False), (False, True)])
@pytest.mark.parametrize("density", DENSITIES.values(), ids=DENSITIES)
def test_merge_torch(moving_backend, how, orders, density):
    for b, t, most in [(2, 3, 1), (1, 1, 3)]:
        counts, active = pair_of((b, t, *FEATURES), density[0], most, density[1])
        x = [spikes_from(*each) for each in zip(counts, active, orders, strict=True)]
        made = merge(*x, how, moving_backend)
        assert made.channels_last == orders[0]
        reached = images(RESULTS[how], *zip(counts, active, strict=True))
        check(made, RESULTS[how](*counts), reached, list(zip(x, counts, strict=True)))


@pytest.mark.parametrize("channels_last", [False, True])
def test_merge_cat_unequal(moving_backend, channels_last):
    """As many channels as there are in both."""
    counts = [counts_of((2, 3, channels, 4, 5)) for channels in (2, 5)]
    active = [torch.rand(each.shape) < 0.4 for each in counts]
    x = [spikes_from(*each, channels_last) for each in zip(counts, active, strict=True)]
    check(
        merge(*x, "cat", moving_backend), torch.cat(counts, 2), torch.cat(active, 2), list(zip(x, counts, strict=True))
    )


@ways
def test_merge_neurons(moving_backend, how):
    """Without channels, neurons are put behind neurons."""
    counts, active = pair_of((3, 4, 7))
    x = [spikes_from(*each, False) for each in zip(counts, active, strict=True)]
    reached = images(RESULTS[how], *zip(counts, active, strict=True))
    check(merge(*x, how, moving_backend), RESULTS[how](*counts), reached, list(zip(x, counts, strict=True)))


@ways
@pytest.mark.parametrize("which", [(True, True), (True, False), (False, True)])
def test_merge_everywhere(moving_backend, how, which):
    """Where one of both is active everywhere, so is the result."""
    counts, active = pair_of()
    active = [None if everywhere else each for each, everywhere in zip(active, which, strict=True)]
    x = [spikes_from(*each, True) for each in zip(counts, active, strict=True)]
    made = merge(*x, how, moving_backend)
    check(made, RESULTS[how](*counts), None, list(zip(x, counts, strict=True)))


def test_merge_itself(moving_backend):
    """Both sides may be the same spikes."""
    counts = counts_of((2, 3, *FEATURES))
    x = spikes_from(counts, torch.rand(counts.shape) < 0.4, True)
    (merge(x, x, "add", moving_backend).to_dense().square().sum() / 2).backward()
    (counts + counts).square().sum().div(2).backward()
    torch.testing.assert_close(x.handle.grad, flat(counts.grad, True)[x.active.flat(x.shape[2])])


@ways
def test_merge_no_grad(moving_backend, how):
    counts, active = pair_of()
    for actives in (active, [None, None]):
        x = [spikes_from(*each, True) for each in zip(counts, actives, strict=True)]
        with torch.no_grad():
            made = merge(*x, how, moving_backend)
        assert made.active is not EVERYWHERE
        assert len(made.active.col) == 0
        assert torch.equal(made.to_dense(), RESULTS[how](*counts).detach())


@ways
def test_merge_threads(how):
    """Bit for bit the same in any number of threads."""
    counts, active = pair_of((7, 5, *FEATURES), most=2)
    found, before = [], torch.get_num_threads()
    try:
        for threads in (1, 2, 3, 5):
            torch.set_num_threads(threads)
            x = [spikes_from(*each, True) for each in zip(counts, active, strict=True)]
            made = merge(*x, how, "cpu")
            (made.handle * torch.arange(len(made.handle))).sum().backward()
            found.append([*made.events, *made.active, made.handle.detach(), *(each.handle.grad for each in x)])
    finally:
        torch.set_num_threads(before)
    for one, other in itertools.pairwise(found):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_merge_scales(moving_backend):
    """A value of a spike that both sides share stays."""
    counts, active = pair_of()
    x = [spikes_from(*each, True).scaled(0.25) for each in zip(counts, active, strict=True)]
    check(
        merge(*x, "add", moving_backend),
        (counts[0] + counts[1]) / 4,
        active[0] | active[1],
        list(zip(x, counts, strict=True)),
    )


def test_merge_refused():
    x, y = Spikes.from_dense(torch.zeros(1, 2, 3, 5, 4)), Spikes.from_dense(torch.zeros(1, 2, 2, 5, 4))
    z = Spikes.from_dense(torch.zeros(1, 3, 3, 5, 4))
    for arguments, message in [
        ((x, x, "or"), "spikes are merged by one of add, and, iand, cat, got 'or'"),
        ((x, y, "add"), r"features \[3, 5, 4\] and \[2, 5, 4\] do not fit together for 'add'"),
        ((x, x.view(60), "cat"), r"features \[3, 5, 4\] and \[60\] do not fit together for 'cat'"),
        (
            (x, Spikes.from_dense(torch.zeros(1, 3, 3, 5, 4)), "add"),
            r"spikes of \[1, 2\] and \[1, 3\] samples and steps",
        ),
        ((x, z, "add"), r"spikes of \[1, 2\] and \[1, 3\] samples and steps cannot be merged"),
        ((x, x.scaled(0.5), "add"), "spikes of the values 1 and 0.5 cannot be merged by 'add'"),
        ((x.scaled(0.5), x.scaled(0.5), "and"), "spikes of the values 0.5 and 0.5 cannot be merged by 'and'"),
    ]:
        with pytest.raises(ValueError, match=message):
            merge(*arguments)
