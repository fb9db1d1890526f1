import math
from dataclasses import FrozenInstanceError

import pytest

from snn_zo.neuron import REDUCTIONS, RESETS, Neuron, Readout

NOT_POSITIVE = [0.0, -1.0, -math.inf, math.nan]


@pytest.mark.parametrize("settings", [Neuron, Readout])
@pytest.mark.parametrize("name", ["tau", "dt"])
@pytest.mark.parametrize("value", NOT_POSITIVE)
def test_settings_not_positive(settings, name, value):
    with pytest.raises(ValueError, match=f"{name} must be a positive number"):
        settings(**{name: value})


@pytest.mark.parametrize("settings", [Neuron, Readout])
@pytest.mark.parametrize("tau", [20.0, math.inf])
def test_settings_infinite_dt(settings, tau):
    """Without a finite step there is no leak: dt = tau = inf would be beta = nan."""
    with pytest.raises(ValueError, match="dt must be a positive number"):
        settings(tau=tau, dt=math.inf)


@pytest.mark.parametrize("settings", [Neuron, Readout])
@pytest.mark.parametrize(("tau", "dt"), [(20.0, 1.0), (5.0, 0.5), (1e-6, 1.0), (1e6, 1.0)])
def test_settings_beta(settings, tau, dt):
    assert settings(tau=tau, dt=dt).beta == math.exp(-dt / tau)


@pytest.mark.parametrize("settings", [Neuron(), Readout()])
def test_settings_frozen(settings):
    with pytest.raises(FrozenInstanceError):
        settings.tau = 3.0


def test_neuron_no_leak():
    assert Neuron(tau=math.inf).beta == 1


@pytest.mark.parametrize("tau", [math.inf, 1e300])
def test_readout_no_leak(tau):
    with pytest.raises(ValueError, match="tau"):
        Readout(tau=tau)


@pytest.mark.parametrize("v_th", [*NOT_POSITIVE, math.inf])
def test_neuron_wrong_threshold(v_th):
    with pytest.raises(ValueError, match="v_th must be a positive number"):
        Neuron(v_th=v_th)


@pytest.mark.parametrize("reset", RESETS)
def test_neuron_reset(reset):
    assert Neuron(reset=reset).reset == reset


@pytest.mark.parametrize("reset", ["", "subtract", "Soft", None])
def test_neuron_wrong_reset(reset):
    with pytest.raises(ValueError, match="reset must be one of soft, hard, none, got"):
        Neuron(reset=reset)


@pytest.mark.parametrize("reduce", REDUCTIONS)
def test_readout_reduce(reduce):
    assert Readout(reduce=reduce).reduce == reduce


@pytest.mark.parametrize("reduce", ["", "maximum", "Max", None])
def test_readout_wrong_reduce(reduce):
    with pytest.raises(ValueError, match="reduce must be one of max, sum, mean, last, got"):
        Readout(reduce=reduce)
