import pytest

from snn_zo.bench.calibration import calibrate_activity, calibrate_rates
from snn_zo.bench.contestants import Inputs
from snn_zo.strategies import (
    LocalZO,
)
from snn_zo.training.width import TOLERANCE, Unreachable
from tests.bench.tiny import case, entries, matched


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
