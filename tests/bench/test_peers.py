import pytest
import torch

from snn_zo.bench import peers as module
from snn_zo.bench.contestants import Inputs, Ours
from snn_zo.bench.peers import MAKERS, peers, sigmoid_spike
from snn_zo.strategies import Surrogate
from tests.bench.tiny import case, entries


def stepped(contestant):
    loss, forward = contestant.loss()
    spikes = [contestant.spikes(hidden) for hidden in forward.hidden]
    return forward.logits, spikes, torch.autograd.grad(loss, contestant.weights)


@pytest.mark.parametrize("reset", ["soft", "hard", "none"])
@pytest.mark.parametrize("name", ["loop", "unbind", "snntorch", "spikingjelly"])
def test_peers_are_ours(name, reset):
    """Where the semantics agree: the same weights give the same spikes, logits and gradients."""
    if name in ("snntorch", "spikingjelly"):
        pytest.importorskip(name)
    if name == "spikingjelly" and reset != "hard":
        pytest.skip("another soft reset, and none without")
    settings = case(f"neuron.reset={reset}", "peer_slope=4")
    inputs = Inputs.random(settings)
    peer = MAKERS[name](settings, inputs)
    ours = Ours(settings, inputs, Surrogate("sigmoid", settings.peer_slope), "reference")
    for contestant in (peer, ours):
        for weight in contestant.weights:
            weight.data.mul_(2)
    (logits, spikes, gradients), (our_logits, our_spikes, our_gradients) = stepped(peer), stepped(ours)
    assert [float(s.mean()) > 0.02 for s in spikes] == [True, True]
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
