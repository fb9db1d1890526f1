import math

import pytest

from snn_zo.bench.calibration import TOLERANCE, Unreachable, calibrate_activity, calibrate_rates, solve
from snn_zo.bench.contestants import Inputs
from snn_zo.strategies import (
    LocalZO,
)
from tests.bench.tiny import case, entries, matched


@pytest.mark.parametrize("start", [1e-4, 0.3, 1.0, 500.0])
@pytest.mark.parametrize("target", [0.01, 0.5])
def test_solve_finds_the_factor(start, target):
    measured = []

    def measure(x):
        measured.append(x)
        return 1 - math.exp(-x)

    x = solve(measure, target, start, "share")
    assert x == measured[-1], "what is measured last is what stays"
    assert 1 - math.exp(-x) == pytest.approx(target, rel=TOLERANCE)
    assert len(measured) < 40


def test_solve_beginning_at_the_answer_measures_once():
    measured = []
    assert solve(lambda x: measured.append(x) or x, 2.0, 2.0, "share") == 2.0
    assert measured == [2.0]


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (lambda x: 0.0, "dead: spike rate of hidden1 is 0 whatever the scale"),
        (lambda x: min(x, 0.05), "unmatched: spike rate of hidden1 stays at 0.05 where 0.1 is asked for"),
        (lambda x: 0.0 if x < 3 else 1.0, "unmatched: spike rate of hidden1 stays at"),
    ],
)
def test_solve_impossible(measure, message):
    with pytest.raises(Unreachable, match=message):
        solve(measure, 0.1, 1.0, "spike rate of hidden1")


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.name)
def test_match_reaches_both_rates(entry):
    settings = case("batch=40", "spike_rate=0.08", "active=0.1")
    contestant, found = matched(entry, settings)
    assert found.spike_rate == pytest.approx([0.08, 0.08], rel=TOLERANCE)
    active = sum(fraction * n for fraction, n in zip(found.active, settings.hidden, strict=True)) / 27
    if contestant.strategy.scaled(1.0):
        assert active == pytest.approx(0.1, rel=TOLERANCE)
    else:
        assert active > 0.9, "a surrogate for everyone stays as it is"


def test_match_same_semantics_same_weights():
    """The second contestant begins where the first has ended, and is left there."""
    settings = case()
    inputs = Inputs.random(settings)
    scales = [1.0, 1.0]
    found = []
    for entry in entries("strategies=[local_zo]", "peers=[loop,unbind]"):
        scales = calibrate_rates(entry.make(settings, inputs), settings.spike_rate, scales)
        found.append(scales)
    assert found[1:] == found[:-1]


def test_calibrate_activity_null_keeps_the_strategy():
    (entry,) = entries("strategies=[local_zo]", "backends=[cpu]", "peers=[]")
    contestant, _ = matched(entry, case("active=null"))
    assert contestant.strategy == LocalZO()


def test_calibrate_activity_impossible():
    (entry,) = entries(
        "strategies=[{sparse_surrogate:{surrogate:{function:rectangular}}}]", "backends=[cpu]", "peers=[]"
    )
    settings = case("spike_rate=0.1")
    contestant = entry.make(settings, Inputs.random(settings))
    with pytest.raises(Unreachable, match="unmatched: active fraction stays at"):
        calibrate_activity(contestant, 1.0, 1.0)
