import pytest

from snn_zo.config.names import require_name
from snn_zo.runs.naming import LONGEST, run_name, short_names, words


def test_short_names():
    names = [
        "strategy.match.samples",
        "strategy.delta",
        "strategy.match.delta",
        "optim._target_",
        "energy.name",
        "a.name",
    ]
    assert list(short_names(names).values()) == ["m", "strategy.delta", "match.delta", "optim", "energy", "name"]
    assert short_names(["seed"]) == {"seed": "seed"}
    own = ["model.layers.hidden2.neuron.tau", "model.layers.hidden2.strategy._target_"]
    assert list(short_names(own).values()) == ["hidden2.neuron.tau", "hidden2.strategy"], "a layer's own say whose"


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["strategy=local_zo", "strategy.z=laplace", "seed=2"], "local_zo z=laplace seed=2"),
        (["strategy.delta=0.012345678"], "delta=0.01235"),
        (["strategy.samples=5"], "m=5"),
        (["optim.lr=1.23456e-05"], "lr=1.235e-05"),
        (["+trainer.x=1", "model.hidden=[20,10]"], "x=1 hidden=[20,10]"),
        (["+model.layers.hidden2.neuron.tau=5"], "hidden2.neuron.tau=5"),
        (["model.neuron.tau=5", "model.readout.tau=7"], "neuron.tau=5 readout.tau=7"),
        (["model/readout=count", "~schedule", "data='1'"], "readout=count schedule=none data=1"),
        (["seed=0", "seed=1"], "seed=1"),
        ([], ""),
    ],
)
def test_words(overrides, expected):
    assert " ".join(words(overrides)) == expected


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], "local_zo-s3"),
        (["strategy=local_zo", "seed=3", "sweeps=quick"], "local_zo-s3"),
        (["strategy.delta=0.1", "model.hidden=[100,50]"], "local_zo-delta=0.1-hidden=100+50-s3"),
        # what changes no result, and what the study is called after
        (
            ["outputs=/tmp/x", "logger=none", "data.root=~/d", "data=mine", "strategy.samples=5"],
            "local_zo-m=5-s3",
        ),
        (["data=shd", "~schedule"], "local_zo-data=shd-schedule=none-s3"),
        (["x.word=\"a 'b'\";$(rm *)/\\?[c]"], "local_zo-word=abrmc-s3"),
        ([f"x.long={'y' * LONGEST}", "x.short=1"], "local_zo-short=1-s3"),
    ],
)
def test_run_name(overrides, expected):
    name = run_name("local_zo", 3, overrides, "mine")
    assert name == expected
    require_name("name", name)


def test_run_name_is_bounded():
    overrides = [f"group.setting{i}={i}" for i in range(100)]
    name = run_name("local_zo", 0, overrides, "mine")
    assert name == "local_zo-setting0=0-setting1=1-setting2=2-s0"
