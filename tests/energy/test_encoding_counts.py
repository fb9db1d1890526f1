"""Operations of a layer that an image drives: its products are done once a sample."""

import pytest
import torch

from snn_zo.energy.inference import InferenceCounts
from snn_zo.layers import SpikingConv2d, SpikingLinear, recording
from snn_zo.neuron import Neuron
from snn_zo.ops import Analogue
from snn_zo.strategies import Surrogate

B, T = 3, 5
NEURON = Neuron(tau=5.0, v_th=0.5)


def made(layer, x):
    with recording() as done:
        layer(x).to_dense().sum().backward()
    return layer.activity(done[0])


@pytest.mark.parametrize(("products", "held"), [(1, True), (T, False)])
def test_work_of_an_encoding_layer(products, held):
    layer = SpikingConv2d((2, 6, 6), 4, 3, NEURON, Surrogate(), "first", bias=True, backend="reference")
    activity = made(layer, Analogue(torch.rand(B, products, 2, 6, 6), T))
    once = B * products * (4 * 4 * 4) * (2 * 3 * 3)  # outputs times weights of each
    elements = 4 * 4 * 4
    bias, current = B * products * elements, B * T * elements if held else 0
    for work in (layer.work(activity), layer.dense_work(activity)):
        assert (work["forward"].products, work["forward"].binary_products) == (once, 0)
        assert work["forward"].additions == bias + current
        assert work["grad_weight"].products == once
        assert work["grad_input"].operations() == dict.fromkeys(work["grad_input"].operations(), 0)
        assert work["neuron"].updates == B * T * elements


def test_activities_of_images_add_up():
    layer = SpikingLinear((4,), 3, NEURON, Surrogate(), "first")
    one, other = (made(layer, Analogue(torch.rand(b, 1, 4), T)) for b in (2, 3))
    assert ((one + other).samples, (one + other).encoded, (one + other).events_in) == (5, 1, 0)
    with pytest.raises(ValueError, match="only activity of the same layer in the same forms adds up"):
        one + made(layer, Analogue(torch.rand(2, T, 4), T))


def test_inference_multiplies_values():
    layer = SpikingLinear((3,), 2, NEURON, Surrogate(), "first")
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0.0, 2.0], [1.0, 3.0, 0.0]]))
    x = Analogue(torch.tensor([[[0.5, 0.0, 0.25]], [[0.0, 1.0, 0.0]]]), T)
    assert layer.inference(x) == InferenceCounts(dense=2 * 6, macs=2 + 1 + 1)
