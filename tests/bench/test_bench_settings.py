import re

import pytest

from snn_zo.config import ConfigError
from snn_zo.config.sources import root
from snn_zo.strategies import LocalZO, SparseSurrogate
from tests.bench.tiny import composed

SUITES = [path.stem for path in sorted((root() / "conf" / "suite").glob("*.yaml"))]


@pytest.mark.parametrize("suite", SUITES)
def test_suites_build(suite):
    settings, strategies, _ = composed(f"suite={suite}")
    assert settings.name == suite
    assert strategies
    assert settings.cases()


def test_step_is_the_published_size():
    settings = composed().settings
    assert (settings.inputs, settings.hidden, settings.classes) == (784, [200, 200], 10)
    assert (settings.batch, settings.steps, settings.input_rate, settings.spike_rate) == (256, 100, 0.03, 0.03)
    assert settings.active == 0.01


def test_cases_move_one_axis_at_a_time():
    settings = composed("suite=step", "sweep={steps:[7,9],hidden:[5],active:[0.5]}").settings
    cases = settings.cases()
    assert [(case.axis, case.value) for case in cases] == [("active", 0.5), ("steps", 7), ("steps", 9), ("hidden", 5)]
    steps, hidden = cases[1].settings, cases[3].settings
    assert (steps.steps, steps.hidden, steps.active) == (7, [200, 200], 0.01)
    assert (hidden.steps, hidden.hidden) == (100, [5, 5])


def test_cases_of_a_convolution():
    convolution = ("suite=step", "inputs=[2,8,8]", "hidden=[16c3p1,p2,32c3,100]")
    sweep = "sweep={density:[0.1],hidden:[7],channels:[4],size:[16]}"
    density, hidden, channels, size = (found.settings for found in composed(*convolution, sweep).settings.cases())
    assert (density.input_rate, density.spike_rate) == (0.1, 0.1)
    assert (channels.inputs, channels.hidden) == ([4, 8, 8], ["4c3p1", "p2", "4c3", 100])
    assert (size.inputs, size.hidden) == ([2, 16, 16], ["16c3p1", "p2", "32c3", 100])
    assert hidden.hidden == ["16c3p1", "p2", "32c3", 7]
    assert hidden.neurons == [16 * 64, 32 * 4, 7]


def test_cases_are_variants():
    settings = composed("suite=step", "variants={small:{hidden:[5,4],active:0.1},same:{}}").settings
    cases = settings.cases()
    small = next(case for case in cases if case.value == "small")
    assert small.axis == "variant"
    assert (small.settings.hidden, small.settings.active, small.settings.steps) == ([5, 4], 0.1, 100)
    assert [case.value for case in cases] == ["small", "same"]


def test_cases_without_a_sweep_are_one():
    settings = composed().settings
    assert settings.cases() == [(None, None, settings)]


def test_strategies_take_settings():
    changed = "strategies=[ssg,{local_zo:{delta:0.2,z:laplace}}]"
    strategies = composed(changed).strategies
    assert list(strategies) == ["ssg", "local_zo(delta=0.2,z=laplace)"]
    assert isinstance(strategies["ssg"], SparseSurrogate)
    assert strategies["local_zo(delta=0.2,z=laplace)"] == LocalZO("laplace", 0.2)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("strategies=[local_zoo]", "strategies: there is no 'local_zoo'; did you mean local_zo?"),
        ("strategies=[{local_zo:{detla:1}}]", "strategies.local_zo.detla is not a setting; did you mean"),
        ("strategies=local_zo", "strategies must be a list, got 'local_zo'"),
        ("peers=[snntorh]", "peers: there is no 'snntorh'; did you mean snntorch?"),
        ("device=gpu", "device: there is no 'gpu'; did you mean cpu? choose from cpu, cuda"),
        ("hidden=[]", "hidden must name at least one layer"),
        ("hidden=[0]", "hidden: network holds '0'"),
        ("hidden=[16d5]", "hidden: network holds '16d5', which is none of its elements; did you mean 16c5?"),
        ("hidden=[16c5]", "hidden: conv1 (16c5): it needs an input of channels, rows and columns, and gets [784]"),
        ("inputs=[2,34]", "inputs must be a positive number or channels, rows and columns, got [2, 34]"),
        ("inputs=0", "inputs must be a positive number or channels, rows and columns, got 0"),
        ("inputs=many", "inputs must be"),
        ("sweep.size=[8]", "sweep.size needs inputs of channels, rows and columns, got 784"),
        ("spike_rate=0", "spike_rate must be a fraction of at most 0.5, got 0"),
        ("active=1.5", "active must be a fraction of at most 1, got 1.5"),
        ("rounds=0", "rounds must be a positive number, got 0"),
        ("threads=0", "threads must be at least 1, got 0"),
        ("name=a/b", "name becomes a folder"),
        ("sweep.batch=[0]", "batch must be a positive number, got 0"),
        ("sweep.batch=3", "sweep.batch must be a list of numbers, got '3'"),
        ("variants={a:{stepz:3}}", "variants.a: there is no 'stepz'; did you mean steps?"),
        ("sweep.density=[1.5]", "input_rate must be a fraction of at most 1, got 1.5"),
        ("sweep.steps=[1.5]", "sweep.steps must be a list of numbers"),
    ],
)
def test_settings_impossible(override, message):
    with pytest.raises(ConfigError, match="^" + re.escape(message)):
        composed(override)
