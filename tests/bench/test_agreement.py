"""What the check before the timing lets pass, and what it does not."""

import pytest
import torch

from snn_zo.bench import agreement
from snn_zo.bench.agreement import compare
from snn_zo.bench.contestants import Entry, Forward, Inputs, Ours
from snn_zo.ops import Spikes
from snn_zo.strategies import LocalZO, SparseSurrogate, Surrogate
from tests.bench.tiny import IMAGES, case, entries, matched

DOUBLES = ("local_zo/cpu", "local_zo/reference", "surrogate/cpu", "loop", "unbind", "snntorch")
"""Contestants that compute in float64 if asked: SpikingJelly's operator does not."""
RESETS = [f"neuron.{setting}" for setting in ("reset=soft", "reset=hard", "reset=none")]
BOTH = ("strategies=[local_zo,surrogate]",)


@pytest.mark.parametrize("reduce", ["mean", "max", "sum", "last"])
@pytest.mark.parametrize("entry", entries(*BOTH), ids=lambda entry: entry.name)
def test_compare_everyone_agrees(entry, reduce):
    _, found = matched(entry, case(*BOTH, f"readout.reduce={reduce}"))
    assert found.reason is None
    assert max(found.gradient_error) < 1e-4
    assert (found.flipped, found.differs) == (0, 0)


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("detach", ["true", "false"])
@pytest.mark.parametrize("entry", entries(*BOTH), ids=lambda entry: entry.name)
def test_compare_every_reset(entry, reset, detach):
    settings = case(*BOTH, reset, f"neuron.detach_reset={detach}")
    if (entry.name == "snntorch" and detach == "false") or (entry.name == "spikingjelly" and reset == RESETS[2]):
        with pytest.raises(ValueError, match=r"^impossible: "):
            matched(entry, settings)
    else:
        assert matched(entry, settings)[1].reason is None


@pytest.mark.parametrize("entry", entries(*BOTH, *IMAGES), ids=lambda entry: entry.name)
def test_compare_images(entry):
    _, found = matched(entry, case(*BOTH, *IMAGES))
    assert found.reason is None
    assert len(found.gradient_error) == 4
    assert max(found.gradient_error) < 1e-4
    assert (found.flipped, found.differs) == (0, 0)


@pytest.mark.parametrize("sizes", [(), IMAGES], ids=["full", "images"])
@pytest.mark.parametrize(
    "entry", [entry for entry in entries(*BOTH) if entry.name in DOUBLES], ids=lambda entry: entry.name
)
def test_compare_in_float64(entry, sizes):
    """Spikes and gradients are those of the dense network, up to rounding."""
    settings = case(*BOTH, *sizes)
    inputs = Inputs.random(settings)
    torch.set_default_dtype(torch.float64)
    try:
        contestant = entry.make(settings, inputs._replace(x=inputs.x.double()))
        for weight in contestant.weights:
            weight.data.mul_(2)
        found = compare(contestant, inputs)
    finally:
        torch.set_default_dtype(torch.float32)
    assert contestant.weights[0].dtype == torch.float64
    assert found.reason is None
    assert max(found.gradient_error) < 1e-10
    assert (found.flipped, found.differs) == (0, 0)


def test_compare_in_chunks(monkeypatch):
    """The samples contribute the same whether float64 sees them at once or one by one."""
    (entry,) = entries("strategies=[local_zo]", "backends=[cpu]", "peers=[]")
    settings = case()
    contestant, whole = matched(entry, settings)
    monkeypatch.setattr(agreement, "CHUNK", 1)
    chunked = compare(contestant, Inputs.random(settings))
    assert chunked.gradient_error == pytest.approx(whole.gradient_error, rel=1e-6)
    assert (chunked.active, chunked.spike_rate) == (whole.active, whole.spike_rate)


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return 1.01 * grad


class WrongGradient(Ours):
    """One per cent too much for the readout's input."""

    def forward(self, step=0):
        forward = super().forward(step)
        return Forward(Doubled.apply(forward.logits), forward.hidden)


class WrongStrategy(Ours):
    """Claims another delta than the one it computes with."""

    def __init__(self, case, inputs, strategy, backend):
        super().__init__(case, inputs, strategy, backend)
        for layer in self.network.layers[:-1]:
            layer.strategy = Surrogate("sigmoid", 10.0)

    strategy = LocalZO(delta=0.3)


class WrongSpikes(Ours):
    """Loses every tenth spike when asked what it did."""

    def spikes(self, hidden):
        s = super().spikes(hidden).clone()
        fired = s.flatten().nonzero().squeeze(1)
        s.view(-1)[fired[::10]] = 0
        return s


class NotANumber(Ours):
    """As snnTorch's own sigmoid far below the threshold."""

    def forward(self, step=0):
        forward = super().forward(step)
        return Forward(forward.logits * torch.nan, forward.hidden)


@pytest.mark.parametrize(
    ("contestant", "reason"),
    [
        (WrongGradient, "wrong gradient: weight 1 is off by 0.01 of its norm"),
        (WrongStrategy, "wrong local derivative at"),
        (WrongSpikes, "wrong spikes: "),
        (NotANumber, "wrong gradient: weight 1 is off by nan of its norm"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_compare_refuses(contestant, reason):
    def make(settings, inputs):
        return contestant(settings, inputs, LocalZO(delta=0.3), "reference")

    _, found = matched(Entry("wrong", make), case("active=null"))
    assert found.reason.startswith(reason)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_compare_dead_backward(backend):
    def make(settings, inputs):
        return Ours(settings, inputs, SparseSurrogate(Surrogate(), b_th=1e-9), backend)

    _, found = matched(Entry("dead", make), case("active=null"))
    assert found.reason == "dead: hidden1 has no active neuron"


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.name)
def test_compare_dead_forward(entry):
    settings = case()
    inputs = Inputs.random(settings)
    contestant = entry.make(settings, inputs)
    for weight in contestant.weights:
        weight.data.mul_(1e-6)
    assert compare(contestant, inputs).reason == "dead: hidden1 has no spike"


def test_local_where_nearly_all_are_active():
    """`Spikes.active` is None then."""
    (cpu, reference) = entries("strategies=[surrogate]", "peers=[]")
    settings = case()
    found = []
    for entry in (cpu, reference):
        contestant, _ = matched(entry, settings)
        hidden = contestant.forward().hidden[0]
        found.append(contestant.local(hidden))
    assert isinstance(hidden, Spikes)
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)
