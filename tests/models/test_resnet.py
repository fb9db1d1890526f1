import pytest
import torch

from snn_zo.layers import counted_layers, recording
from snn_zo.models import ResNet
from snn_zo.network import CONNECTS
from snn_zo.neuron import Neuron, Readout
from snn_zo.ops import Spikes, adaptive_pool2d, merge, pool2d
from snn_zo.strategies import Draw, LocalZO

B, T, C = 2, 4, 3
IN_SHAPE = (2, 17, 16)
NEURON, READOUT = Neuron(tau=5.0, v_th=0.5), Readout(tau=4.0)


def make_model(depth=18, width=0.08, **settings):
    torch.manual_seed(0)
    common = {"neuron": NEURON, "readout": READOUT, "gain": 4.0, "norm": "tdbn", **settings}
    return ResNet(IN_SHAPE, C, LocalZO(delta=0.5), depth, width=width, **common)


def make_data():
    return Spikes.from_dense((torch.rand(B, T, *IN_SHAPE, generator=torch.Generator().manual_seed(1)) < 0.3).float())


def make_draw(layer=0):
    return Draw(seed=3, layer=layer, step=20, sample=torch.tensor([5, 9]))


@pytest.mark.parametrize("connect", CONNECTS)
def test_resnet_18_is_its_layers(connect):
    """Stem, or-pooling, blocks with a shortcut, average; layer i draws from stream i."""
    model = make_model(connect=connect)
    out = model(make_data(), make_draw())
    number = iter(range(100))

    def run(layer, x):
        return layer(x, make_draw(next(number)))

    x = pool2d(run(model.stem, make_data()), "max", 3, 2, 1)
    for block in model.blocks:
        # streams are numbered in the order in which a block has its layers: both convolutions, then the shortcut
        inside = run(block.second, run(block.first, x))
        x = merge(inside, x if block.shortcut is None else run(block.shortcut, x), connect)
    values = model.readout(adaptive_pool2d(x, "average", 1))
    assert out.readout.shape == (B, C)
    assert torch.equal(out.readout, values)
    assert connect == "and" or values.abs().max() > 0
    assert [block.shortcut is None for block in model.blocks] == [True, True, False, True, False, True, False, True]


def test_resnet_19_has_the_published_layers():
    model = make_model(19)
    out = model(make_data(), make_draw())
    names = list(out.hidden)
    assert (names[0], names[-1], len(names)) == ("stem", "full", 1 + 2 * 8 + 3 + 1)
    shortcuts = sum(name.endswith("shortcut") for name in names)
    assert sum(parameter.dim() > 1 for parameter in model.parameters()) - shortcuts == 19
    wide = make_model(19, width=1.0)
    assert [block.merge.out_shape for block in wide.blocks] == [(128, 17, 16)] * 3 + [(256, 9, 8)] * 3 + [
        (512, 5, 4)
    ] * 2
    assert (wide.full.in_shape, wide.full.norm, wide.readout.in_shape) == ((512, 1, 1), None, (256,))


@pytest.mark.parametrize("depth", [18, 19])
def test_resnet_trains_all_weights_and_counts_all_layers(depth):
    model = make_model(depth, every_step=True)
    with recording() as done:
        out = model(make_data(), make_draw())
        out.over_time.square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert counted_layers(model).keys() == {each.layer.name for each in done}
    for each in done:
        assert each.layer.work(each.layer.activity(each))["forward"] is not None


def test_resnet_of_no_map():
    with pytest.raises(ValueError, match="it needs an input of channels, rows and columns"):
        ResNet((700,), C, LocalZO())
