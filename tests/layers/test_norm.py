"""Normalised layers against torch's own normalisation of every current, in dense autograd."""

import pytest
import torch
from torch import nn

from snn_zo.layers import SpikingConv2d, SpikingLinear, ThresholdBatchNorm, WeightStandardisation
from snn_zo.layers.norm import make_norm
from snn_zo.neuron import Neuron
from snn_zo.ops import Rows, Spikes, current_statistics, lif
from snn_zo.strategies import SparseSurrogate, Surrogate

B, T = 3, 6
NEURON = Neuron(tau=5.0, v_th=0.6)
STRATEGY = SparseSurrogate(Surrogate("sigmoid", slope=5.0), b_th=0.4)


def spikes(*features: int) -> tuple[Spikes, torch.Tensor]:
    """Half of them active, and the dense leaf of them all."""
    torch.manual_seed(0)
    dense = (torch.rand(B, T, *features, dtype=torch.float64) < 0.3).double()
    x = Spikes.from_dense(dense)
    index = (torch.rand(dense.shape) < 0.5).flatten().nonzero().squeeze(1)
    x.active = Rows.from_flat(index, B * T, x.shape[2])
    x.g, x.handle = torch.ones(len(index)).double(), torch.zeros(len(index), dtype=torch.float64, requires_grad=True)
    return x, dense.requires_grad_()


def conv(norm, **others) -> SpikingConv2d:
    torch.manual_seed(1)
    return SpikingConv2d((2, 7, 6), 4, 3, NEURON, STRATEGY, "conv", padding=1, norm=norm, **others).double()


def linear(norm, **others) -> SpikingLinear:
    torch.manual_seed(1)
    return SpikingLinear((2, 7, 6), 5, NEURON, STRATEGY, "hidden", norm=norm, **others).double()


def vary(norm) -> None:
    """Other values than those at the start."""
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))


def torchs(layer, dense, batch_norm):
    """Spikes of the layer with torch's batch normalisation of every current."""
    if isinstance(layer, SpikingConv2d):
        current = nn.functional.conv2d(dense.flatten(0, 1), layer.weight, padding=1)
        normalised = batch_norm(current).unflatten(0, (B, T)).permute(0, 1, 3, 4, 2).flatten(2)
    else:
        current = nn.functional.linear(dense.flatten(0, 1).flatten(1), layer.weight)
        normalised = batch_norm(current[:, :, None, None]).flatten(1).unflatten(0, (B, T))
    return lif(normalised, NEURON, STRATEGY, backend="reference")


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("make", [conv, linear])
def test_tdbn_is_batch_norm_of_the_currents(make, backend):
    """Spikes, and all gradients, through the statistics too; running statistics, and evaluation with them."""
    layer, twin, (x, dense) = make("tdbn", backend=backend), make(None), spikes(2, 7, 6)
    vary(layer.norm)
    theirs = nn.BatchNorm2d(len(layer.weight)).double()
    theirs.weight.data, theirs.bias.data = 0.6 * layer.norm.gain.data, layer.norm.shift.data.clone()
    for _ in range(2):
        found, expected = layer(x), torchs(twin, dense, theirs)
    n = found.to_dense().permute(0, 1, 3, 4, 2).flatten(2) if make is conv else found.to_dense()
    assert torch.equal(n, expected.to_dense())
    assert 0 < found.event_count < n.numel()
    factor = torch.randn_like(n)
    (n * factor).sum().backward()
    (expected.to_dense() * factor).sum().backward()
    pairs = [
        (layer.weight.grad, twin.weight.grad), (layer.norm.gain.grad, 0.6 * theirs.weight.grad),
        (layer.norm.shift.grad, theirs.bias.grad), (x.handle.grad, dense.grad.flatten()[x.active_elements()]),
        (layer.norm.running_mean, theirs.running_mean), (layer.norm.running_variance, theirs.running_var),
    ]  # fmt: skip
    for ours, other in pairs:
        torch.testing.assert_close(ours, other, rtol=1e-9, atol=1e-11)
        assert ours.any()
    layer.eval(), theirs.eval()
    evaluated = layer(x).to_dense()
    wanted = torchs(twin, dense, theirs).to_dense()
    assert torch.equal(evaluated.permute(0, 1, 3, 4, 2).flatten(2) if make is conv else evaluated, wanted)


@pytest.mark.parametrize("norm", ["tdbn", "weight"])
@pytest.mark.parametrize("make", [conv, linear])
def test_folded_is_a_layer_without_a_norm(make, norm):
    layer, plain, (x, _) = make(norm), make(None, bias=True), spikes(2, 7, 6)
    vary(layer.norm)
    layer(x)
    layer.eval()
    weight, bias = layer.folded()
    with torch.no_grad():
        plain.weight.copy_(weight)
        plain.bias.zero_() if bias is None else plain.bias.copy_(bias)
    assert torch.equal(layer(x).to_dense(), plain(x).to_dense())
    assert layer(x).event_count > 0


def test_weight_standardisation_of_each_channel():
    layer, (x, _) = conv("weight"), spikes(2, 7, 6)
    vary(layer.norm)
    weight, bias = layer.folded()
    flat = weight.flatten(1)
    assert bias is None
    torch.testing.assert_close(flat.mean(1), torch.zeros(4).double(), rtol=0, atol=1e-12)
    torch.testing.assert_close(flat.std(1, unbiased=False), layer.norm.gain.abs().detach() / 18**0.5, rtol=1e-5, atol=0)
    layer(x).to_dense().sum().backward()
    assert layer.weight.grad.any()
    assert layer.norm.gain.grad.any()
    # a weight that is larger, or shifted, is the same
    gradient = layer.weight.grad.flatten(1)
    torch.testing.assert_close(gradient.sum(1), torch.zeros(4).double(), rtol=0, atol=1e-9)
    torch.testing.assert_close((gradient * layer.weight.flatten(1)).sum(1), torch.zeros(4).double(), rtol=0, atol=1e-3)


def test_norm_is_in_the_checkpoint_and_no_bias_of_the_weights():
    layer = conv("tdbn")
    assert {"weight", "norm.gain", "norm.shift", "norm.running_mean", "norm.running_variance"} == set(
        layer.state_dict()
    )
    assert (layer.weights, layer.has_bias) == (4 * 2 * 9, True)
    assert (conv("weight").weights, conv("weight").has_bias, conv(None).has_bias) == (4 * 2 * 9, False, False)
    assert isinstance(layer.norm, ThresholdBatchNorm)
    assert isinstance(conv("weight", bias=True).norm, WeightStandardisation)


@pytest.mark.parametrize("norm", [None, "tdbn", "weight"])
def test_sizes_are_what_the_currents_are_proportional_to(norm):
    layer, (x, _) = linear(norm), spikes(2, 7, 6)
    before = layer.normalised(x)[0].clone()
    with torch.no_grad():
        for size in layer.sizes:
            size.mul_(3)
    torch.testing.assert_close(layer.normalised(x)[0], 3 * before)


def test_tdbn_of_a_single_current_is_refused():
    layer = SpikingLinear((3,), 2, NEURON, STRATEGY, "hidden", norm="tdbn")
    with pytest.raises(ValueError, match="norm=tdbn needs more than one current a channel"):
        layer(Spikes.from_dense(torch.ones(1, 1, 3)))


def test_norm_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="norm=tdbn has a shift of its own"):
        conv("tdbn", bias=True)
    with pytest.raises(ValueError, match="norm must be one of tdbn, weight, or null, got 'batch'"):
        conv("batch")
    with pytest.raises(ValueError, match="norm=weight needs more than one weight a channel"):
        make_norm("weight", 3, 1.0, False, 1)


def test_tdbn_does_not_depend_on_threads_and_keeps_nothing_dense():
    """Bit for bit; what autograd keeps is as large as the weight."""
    threads, found = torch.get_num_threads(), []
    try:
        for number in (1, 2, 3, 5):
            torch.set_num_threads(number)
            layer, (x, _) = conv("tdbn"), spikes(2, 7, 6)
            made = current_statistics(x, layer.weight, layer.convolution, "cpu")
            kept = [*made[0].grad_fn.saved[2:], *made[0].grad_fn.saved_tensors]
            (made[0].sum() + made[1].square().sum()).backward()
            found.append([*made, layer.weight.grad, x.handle.grad])
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        assert all(torch.equal(one, two) for one, two in zip(found[0], other, strict=True))
    assert max(part.numel() for part in kept) == layer.weight.numel()
