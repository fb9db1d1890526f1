"""Layers without neurons: what they do is what the operations do, and it is counted as it happens."""

from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

from snn_zo.energy.bill import dense_bill, training_bill
from snn_zo.energy.counts import OptimizerRule
from snn_zo.layers import (
    AdaptivePool2d,
    Dropout,
    Flatten,
    LeakyReadout,
    Merge,
    Pool2d,
    SpikingConv2d,
    counted_layers,
    recording,
)
from snn_zo.layers.flatten import order
from snn_zo.neuron import Neuron, Readout
from snn_zo.ops import Spikes, adaptive_pool2d, dropout, merge, pool2d
from snn_zo.strategies import Draw, LocalZO, Strategy, Surrogate
from tests.ops.maps import counts_of, spikes_from

SHAPE = (2, 5, 6)
NEURON = Neuron(tau=5.0, v_th=0.3)
TABLE = instantiate(OmegaConf.load(Path(__file__).parents[2] / "conf" / "energy" / "45nm_fp32.yaml"))


def maps(channels_last=True, everywhere=False, most=1) -> Spikes:
    torch.manual_seed(0)
    counts = counts_of((2, 3, *SHAPE), most=most)
    return spikes_from(counts, None if everywhere else torch.rand(counts.shape) < 0.3, channels_last)


def draw() -> Draw:
    return Draw(1, 0, 2, torch.arange(2))


def same(one: Spikes, other: Spikes) -> bool:
    return (one.features, one.scale) == (other.features, other.scale) and torch.equal(one.to_dense(), other.to_dense())


def test_moving_layers_are_their_operations():
    x, y = maps(), maps()
    pool = Pool2d(SHAPE, "max", 3, "pool", 2, 1)
    assert (pool.in_shape, pool.out_shape, pool.name) == (SHAPE, (2, 3, 3), "pool")
    assert same(pool(x, draw()), pool2d(x, "max", 3, 2, 1))
    whole = AdaptivePool2d(SHAPE, "average", 1, "whole")
    assert same(whole(x), adaptive_pool2d(x, "average", 1))
    assert whole(x).scale == 1 / 30
    assert same(Merge(SHAPE, "iand", "residual")(x, y), merge(x, y, "iand"))
    both = Merge(SHAPE, "cat", "both", (3, 5, 6))
    assert both.out_shape == (5, 5, 6)
    left_out = Dropout(SHAPE, 0.3, "dropout")
    assert same(left_out(x, draw()), dropout(x, 0.3, draw()))
    assert left_out.eval()(x, draw()) is x
    flat = Flatten(SHAPE, "flatten")
    assert flat.out_shape == (60,)
    dense = flat(x).to_dense()
    assert torch.equal(dense[..., order(SHAPE)], nn.Flatten(2)(x.to_dense()))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Pool2d((4,), "sum", 2, "pool"), r"a pooling needs an input \(C, H, W\), got \[4\]"),
        (lambda: Merge(SHAPE, "add", "residual", (3, 5, 6)), "do not fit together for 'add'"),
        (lambda: Dropout(SHAPE, 1.0, "dropout"), "must be at least 0 and less than 1, got 1"),
        (lambda: AdaptivePool2d(SHAPE, "average", 3, "whole"), "differ in size"),
    ],
)
def test_moving_layers_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_moving_layers_refuse_other_input():
    pool = Pool2d(SHAPE, "max", 2, "pool")
    with pytest.raises(ValueError, match=r"this pooling takes features \[2, 5, 6\], got \[2, 6, 5\]"):
        pool(Spikes.from_dense(torch.zeros(1, 2, 2, 6, 5)))
    with pytest.raises(ValueError, match="input must be Spikes, got Tensor"):
        pool(torch.zeros(1, 2, *SHAPE))


class Residual(nn.Module):
    """Convolutions, a residual connection, poolings and a readout."""

    def __init__(self, strategy: Strategy) -> None:
        super().__init__()
        self.first = SpikingConv2d((2, 6, 6), 3, 3, NEURON, strategy, "conv1", padding=1)
        self.second = SpikingConv2d((3, 6, 6), 3, 3, NEURON, strategy, "conv2", padding=1)
        self.merge = Merge((3, 6, 6), "add", "residual")
        self.pool = Pool2d((3, 6, 6), "max", 2, "pool")
        self.dropout = Dropout((3, 3, 3), 0.2, "dropout")
        self.whole = AdaptivePool2d((3, 3, 3), "average", 1, "whole")
        self.readout = LeakyReadout((3, 1, 1), 4, Readout())

    def forward(self, x: Spikes, draw: Draw) -> torch.Tensor:
        x = self.first(x, draw.for_layer(0))
        x = self.merge(self.second(x, draw.for_layer(1)), x)
        return self.readout(self.whole(self.dropout(self.pool(x), draw.for_layer(2))))


@pytest.mark.parametrize("strategy", [LocalZO(delta=0.5), Surrogate("sigmoid", slope=5.0)], ids=["local_zo", "dense"])
def test_moving_layers_in_a_network(strategy):
    """Weights in front of them get the same gradients from all backends, and the whole network has its bill."""
    torch.manual_seed(0)
    x = Spikes.from_dense((torch.rand(2, 5, 2, 6, 6) < 0.3).double())
    found = []
    for backend in ("reference", "cpu"):
        torch.manual_seed(1)
        model = Residual(strategy).double()
        for layer in counted_layers(model).values():
            layer.backend = backend
        with torch.no_grad():
            model.first.weight *= 4
            model.second.weight *= 4
        with recording() as layers:
            out = model(x, Draw(3, 0, 1, torch.arange(2)))
        out.square().sum().backward()
        found.append([out.detach(), *(each.grad for each in model.parameters())])
    assert all(bool(each.any()) for each in found[0])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)
    names = [done.layer.name for done in layers]
    assert names == ["conv1", "conv2", "residual", "pool", "dropout", "whole", "readout"]
    assert [done.spikes is None for done in layers] == [False, False, True, True, True, True, True]
    activities = [(done.layer, done.layer.activity(done)) for done in layers]
    for bill in (training_bill, dense_bill):
        priced = bill(activities, 10, 1, OptimizerRule(1), TABLE)
        assert {line[0] for line in priced.lines} == {*names, "all"}
        assert priced.joules > 0
