import pytest
import torch

from snn_zo.models import VGG, Conv
from snn_zo.neuron import CountReadout, Neuron, Readout
from snn_zo.ops import Spikes, leaky_readout, pool2d, spiking_conv2d, spiking_linear
from snn_zo.strategies import Draw, LocalZO, Surrogate

B, T, C = 2, 5, 3
IN_SHAPE = (2, 9, 10)
NEURON, READOUT = Neuron(tau=5.0, v_th=0.5), Readout(tau=4.0, reduce="max")
NETWORK = ["4c3p1", "a2", "6c3s2g2", "7"]


def make_model(network=NETWORK, **settings):
    torch.manual_seed(0)
    common = {"neuron": NEURON, "readout": READOUT, "gain": 3.0, "backend": "reference", **settings}
    return Conv(IN_SHAPE, C, LocalZO(delta=0.5), network, **common)


def make_data():
    return Spikes.from_dense((torch.rand(B, T, *IN_SHAPE, generator=torch.Generator().manual_seed(1)) < 0.3).float())


def make_draw(layer=0):
    return Draw(seed=3, layer=layer, step=20, sample=torch.tensor([5, 9]))


def test_conv_is_its_operations():
    """The network is a chain of operations, in which layer i draws from stream i."""
    model, strategy = make_model(bias=True), LocalZO(delta=0.5)
    out = model(make_data(), make_draw())
    first, second, full, last = model.layers
    x = make_data()
    expected = [
        x := spiking_conv2d(x, first.weight, first.bias, NEURON, strategy, make_draw(0), "reference", padding=1),
        x := spiking_conv2d(
            x, second.weight, second.bias, NEURON, strategy, make_draw(1), "reference", stride=2, groups=2, pool=2
        ),
        x := spiking_linear(x, full.weight, full.bias, NEURON, strategy, make_draw(2), "reference"),
    ]
    for got, want in zip(out.hidden.values(), expected, strict=True):
        assert torch.equal(got.to_dense(), want.to_dense())
        assert torch.equal(got.active_elements(), want.active_elements())
    assert torch.equal(out.readout, leaky_readout(x, last.weight, last.bias, READOUT, "reference"))
    assert list(out.hidden) == ["conv1", "conv2", "full1"]
    assert out.hidden["conv2"].event_count > 0


@pytest.mark.parametrize("init", ["uniform", "normal"])
def test_conv_initial_weights(init):
    """Scaled by the fan in; behind an average pooling a quarter as large."""
    model = Conv((16, 12, 12), 40, Surrogate(), ["64c5", "a2", "64c3", "100"], init=init, gain=2.0, bias=True)
    for layer, factor in zip(model.layers, (1.0, 0.25, 1.0, 1.0), strict=True):
        weight = layer.weight.detach() * layer.weight[0].numel() ** 0.5 / factor
        assert weight.std().item() == pytest.approx(2.0 / (3**0.5 if init == "uniform" else 1.0), rel=0.05)
        assert not layer.bias.any()


def test_conv_layers_with_settings_of_their_own():
    own = {"conv2": {"neuron": {"tau": 9.0}, "strategy": Surrogate()}}
    first, second, full, _ = make_model(layers=own).layers
    assert (first.neuron, full.neuron) == (NEURON, NEURON)
    assert (second.neuron.tau, second.strategy) == (9.0, Surrogate())


def test_conv_output_neurons_that_spike():
    out = make_model(readout=CountReadout(NEURON))(make_data(), make_draw())
    assert torch.equal(out.readout, out.readout.round())
    assert out.over_time is None


def test_conv_every_step():
    out = make_model(every_step=True)(make_data(), make_draw())
    assert out.over_time.shape == (B, T, C)
    torch.testing.assert_close(out.readout, out.over_time.amax(1))


def test_conv_that_does_not_fit():
    with pytest.raises(ValueError, match=r"conv1 \(4c30\): a square of side 30 does not fit into 9 pixels"):
        make_model(["4c30"])


def test_conv_passes_gradients_to_all_weights():
    model = make_model()
    model(make_data(), make_draw()).readout.square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())


@pytest.mark.parametrize("last", ["p2", "a2", "m2"])
def test_conv_pooling_behind_the_last_convolution(last):
    model, strategy = make_model(["4c3", last]), LocalZO(delta=0.5)
    out = model(make_data(), make_draw())
    conv, _, readout = model.layers
    x = spiking_conv2d(make_data(), conv.weight, None, NEURON, strategy, make_draw(), "reference")
    pooled = pool2d(x, "max" if last == "m2" else "sum", 2)
    assert torch.equal(out.readout, leaky_readout(pooled, readout.weight, None, READOUT, "reference"))
    largest = readout.weight.abs().max() * readout.inputs**0.5
    assert largest.item() == pytest.approx(3.0 / (4 if last == "a2" else 1), rel=0.1)
    assert list(out.hidden) == ["conv1"]


def test_conv_normalises_its_hidden_layers():
    model = make_model(norm="tdbn")
    assert [layer.norm is not None for layer in model.layers[:-1]] == [True, True, True]
    assert model(make_data(), make_draw()).readout.shape == (B, C)


def test_vgg_is_the_network_of_the_papers():
    model = VGG((2, 20, 17), C, LocalZO(delta=0.5), width=0.05, neuron=NEURON, readout=READOUT, norm="tdbn")
    assert [layer.out_shape[0] for layer in model.layers[:-2]] == [3, 6, 13, 13, 26, 26, 26, 26]
    assert [layer.convolution.pool[0] for layer in model.layers[:-2]] == [1, 1, 2, 1, 2, 1, 2, 1]
    assert model.layers[-1].in_shape == (26, 1, 1)
    x = Spikes.from_dense((torch.rand(B, T, 2, 20, 17) < 0.3).float())
    assert model(x, make_draw()).readout.shape == (B, C)
