import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d

from snn_zo.energy.inference import InferenceCounts, footprint, neuron_counts
from snn_zo.layers import SpikingConv2d, recording
from snn_zo.models import FeedForward
from snn_zo.neuron import Neuron, Readout
from snn_zo.ops import Rows, Spikes
from snn_zo.ops.convolution import Convolution
from snn_zo.strategies import LocalZO

NEURON = Neuron(tau=5.0, v_th=0.7)


def model(bias: bool = True) -> FeedForward:
    torch.manual_seed(0)
    made = FeedForward((13,), 4, LocalZO(), [11, 7], NEURON, Readout(), gain=3.0, bias=bias).double()
    with torch.no_grad():
        made.layers[0].weight[2, 3] = 0  # an operation with a weight of 0 is not effective
        made.layers[1].weight[:, 1] = 0
    return made


@torch.no_grad()
def counted(network: FeedForward, x: Spikes) -> InferenceCounts:
    with recording() as layers:
        network(x)
    of_layers = [done.layer.inference(done.x) for done in layers]
    of_neurons = [neuron_counts(done.spikes) for done in layers if done.spikes is not None]
    return sum([*of_layers, *of_neurons], InferenceCounts(samples=x.shape[0]))


class Double(nn.Module):
    """snnTorch's spikes are float32."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.double()


class InSnnTorch(nn.Module):
    """The same network; the readout's leak is no synaptic operation."""

    def __init__(self, network: FeedForward) -> None:
        super().__init__()
        snntorch = pytest.importorskip("snntorch")
        layers: list[nn.Module] = []
        linears = [nn.Linear(layer.inputs, layer.neurons).double() for layer in network.layers]
        for linear, layer in zip(linears, network.layers, strict=True):
            linear.weight, linear.bias = layer.weight, layer.bias
        for linear in linears[:-1]:
            beta, v_th = (torch.tensor(value, dtype=torch.float64) for value in (NEURON.beta, NEURON.v_th))
            leaky = snntorch.Leaky(beta, v_th, init_hidden=True, reset_mechanism="subtract", reset_delay=True)
            layers += [linear, leaky, Double()]
        self.stack = nn.Sequential(*layers, linears[-1])

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, None]:
        return self.stack(x), None


def test_inference_equals_neurobench():
    """To the last digit."""
    pytest.importorskip("neurobench")
    from neurobench.metrics.workload import ActivationSparsity, SynapticOperations
    from neurobench.models import SNNTorchModel

    network, x = model(), (torch.rand(6, 9, 13) < 0.2).double()
    theirs = SNNTorchModel(InSnnTorch(network))
    theirs.register_hooks()
    operations, sparsity = SynapticOperations(), ActivationSparsity()
    with torch.no_grad():
        batch = (x, torch.zeros(6))
        predictions = theirs(x)
        expected = operations(theirs, predictions, batch)
        hidden_sparsity = sparsity(theirs, predictions, batch)
        spikes = Spikes.from_dense(x)
    ours = counted(network, spikes).summary(network)
    assert ours["effective_acs"] == expected["Effective_ACs"] > 0
    assert ours["effective_macs"] == expected["Effective_MACs"] == 0
    assert ours["dense"] == expected["Dense"]
    assert ours["activation_sparsity"] == hidden_sparsity
    assert 0.5 < hidden_sparsity < 1


def test_footprint_equals_neurobench():
    pytest.importorskip("neurobench")
    from neurobench.metrics.static import Footprint
    from neurobench.models import TorchModel

    network = model().float()
    network.register_buffer("state", torch.zeros(3, dtype=torch.int64))
    assert footprint(network) == Footprint()(TorchModel(network)) == 4 * (13 * 11 + 11 + 84 + 28 + 4) + 24


def test_inference_equals_dense_products():
    network = model()
    x = (torch.rand(5, 6, 13) * 3).floor().double()
    with torch.no_grad():
        spikes = Spikes.from_dense(x)
        output = network(spikes)
    ours = (counted(network, spikes) + counted(network, spikes)).summary(network)
    inputs = [x, *(s.to_dense() for s in output.hidden.values())]
    weights = [(layer.weight != 0).double() for layer in network.layers]
    pairs = list(zip(inputs, weights, strict=True))
    assert ours["effective_acs"] == sum(float(((i == 1).double() @ w.T).sum()) for i, w in pairs) / 5
    assert ours["effective_macs"] == sum(float(((i > 1).double() @ w.T).sum()) for i, w in pairs) / 5
    assert ours["effective_macs"] > 0
    assert ours["dense"] == 6 * sum(w.numel() for w in weights)


def test_inference_of_silence():
    network = model()
    silent = Spikes.from_events((2, 3, 13), Rows.empty(6), torch.float64)
    ours = counted(network, silent).summary(network)
    assert (ours["effective_acs"], ours["activation_sparsity"]) == (0, 1.0)


CONVOLUTIONS = {
    "valid": Convolution((2, 5, 4), 3, (3, 3)),
    "strided": Convolution((2, 7, 6), 4, (3, 2), stride=(2, 1), padding=(2, 1), groups=2),
    "pooled": Convolution((3, 7, 6), 2, (2, 2), padding=(0, 1), pool=(2, 3)),
}


@pytest.mark.parametrize("made", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
@pytest.mark.parametrize("most", [1, 2])
def test_inference_of_a_convolution_equals_neurobench(made, most):
    """For spikes and for counts; weights of 0 and the padding take no part."""
    pytest.importorskip("neurobench")
    from neurobench.metrics.utils.layers import single_layer_MACs

    torch.manual_seed(0)
    layer = SpikingConv2d(
        made.in_shape, made.channels, made.kernel, NEURON, LocalZO(), "conv", made.stride, made.padding, made.groups,
        made.pool,
    )  # fmt: skip
    theirs = nn.Conv2d(
        made.in_shape[0], made.channels, made.kernel, made.stride, made.padding, groups=made.groups, bias=False
    )
    with torch.no_grad():
        layer.weight[1, 0, 0] = 0
        theirs.weight.copy_(layer.weight)
    x = (torch.rand(2, 3, *made.in_shape) * (most + 0.3)).floor()
    convolved = avg_pool2d(x.flatten(0, 1), made.pool, divisor_override=1)
    expected, (total, _) = [], single_layer_MACs(convolved, theirs, total=True)
    for chosen in (convolved > 1, convolved == 1):
        operations, spiking = single_layer_MACs(chosen.float(), theirs)
        expected.append(operations)
        assert spiking
    spikes = Spikes.from_dense(x)
    in_order = Spikes.from_dense(x.permute(0, 1, 3, 4, 2).flatten(2)).view(*made.in_shape, channels_last=True)
    for given in (spikes, in_order):
        ours = layer.inference(given)
        assert [ours.macs, ours.acs] == expected
        assert ours.dense == total
    assert (expected[0] > 0) == (most > 1 or made.pool != (1, 1))
    assert expected[1] > 0


def test_inference_takes_the_weights_of_evaluation():
    """Standardised, a weight of 0 is none, and that of the mean is."""
    layer = SpikingConv2d((1, 4, 4), 1, (1, 3), NEURON, LocalZO(), "conv", norm="weight")
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([0.0, 1.0, 2.0]))
        counted = layer.inference(Spikes.from_dense(torch.ones(1, 1, 1, 4, 4)))
    assert (counted.acs, counted.dense) == (16, 24)
