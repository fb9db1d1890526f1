import json
import math

import pytest
import torch
from torch import nn

from snn_zo.config import Composed, ConfigError
from snn_zo.data.store import Batch
from snn_zo.layers import LeakyReadout, SpikingConv2d, SpikingLayer, SpikingLinear
from snn_zo.models import Output
from snn_zo.neuron import Neuron, Readout
from snn_zo.ops import Spikes
from snn_zo.strategies import LocalZO
from snn_zo.target import Classes
from snn_zo.tasks import CrossEntropy, make_task
from snn_zo.training import SpikingModule
from snn_zo.training.rate import set_rate
from snn_zo.training.width import TOLERANCE, Unreachable
from tests.config.test_build import composed
from tests.test_extension import extended, trained
from tests.training.test_width import made

CLOSE = 2 * TOLERANCE


def rates(module: SpikingModule, batch: Batch) -> dict[str, float]:
    """What the run itself counts in its first step."""
    found = module.compute(batch, 0).hidden
    return {name: int(s.event_count) / math.prod(s.shape) for name, s in found.items()}


@pytest.mark.parametrize("hidden", ["[50,50]", "[20,30,40,20]"])
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
def test_set_rate_makes_that_share_of_each_layer_spike(rate, hidden):
    module, batch = made(f"model.hidden={hidden}", "data.batch_size=40")
    initial = [layer.weight.detach().clone() for layer in module.model.layers]
    factors = set_rate(module, batch, rate)
    found = rates(module, batch)
    assert list(factors) == list(found)
    assert list(found.values()) == pytest.approx([rate] * len(found), rel=CLOSE)
    *layers, readout = module.model.layers
    for layer, before, factor in zip(layers, initial, factors.values(), strict=False):
        assert factor == float(f"{factor:.3g}")
        assert torch.equal(layer.weight, factor * before)
    assert torch.equal(readout.weight, initial[-1])
    assert not any(layer._forward_pre_hooks for layer in layers)


class Two(nn.Module):
    """A convolution and a fully connected layer, both of one norm; the first is read out, too, beside the second."""

    def __init__(self, norm):
        super().__init__()
        neuron, strategy = Neuron(tau=10.0), LocalZO(delta=0.1)
        self.last = SpikingLinear((4 * 6 * 6,), 15, neuron, strategy, "last", norm=norm)
        self.first = SpikingConv2d((2, 6, 6), 4, 3, neuron, strategy, "first", padding=1, norm=norm)
        self.readout = LeakyReadout((15,), 3, Readout())

    def forward(self, x, draw=None):
        first = self.first(x, draw=draw and draw.for_layer(0))
        last = self.last(first, draw and draw.for_layer(1))
        return Output(self.readout(last), {"first": first, "last": last})


def network(norm, density=0.2):
    torch.manual_seed(0)
    x = Spikes.from_dense((torch.rand(8, 20, 2, 6, 6) < density).float())
    batch = Batch(x, torch.arange(8) % 3, torch.arange(8))
    task = make_task(Classes(3), CrossEntropy())
    return SpikingModule(Two(norm), task, 0, torch.optim.Adam), batch


@pytest.mark.parametrize("norm", [None, "tdbn", "weight"])
def test_set_rate_in_the_order_of_the_calls(norm):
    """Whatever the order in which the network holds its layers, and whatever sets the size of the currents."""
    module, batch = network(norm)
    buffers = {name: buffer.clone() for name, buffer in module.model.named_buffers()}
    assert list(set_rate(module, batch, 0.05)) == ["first", "last"]
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in module.model.named_buffers())
    assert list(rates(module, batch).values()) == pytest.approx([0.05, 0.05], rel=CLOSE)
    assert {module.model.first.backend, module.model.last.backend} == {"auto"}


def test_set_rate_of_a_silent_input_is_refused():
    module, batch = network(None, density=0.0)
    with pytest.raises(Unreachable, match="dead: the share of spiking elements of first is 0 whatever the scale"):
        set_rate(module, batch, 0.05)
    assert not module.model.first._forward_pre_hooks


def test_set_rate_out_of_reach_is_refused():
    module, batch = network(None)
    with pytest.raises(Unreachable, match="unmatched: the share of spiking elements of first stays at"):
        set_rate(module, batch, 0.99)


def test_set_rate_without_a_weight_is_refused():
    class Threshold(SpikingLayer):
        def forward(self, x, draw=None):
            return x

    module, batch = network(None)
    module.model.first = Threshold("first", (2, 6, 6), (2, 6, 6), Neuron(), LocalZO())
    with pytest.raises(Unreachable, match="first has no weights that could be scaled"):
        set_rate(module, batch, 0.05)


# ---- in a run


def said_of(run) -> tuple[dict[str, float] | None, float | None]:
    summary = json.loads(run.summary.read_text())
    return summary["gain_factors"], summary["width_factor"]


def test_run_with_a_wanted_rate_says_so_and_goes_on(tmp_path, capsys):
    """Extended, it has the same factors and the numbers of one run; the width is that of the scaled weights."""
    settings = ("rate=0.05", "active=0.02", "schedule=none")
    part = trained(tmp_path, "part", 1, *settings)
    factors, width = said_of(part)
    names = ", ".join(f"{name} {factor:g}" for name, factor in factors.items())
    out = capsys.readouterr().out
    assert (
        f"weights x {names}: 5 % of the elements of each hidden layer spike before training\nwidth x {width:g}" in out
    )
    whole = trained(tmp_path, "whole", 2, *settings)
    longer = extended(part, "longer", 2)
    assert longer.metrics.read_text() == whole.metrics.read_text()
    assert said_of(longer) == said_of(whole) == said_of(part)
    assert said_of(trained(tmp_path, "plain", 1)) == (None, None)


@pytest.mark.parametrize("rate", ["0", "1", "-0.1"])
def test_rate_that_is_no_share_is_refused(rate):
    with pytest.raises(ConfigError, match="rate must be a share between 0 and 1, or null, got"):
        Composed.of(composed(f"rate={rate}"))
