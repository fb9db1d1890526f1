"""Layers own what they need, record what they do, and are counted without a network that knows them."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from snn_zo.energy.counts import Schedule
from snn_zo.layers import LeakyReadout, SpikingLayer, SpikingLinear, counted_layers, layers_of, recording
from snn_zo.models import FeedForward
from snn_zo.neuron import CountReadout, Neuron, Readout
from snn_zo.ops import Spikes, leaky_readout, lif, spiking_linear
from snn_zo.strategies import Draw, LocalZO, Surrogate

B, T = 3, 7
NEURON = Neuron(tau=5.0, v_th=0.6)


def images(*shape: int) -> Spikes:
    torch.manual_seed(0)
    return Spikes.from_dense((torch.rand(B, T, *shape) < 0.3).float())


def draw() -> Draw:
    return Draw(1, 0, 2, torch.arange(B))


class TorchConv(SpikingLayer):
    """A convolution of torch in front of neurons."""

    def __init__(self, in_shape, channels, strategy):
        super().__init__("conv", in_shape, (channels, *in_shape[1:]), NEURON, strategy)
        self.conv = nn.Conv2d(in_shape[0], channels, 3, padding=1)

    @property
    def products(self):
        return self.conv.weight.numel() * self.in_shape[1] * self.in_shape[2]

    def forward(self, x, draw=None):
        current = self.conv(x.to_dense().flatten(0, 1)).unflatten(0, x.shape[:2])
        return self.dense_current(x, lif(current, self.neuron, self.strategy, draw, self.backend))


def test_spiking_linear_is_its_operation():
    x = images(2, 3, 4)
    layer = SpikingLinear((2, 3, 4), 5, NEURON, LocalZO(delta=0.4), "first", bias=True)
    assert (layer.name, layer.in_shape, layer.out_shape, layer.inputs, layer.neurons) == (
        "first", (2, 3, 4), (5,), 24, 5,
    )  # fmt: skip
    expected = spiking_linear(x, layer.weight, layer.bias, NEURON, layer.strategy, draw())
    found = layer(x, draw())
    assert torch.equal(found.to_dense(), expected.to_dense())
    assert torch.equal(found.g, expected.g)


def test_leaky_readout_is_its_operation():
    x, settings = images(6), Readout(tau=3.0, reduce="max", scale=2.0)
    layer = LeakyReadout((6,), 4, settings, bias=True)
    assert torch.equal(layer(x), leaky_readout(x, layer.weight, layer.bias, settings))


@pytest.mark.parametrize("bias", [False, True])
def test_parameters_start_as_those_of_torch(bias):
    """The same numbers from the same generator."""
    torch.manual_seed(3)
    theirs = nn.Linear(6, 5, bias)
    torch.manual_seed(3)
    ours = SpikingLinear((6,), 5, NEURON, Surrogate(), "hidden", bias)
    assert torch.equal(ours.weight, theirs.weight)
    assert (ours.bias is None) == (theirs.bias is None)
    assert ours.bias is None or torch.equal(ours.bias, theirs.bias)


def test_recording_holds_what_was_done_and_no_graph():
    model = FeedForward((6,), 3, LocalZO(delta=0.4), [5, 4], NEURON, Readout(), gain=4.0)
    x = images(6)
    with recording() as layers:
        output = model(x, draw())
    assert [done.layer.name for done in layers] == ["hidden1", "hidden2", "readout"]
    assert [done.record.to_input for done in layers] == [False, True, True]
    assert not any(done.x.handle.requires_grad for done in layers)
    assert layers[0].record.weight_gradient is None, "before the backward pass"
    output.readout.sum().backward()
    assert [done.record.weight_gradient is None for done in layers] == [False, False, False]
    assert [done.record.input_gradient for done in layers] == [None, "scan", "gather"]
    model(x)
    assert len(layers) == 3, "nobody records any more"


def test_recordings_inside_of_one_another_are_apart():
    layer = SpikingLinear((6,), 5, NEURON, Surrogate(), "hidden")
    with recording() as outer:
        with recording() as inner:
            layer(images(6))
        layer(images(6))
    assert (len(outer), len(inner)) == (1, 1)


def test_layers_of_a_network_by_name():
    model = FeedForward((6,), 3, Surrogate(), [5, 4], NEURON, Readout())
    assert list(layers_of(model)) == ["hidden1", "hidden2", "readout"]
    with pytest.raises(ValueError, match=r"Linear holds no snn_zo\.layers\.Layer"):
        layers_of(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="two layers of one name: readout, readout"):
        layers_of(nn.ModuleList([LeakyReadout((6,), 3, Readout()) for _ in range(2)]))


def test_layers_differ_in_neuron_and_strategy():
    own = {"hidden2": {"neuron": {"tau": 2.0, "reset": "hard"}, "strategy": Surrogate(slope=5.0)}}
    model = FeedForward((6,), 3, LocalZO(delta=0.4), [5, 4], NEURON, Readout(), gain=4.0, layers=own)
    first, second, _ = layers_of(model).values()
    assert (first.neuron, first.strategy) == (NEURON, LocalZO(delta=0.4))
    assert (second.neuron, second.strategy) == (Neuron(2.0, v_th=0.6, reset="hard"), Surrogate(slope=5.0))
    with recording() as layers:
        model(images(6), draw()).readout.sum().backward()
    one, two = (done.layer.activity(done) for done in layers[:2])
    assert (one.forms.everywhere, two.forms.everywhere) == (False, True)
    assert (one.within_reach > 0, two.within_reach) == (True, 0)
    # a hard reset costs no subtraction at a spike, and a surrogate a function at every element
    work = second.work(two)["neuron"]
    assert (work.additions, work.functions) == (0, B * T * 4)


def test_dense_current_of_a_convolution_is_counted():
    """Products of a kernel at every pixel; the adjoint is made everywhere, whatever the strategy."""
    layer, x = TorchConv((2, 5, 4), 3, LocalZO(delta=0.4)), images(2, 5, 4)
    with recording() as layers:
        layer(x, draw()).to_dense().square().sum().backward()
    (done,) = layers
    activity = layer.activity(done)
    assert done.spikes.features == (3, 5, 4)
    assert (activity.inputs, activity.neurons, activity.connection.weights) == (40, 60, 2 * 3 * 9)
    assert activity.forms == ("dense", "dense", None, False)
    work, rows, products = layer.work(activity, Schedule(group=B)), B * T, 2 * 3 * 9 * 5 * 4
    assert work["forward"].binary_products == work["grad_weight"].binary_products == rows * products
    assert work["forward"].additions == rows * 60, "a bias at each neuron"
    assert not any(work["grad_input"].operations().values())
    # each weight serves all pixels of all rows of the group, each input bit the kernels that cover it
    assert work["forward"].uses == {
        ("input bits", products / 40): rows * products / 8,
        ("stored weights", rows * 20): rows * products * 4,
    }
    assert work["neuron"].multiply_adds == activity.active * 2 + activity.live_rows * 60
    assert layer.dense_work(activity, Schedule(group=B))["forward"] == work["forward"]
    assert layer.inference(x) is None


def test_layer_prints_its_shapes():
    assert "conv: [2, 5, 4] -> [3, 5, 4]" in repr(TorchConv((2, 5, 4), 3, Surrogate()))


def test_spike_counts_are_counts_of_spikes():
    settings = CountReadout(NEURON, scale=2.0)
    model = FeedForward((6,), 3, LocalZO(delta=0.4), [5], NEURON, settings, gain=6.0)
    x = images(6)
    with recording() as layers:
        output = model(x, draw())
        output.readout.sum().backward()
    assert [done.layer.name for done in layers] == ["hidden1", "readout"]
    assert list(output.hidden) == ["hidden1"], "the regulariser does not see the output neurons"
    last = layers[1]
    assert torch.equal(output.readout, 2 * last.spikes.count())
    assert output.readout.sum() > 0
    assert model.layers[0].weight.grad.any()
    # each layer has a stream of its own
    expected = spiking_linear(
        layers[1].x, model.layers[1].weight, None, NEURON, LocalZO(delta=0.4), draw().for_layer(1)
    )
    assert torch.equal(last.spikes.g, expected.g)
    activity = last.layer.activity(last)
    plain = SpikingLinear.work(last.layer, activity)["neuron"]
    work = last.layer.work(activity)["neuron"]
    assert work.additions - plain.additions == last.spikes.event_count
    assert work.multiply_adds - plain.multiply_adds == B * 3


class Half(nn.Module):
    """Its first layer says nothing of itself."""

    def __init__(self):
        super().__init__()
        self.first, self.readout = nn.Linear(6, 5), LeakyReadout((5,), 3, Readout())


def test_counted_layers_account_for_the_whole_network():
    model = FeedForward((6,), 3, Surrogate(), [5], NEURON, Readout())
    assert list(counted_layers(model)) == ["hidden1", "readout"]
    with pytest.raises(ValueError, match=r"parameter first\.weight of Half belongs to no snn_zo\.layers\.Layer"):
        counted_layers(Half())


def test_readout_counts_follow_the_form_of_its_gradient():
    layer, x = LeakyReadout((6,), 3, Readout()), images(6)
    with recording() as layers:
        layer(x).sum().backward()
    activity = layer.activity(layers[0])
    dense = replace(activity, forms=activity.forms._replace(weight="dense"))
    assert layer.work(activity)["grad_weight"].additions == x.event_count * 3
    assert layer.work(dense)["grad_weight"].binary_products == B * T * 6 * 3
    assert layer.work(dense)["grad_weight"].additions == 0


@pytest.mark.parametrize("shape", [6, (6, 0), (2.0,), None])
def test_layer_refuses_what_is_no_shape(shape):
    with pytest.raises(ValueError, match=r"in_shape of hidden1 must be a shape such as \(784,\) or \(2, 34, 34\), got"):
        FeedForward(shape, 3, Surrogate(), [5], NEURON, Readout())
