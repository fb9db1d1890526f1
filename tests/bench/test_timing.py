import gc

import pytest

from snn_zo.bench.contestants import Inputs
from snn_zo.bench.device import Clock
from snn_zo.bench.timing import Phases, fastest, interleaved, quartiles, summarise, training_step
from tests.bench.tiny import case, entries


def steps(*totals):
    """Phases with these step times, of which a half, 3/8 and 1/8 are forward, backward and optimizer."""
    return [Phases(total, total / 2, total * 3 / 8, total / 8) for total in totals]


def test_summarise_medians():
    timing = summarise({"a": [Phases(24, 1, 20, 3), Phases(15, 3, 10, 2), Phases(63, 2, 60, 1)]}, "a")["a"]
    assert timing[:5] == (24, 2, 20, 2, None)


def test_summarise_pairs_rounds():
    """A machine that is ten times slower in one round leaves the ratios alone."""
    times = {"ours": steps(1, 10, 1, 2, 1), "base": steps(4, 40, 4, 8, 5)}
    timings = summarise(times, "base")
    assert timings["ours"].faster == (4, 4, 4)
    assert timings["base"].faster == (1, 1, 1)
    assert timings["ours"].step == 1


def test_summarise_quartiles_of_the_ratios():
    timings = summarise({"ours": steps(1, 1, 1, 1, 1), "base": steps(5, 1, 3, 2, 4)}, "base")
    assert timings["ours"].faster == (2, 3, 4)


def test_summarise_without_baseline():
    assert summarise({"ours": steps(1, 2)}, "base")["ours"].faster is None
    assert summarise({}, "base") == {}


def test_fastest_of_a_peers_layouts():
    times = {"peer/first": steps(3, 9, 3), "peer/last": steps(4, 2, 4), "peerless": steps(1)}
    assert fastest(times, "peer") == "peer/first"
    assert fastest(times, "peer/last") == "peer/last"
    assert fastest(times, "other") is None


@pytest.mark.parametrize(("values", "expected"), [([3.0], (3, 3, 3)), ([1.0, 2.0], (1.25, 1.5, 1.75))])
def test_quartiles_of_few(values, expected):
    assert quartiles(values) == expected


class Scripted:
    """Notes who steps when; every phase takes the clock forward by one."""

    def __init__(self, name, log):
        self.name, self.log, self.optimizer, self.whole_step = name, log, self, None

    def loss(self, step):
        self.log.append((step, self.name))
        return self, None

    def backward(self):
        assert not gc.isenabled(), "the collector must not run inside a step"

    def step(self):
        pass

    def zero_grad(self):
        pass


def test_interleaved_is_round_robin():
    log = []
    contestants = {name: Scripted(name, log) for name in "abc"}
    times = interleaved(contestants, rounds=3, warmup=1, clock=Clock("cpu"))
    assert log == [(0, "a"), (0, "b"), (0, "c"), (1, "b"), (1, "c"), (1, "a"), (2, "c"), (2, "a"), (2, "b"),
                   (3, "a"), (3, "b"), (3, "c")]  # fmt: skip
    assert {name: len(phases) for name, phases in times.items()} == {"a": 3, "b": 3, "c": 3}
    assert gc.isenabled()


def test_step_in_one_piece():
    """What has no phases is timed as a whole."""
    log = []
    contestant = Scripted("a", log)
    contestant.whole_step = log.append
    phases = training_step(contestant, Clock("cpu"), 7)
    assert log == [7]
    assert phases.step > 0
    assert phases[1:] == (None,) * 4


def test_step_of_the_last_layer():
    """The last hidden layer's part of the backward is seen by those who have a tensor between layers."""
    settings = case()
    for entry in entries():
        phases = training_step(entry.make(settings, Inputs.random(settings)), Clock("cpu"), 0)
        assert phases.step == pytest.approx(phases.forward + phases.backward + phases.optimizer)
        if entry.name in ("loop", "snntorch"):
            assert phases.layer is None
        else:
            assert 0 < phases.layer < phases.backward


def test_clock_phases(monkeypatch):
    now = iter([10.0, 10.5, 12.5, 12.75])
    monkeypatch.setattr("time.perf_counter", lambda: next(now))
    clock = Clock("cpu")
    clock.start()
    for _ in range(3):
        clock.mark()
    assert clock.milliseconds() == [500, 2000, 250]


@pytest.mark.gpu
def test_clock_waits_for_the_gpu():
    import torch

    x = torch.randn(4096, 4096, device="cuda")
    clock = Clock("cuda")
    clock.start()
    for _ in range(20):
        x = x @ x
    clock.mark()
    (elapsed,) = clock.milliseconds()
    assert elapsed > 1
