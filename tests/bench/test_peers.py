import pytest
import torch

from snn_zo.bench import peers as module
from snn_zo.bench.contestants import Inputs, Ours
from snn_zo.bench.peers import MAKERS, peers, sigmoid_spike
from snn_zo.strategies import Surrogate
from tests.bench.tiny import IMAGES, case, entries


def stepped(contestant):
    loss, forward = contestant.loss()
    spikes = [contestant.spikes(hidden) for hidden in forward.hidden]
    return forward.logits, spikes, torch.autograd.grad(loss, contestant.weights)


@pytest.mark.parametrize("sizes", [(), IMAGES], ids=["full", "images"])
@pytest.mark.parametrize("reset", ["soft", "hard", "none"])
@pytest.mark.parametrize("name", ["loop", "unbind", "snntorch", "spikingjelly"])
def test_peers_are_ours(name, reset, sizes):
    """Where the semantics agree: the same weights give the same spikes, logits and gradients."""
    if name in ("snntorch", "spikingjelly"):
        pytest.importorskip(name)
    if name == "spikingjelly" and reset != "hard":
        pytest.skip("another soft reset, and none without")
    settings = case(f"neuron.reset={reset}", "peer_slope=4", *sizes)
    inputs = Inputs.random(settings)
    peer = MAKERS[name](settings, inputs)
    ours = Ours(settings, inputs, Surrogate("sigmoid", settings.peer_slope), "reference")
    for contestant in (peer, ours):
        for weight in contestant.weights:
            weight.data.mul_(2)
    (logits, spikes, gradients), (our_logits, our_spikes, our_gradients) = stepped(peer), stepped(ours)
    assert all(float(s.mean()) > 0.02 for s in spikes)
    assert all(torch.equal(s, t) for s, t in zip(spikes, our_spikes, strict=True))
    torch.testing.assert_close(logits, our_logits)
    for gradient, our_gradient in zip(gradients, our_gradients, strict=True):
        torch.testing.assert_close(gradient, our_gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["loop", "unbind", "snntorch", "spikingjelly"])
def test_peers_steps_do_not_depend_on_the_one_before(name):
    """State is reset at the beginning of each step."""
    if name in ("snntorch", "spikingjelly"):
        pytest.importorskip(name)
    settings = case()
    peer = MAKERS[name](settings, Inputs.random(settings))
    first, second = stepped(peer), stepped(peer)
    assert torch.equal(first[0], second[0])
    assert all(torch.equal(g, h) for g, h in zip(first[2], second[2], strict=True))


def test_peers_begin_with_our_weights():
    settings = case()
    inputs = Inputs.random(settings)
    contestants = [entry.make(settings, inputs) for entry in entries()]
    for contestant in contestants[1:]:
        assert all(torch.equal(*pair) for pair in zip(contestant.weights, contestants[0].weights, strict=True))


def test_peers_in_both_memory_formats():
    """The same currents, in another order of neurons; the weights of a convolution are laid out alike."""
    settings = case(*IMAGES, "hidden=[4c3p1,p2,6c3]")
    inputs = Inputs.random(settings)
    last, first = (module.Unbind(settings, inputs, channels_last) for channels_last in (True, False))
    assert [each.weights[1].is_contiguous(memory_format=torch.channels_last) for each in (last, first)] == [True, False]
    s, t = (stepped(each)[1][-1].unflatten(2, shape) for each, shape in ((last, (6, 3, 6)), (first, (6, 6, 3))))
    assert 0 < float(s.mean()) < 1
    assert torch.equal(s.movedim(4, 2), t)


def test_peers_of_images():
    """SpikingJelly takes part in each of torch's memory formats."""
    pytest.importorskip("spikingjelly")
    found, missing = peers(["unbind", "spikingjelly"], images=True)
    assert [entry.name for entry in found] == ["unbind", "spikingjelly/channels_last", "spikingjelly/contiguous"]
    settings = case(*IMAGES)
    made = [entry.make(settings, Inputs.random(settings)) for entry in found]
    assert [each.channels_last for each in made] == [True, True, False]
    assert not missing


def test_peers_not_installed(monkeypatch):
    monkeypatch.setattr(module, "_installed", lambda name: False)
    found, missing = peers(None)
    assert [entry.name for entry in found] == ["loop", "unbind"]
    assert missing == ["snntorch", "spikingjelly"]
    assert peers(["loop"])[1] == []


def test_sigmoid_spike_far_from_the_threshold():
    v = torch.tensor([-50.0, 0.9, 1.0, 1.1, 50.0], requires_grad=True)
    s = sigmoid_spike(v, 1.0, 25.0)
    assert s.tolist() == [0, 0, 0, 1, 1]
    (gradient,) = torch.autograd.grad(s.sum(), v)
    torch.testing.assert_close(gradient, Surrogate("sigmoid", 25.0).expected(v.detach() - 1))


def test_snntorch_keeps_no_list_of_neurons():
    snntorch = pytest.importorskip("snntorch")
    before = len(snntorch.SpikingNeuron.instances)
    settings = case()
    MAKERS["snntorch"](settings, Inputs.random(settings))
    assert len(snntorch.SpikingNeuron.instances) == before
