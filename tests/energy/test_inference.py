import pytest
import torch
from torch import nn

from snn_zo.energy.inference import InferenceCounts, footprint, neuron_counts
from snn_zo.layers import recording
from snn_zo.models import FeedForward
from snn_zo.neuron import Neuron, Readout
from snn_zo.ops import Rows, Spikes
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
