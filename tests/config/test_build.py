from dataclasses import dataclass, fields
from inspect import signature

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from snn_zo.config import ConfigError, build
from snn_zo.config.schema import FeedForwardSettings, TrainSettings
from snn_zo.config.sources import register, root
from snn_zo.strategies import LocalZO, SparseSurrogate, Strategy, Surrogate


def composed(*overrides: str) -> DictConfig:
    register(list(overrides))
    with initialize_config_dir(str(root() / "conf"), version_base="1.3"):
        config = compose("train", list(overrides), return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    with open_dict(config):
        del config["hydra"]
    return config


def settings(*overrides: str) -> TrainSettings:
    return build(composed(*overrides), "", TrainSettings)


@pytest.mark.parametrize("path", sorted((root() / "conf" / "strategy").glob("*.yaml")), ids=lambda path: path.stem)
def test_build_every_strategy(path):
    built = settings(f"strategy={path.stem}")
    assert isinstance(built.strategy, Strategy)
    assert built.method == path.stem


def test_build_nested_strategy():
    built = settings("strategy=sparse_surrogate", "strategy.match.delta=0.1", "strategy.surrogate.function=arctan")
    expected = SparseSurrogate(Surrogate("arctan", 30.63), match=LocalZO(delta=0.1))
    assert built.strategy == expected


@pytest.mark.parametrize("group", ["optim", "schedule", "logger"])
def test_build_every_choice_composes(group):
    for path in (root() / "conf" / group).glob("*.yaml"):
        settings(f"{group}={path.stem}")


def test_build_sweeps_compose():
    for path in (root() / "sweeps").glob("*.yaml"):
        settings(f"sweeps={path.stem}")


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["+strategy.detla=0.1"], "strategy.detla is not a setting; did you mean strategy.delta?"),
        (["strategy.delta=-1"], "strategy.delta must be a positive number, got -1"),
        (["strategy.delta=abc"], "strategy.delta must be of type float, got 'abc'"),
        (["strategy.delta=null"], "strategy.delta must be of type float, got 'None'"),
        (["strategy.samples=1.5"], "strategy.samples must be of type int, got '1.5'"),
        (["strategy.z=nromal"], "strategy.z 'nromal' does not exist; did you mean normal?"),
        (["model.hidden=[]"], "model.hidden must name at least one layer"),
        (["model.hidden=7"], "model.hidden must be of type list[int], got '7'"),
        (["model.hidden=[20,0]"], "model.hidden must name at least one layer of at least one neuron"),
        (["model.neuron.reset=sotf"], "model.neuron.reset must be one of soft, hard, none"),
        (["+model.neuron.taw=3"], "model.neuron.taw is not a setting; did you mean model.neuron.tau?"),
        (["data.steps=0"], "data.steps must be at least 1, got 0"),
        (["data.dt=0"], "data.dt must be a positive number of milliseconds"),
        (["data.val_fraction=0.9"], "data.val_fraction and test_fraction leave nothing to train on"),
        (["data.polarities=both"], "data.polarities must be one of separate, merged"),
        (["seed=-1"], "seed must lie in [0, 2^32), got -1"),
        (["+sed=1"], "sed is not a setting; did you mean seed?"),
        (["name=a/b"], "name becomes a folder"),
        (["name=.."], "name becomes a folder"),
        (["strategy=sparse_surrogate", "strategy.match=null"], "strategy: no window"),
        (["strategy=local_zo_converse", "strategy.surrogate.function=triangular"], "strategy: no density"),
        (["trainer.strategy=ddp_spawn"], "trainer.strategy must be auto or ddp, got 'ddp_spawn'"),
        (["trainer.strategy=fsdp"], "trainer.strategy must be auto or ddp, got 'fsdp'"),
        (["trainer.devices='0,1'"], "trainer.devices must be a number, a list of numbers as [0,1]"),
        (["trainer.devices=null"], "trainer.devices must be of type list[int] | str | int, got 'None'"),
        (["+trainer.num_nodes=2"], "trainer.num_nodes must be 1"),
        (["trainer.strategy=null"], "trainer.strategy must be auto or ddp, got 'None'"),
        (["strategy._target_=snn_zo.strategies.Nothing"], "strategy._target_: cannot import"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_build_mistakes(overrides, line):
    with pytest.raises(ConfigError) as caught:
        settings(*overrides)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_build_third_party_by_target():
    node = OmegaConf.create({"_target_": f"{__name__}.Flat", "height": 2})
    assert build(node, "strategy") == Flat(2.0)


@dataclass(frozen=True)
class Flat:
    height: "float" = 1.0


def test_register_entry_point(monkeypatch):
    class Entry:
        name = "flat"

        @staticmethod
        def load() -> type:
            return Flat

    monkeypatch.setattr("snn_zo.config.sources.entry_points", lambda group: [Entry()])
    register(["strategy=flat"])
    node = ConfigStore.instance().load("strategy/flat.yaml").node
    assert node == {"_target_": f"{__name__}.Flat", "height": 1.0}


def test_feed_forward_settings_match_the_model():
    from snn_zo.models import FeedForward

    given_by_the_platform = {"self", "in_features", "out_features", "strategy", "backend"}
    parameters = signature(FeedForward.__init__).parameters
    assert {field.name for field in fields(FeedForwardSettings)} == set(parameters) - given_by_the_platform
