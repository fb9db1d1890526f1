import numpy as np
import pytest
import torch

from snn_zo.look.seen import Marks, Seen
from snn_zo.ops import Spikes
from snn_zo.ops.spikes import Rows


def spikes(features, flat, active, channels_last=False, steps=4):
    """Spikes of one sample at flat indices t * N + n, with elements that are active at others."""
    n = int(np.prod(features))
    events, active = (Rows.from_flat(torch.tensor(index, dtype=torch.int64), steps, n) for index in (flat, active))
    g = torch.ones(len(active.col))
    return Spikes((1, steps, n), events, active, g, g, features=features, channels_last=channels_last)


def test_of_spikes_of_a_row_of_neurons():
    seen = Seen.of("a", spikes((5,), [0, 7, 7, 19], [6, 12]))
    assert seen.spikes.step.tolist() == [0, 1, 1, 3]
    assert seen.spikes.neuron.tolist() == [0, 2, 2, 4]
    assert (seen.active.step.tolist(), seen.active.neuron.tolist()) == ([1, 2], [1, 2])
    assert (seen.share("spikes"), seen.share("active"), seen.silent) == (4 / 20, 2 / 20, 2)
    assert not seen.is_map


@pytest.mark.parametrize("channels_last", [False, True])
def test_of_spikes_of_channels_has_them_first(channels_last):
    """Whatever the order of the neurons, a place of the map is the one of the dense spikes."""
    made = spikes((2, 3, 4), [1, 5, 5, 30, 49, 95], [2, 50, 51], channels_last)
    seen = Seen.of("a", made)
    dense = made.to_dense()[0].long().numpy()
    assert seen.is_map
    np.testing.assert_array_equal(seen.counts("spikes", [0, 1, 2, 3, 4]), dense)
    np.testing.assert_array_equal(seen.counts("spikes", [0, 2, 4]), dense.reshape(2, 2, 2, 3, 4).sum(1))
    np.testing.assert_array_equal(seen.by_channel["spikes"], dense.sum((0, 2, 3)))
    assert seen.share_of_channel("spikes", 1) == dense[:, 1].mean()
    assert seen.counts("active", [0, 4]).sum() == 3


def test_of_leaves_out_padding():
    made = spikes((5,), [0, 7], [])
    padded = Rows(made.events.ptr, torch.cat([made.events.col, torch.tensor([3, 3], dtype=torch.int32)]))
    seen = Seen.of("a", Spikes(made.shape, padded, made.active, made.g, made.handle))
    assert seen.spikes.neuron.tolist() == [0, 2]


def test_of_input_has_nothing_active():
    seen = Seen.of("input", spikes((2, 3, 4), [1], []), is_input=True)
    assert seen.active is None
    assert seen.share("active") is None
    assert seen.counts("active", [0, 4]) is None
    assert seen.by_channel["active"].tolist() == [0, 0]


def test_of_all_elements_active():
    x = torch.zeros(1, 4, 5).requires_grad_()
    assert Seen.of("a", Spikes.from_dense(x)).share("active") == 1


@pytest.mark.parametrize(
    ("order", "most", "expected"),
    [("number", 9, [0, 1, 2]), ("spikes", 9, [2, 0, 1]), ("active", 9, [1, 0, 2]), ("number", 2, [0, 2])],
)
def test_chosen_channels(order, most, expected):
    """Two of three, by number: those with most spikes."""
    spiked, active = Marks(np.zeros(4, int), np.array([0, 4, 4, 5])), Marks(np.zeros(2, int), np.array([2, 3]))
    assert Seen("a", (3, 1, 2), 1, spiked, active).chosen(order, most) == expected
