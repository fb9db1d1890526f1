import subprocess
import sys
from dataclasses import dataclass, fields, replace
from inspect import signature
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from snn_zo.config import ConfigError, build
from snn_zo.config.schema import FeedForwardSettings, OwnSettings, TrainSettings
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


@pytest.mark.parametrize("path", sorted((root() / "conf" / "debug").glob("*.yaml")), ids=lambda path: path.stem)
def test_build_debug_runs_have_a_study_of_their_own(path):
    assert settings(f"debug={path.stem}", "experiment=shd").study == "debug"
    assert settings(f"debug={path.stem}", "sweeps=quick").study == "debug"
    assert settings(f"debug={path.stem}", "study=mine").study == "mine"


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
        (["data.clip=both"], "data.clip must be one of binary, counts, got 'both'"),
        (["data.clip=[binary]"], "data.clip must be of type str, got"),
        (["data=fashion_mnist", "data.code=phase"], "data.code must be one of latency, rate, direct, got 'phase'"),
        (["data=randman_regression", "data.targets=0"], "data.targets must be at least 1, got 0"),
        (["data=randman_regression", "+data.classes=3"], "data.classes is not a setting"),
        (["data.polarities=both"], "data.polarities must be one of separate, merged"),
        (["seed=-1"], "seed must lie in [0, 2^32), got -1"),
        (["+sed=1"], "sed is not a setting; did you mean seed?"),
        (["name=a/b"], "name becomes a folder"),
        (["name=.."], "name becomes a folder"),
        (["study=.hidden"], "study becomes a folder"),
        (["name=wandb"], "name=wandb is reserved"),
        (["study=sweep.json"], "study=sweep.json is reserved"),
        (["outputs=''"], "outputs must name a folder, and is empty"),
        (["outputs='~nobody-of-this-name/x'"], "outputs is ~nobody-of-this-name/x, which is no user's home folder"),
        (["data.cache_dir=''"], "data.cache_dir must name a folder, and is empty"),
        (["data.cache_dir='~nobody-of-this-name'"], "data.cache_dir is ~nobody-of-this-name, which is no user's home"),
        (["data=nmnist", "data.root='~nobody-of-this-name'"], "data.root is ~nobody-of-this-name, which is no user's"),
        (["strategy=sparse_surrogate", "strategy.match=null"], "strategy: no window"),
        (["strategy=local_zo_converse", "strategy.surrogate.function=triangular"], "strategy: no density"),
        (["trainer.strategy=ddp_spawn"], "trainer.strategy must be auto or ddp, got 'ddp_spawn'"),
        (["trainer.strategy=fsdp"], "trainer.strategy must be auto or ddp, got 'fsdp'"),
        (["trainer.devices='0,1'"], "trainer.devices must be a number, a list of numbers as [0,1]"),
        (["trainer.devices=null"], "trainer.devices must be of type list[int] | str | int, got 'None'"),
        (["+trainer.num_nodes=2"], "trainer.num_nodes must be 1"),
        (["trainer.strategy=null"], "trainer.strategy must be auto or ddp, got 'None'"),
        (["strategy._target_=snn_zo.strategies.Nothing"], "strategy._target_: cannot import"),
        (["strategy={_target_:snn_zo.neuron.Readout}"], "strategy"),
        (["strategy.surrogate=3", "strategy=ssg"], "strategy.surrogate must be a group of settings, got '3'"),
        (["~strategy", "method=x"], "strategy=null does not exist; choose from expectation, local_zo"),
        (["~model"], "model=null does not exist; choose from conv, feed_forward, resnet, vgg"),
        (
            ["model=conv", "model.network=[16k5,p2]"],
            "model.network holds '16k5', which is none of its elements; did",
        ),
        (["model=conv", "model.network=[p2]"], "model.network must have a layer that spikes, as 16c5 or 200"),
        (
            ["model=conv", "model.network=[16c5,p2,32c31]"],
            "model: conv2 (32c31): a square of side 31 does not fit into",
        ),
        (["model=conv", "data=shd"], "model: conv1 (16c5): it needs an input of channels, rows and columns, and gets"),
        (["model=conv", "+model.netwrok=[200]"], "model.netwrok is not a setting; did you mean model.network?"),
        (["model=vgg", "model.width=0"], "model.width must be a positive number, got 0"),
        (["model=resnet", "model.depth=34"], "model.depth must be 18 or 19, got 34"),
        (["model=resnet", "model.connect=or"], "model.connect must be one of add, and, iand, got 'or'"),
        (["model.norm=tdb"], "model.norm must be one of tdbn, weight, or null, got 'tdb'"),
        (["model.norm=tdbn", "model.bias=true"], "model: norm=tdbn has a shift of its own"),
        (
            ["model=resnet", "+model.layers.block9_conv3.neuron.tau=5"],
            "model: layers: the layer 'block9_conv3' does",
        ),
        (["data.code=direct", "data.downsample=2"], "data.downsample has no effect on images as they are"),
        (["~optim"], "optim=null does not exist; choose from adam, adamw, sgd"),
        (["~energy"], "energy names the prices for callbacks.energy"),
        (["+trainer.max_epohcs=3"], "trainer.max_epohcs is not a setting; did you mean trainer.max_epochs?"),
        (["trainer.max_epochs=2.5"], "trainer.max_epochs must be of type int | None, got '2.5'"),
        (["trainer.max_epochs=0"], "trainer.max_epochs must be at least 1, got 0"),
        (["trainer.max_epochs=-5"], "trainer.max_epochs must be at least 1, got -5"),
        (["trainer.max_epochs=null"], "trainer.max_epochs must be at least 1, got None; trainer.max_steps or max_time"),
        (["trainer.max_epochs=-1", "+trainer.max_time=00:00:01:00"], "schedule needs an end"),
        (["+trainer.max_steps=0"], "trainer.max_steps must be at least 1, got 0"),
        (["+trainer.max_time=soon"], "trainer.max_time must be days:hours:minutes:seconds"),
        (["+trainer.min_epochs=50"], "trainer.min_epochs must be at most trainer.max_epochs, which is 40, got 50"),
        (["trainer.limit_train_batches=0"], "trainer.limit_train_batches must be a number of batches, or a share"),
        (["trainer.limit_train_batches=1.5"], "trainer.limit_train_batches must be a number of batches, or a share"),
        (["trainer.limit_train_batches=true"], "trainer.limit_train_batches must be of type int | float"),
        (["trainer.limit_val_batches=0"], "trainer.limit_val_batches must be a number of batches"),
        (["trainer.limit_val_batches=-1"], "trainer.limit_val_batches must be a number of batches"),
        (["+trainer.overfit_batches=0.5"], "trainer.overfit_batches is not for a config: debug=overfit"),
        (["+trainer.val_check_interval=0"], "trainer.val_check_interval must be a number of batches"),
        (["+trainer.val_check_interval=00:00:00:01"], "trainer.val_check_interval must be a number of batches"),
        (["+trainer.check_val_every_n_epoch=41"], "trainer.check_val_every_n_epoch must be at most max_epochs, 40"),
        (["+trainer.check_val_every_n_epoch=null"], "trainer.check_val_every_n_epoch may be null where"),
        (["trainer.accumulate_grad_batches=0"], "trainer.accumulate_grad_batches must be at least 1, got 0"),
        (["trainer.gradient_clip_val=-1"], "trainer.gradient_clip_val must be at least 0, got -1"),
        (["+trainer.gradient_clip_algorithm=norm"], "trainer.gradient_clip_algorithm does nothing without"),
        (["trainer.precision=16-mixed"], "trainer.precision must be 32-true or 64-true"),
        (["trainer.precision=bf16-true"], "trainer.precision must be 32-true or 64-true"),
        (["trainer.accelerator=tpu"], "trainer.accelerator must be auto or cpu or gpu or cuda, got 'tpu'"),
        (["trainer.profiler=xla"], "trainer.profiler must be simple or advanced or pytorch, got 'xla'"),
        (["+trainer.deterministic=maybe"], "trainer.deterministic must be true or false or warn, got 'maybe'"),
        (["+trainer.inference_mode=abc"], "trainer.inference_mode must be of type bool, got 'abc'"),
        (["+trainer.logger=false"], "trainer.logger is not for a config: logger=NAME chooses one"),
        (["optim.lr=abc"], "optim.lr must be of type float, got 'abc'"),
        (["optim.lr=-1"], "optim.lr must be a number, 0 or more, got -1"),
        (["optim.lr=nan"], "optim.lr must be a number, 0 or more, got nan"),
        (["optim.betas=[0.9,1.0]"], "optim.betas must be at least 0 and below 1, got 1"),
        (["optim.betas=[0.9]"], "optim.betas must hold two numbers, got [0.9]"),
        (["optim.betas=0.9"], "optim.betas must be of type list[float], got '0.9'"),
        (["+optim.lrr=1"], "optim.lrr is not a setting; did you mean optim.lr?"),
        (["optim._target_=torch.optim.Adamm"], "optim._target_: cannot import 'torch.optim.Adamm'"),
        (["optim=sgd", "optim._target_=torch.optim.RMSprop", "+optim.alfa=1"], "optim.alfa is not a setting"),
        (["+optim.params=[1]"], "optim.params is not a setting"),
        (["+schedule.finel=1"], "schedule.finel is not a setting; did you mean schedule.final?"),
        (["schedule=one_cycle", "schedule.warmup=1.5"], "schedule.warmup must be at least 0 and below 1, got 1.5"),
        (["schedule={_target_:torch.optim.lr_scheduler.ConstantLR}", "~schedule.final"], "schedule._target_: torch"),
        (["+callbacks.early_stopping.patiense=3"], "callbacks.early_stopping.patiense is not a setting; did you"),
        (["callbacks.early_stopping.patience=-1"], "callbacks.early_stopping.patience must be at least 0, got -1"),
        (["+callbacks.early_stopping.monitr=x"], "callbacks.early_stopping.monitr is not a setting; did you mean"),
        (["~loss"], "loss=null does not exist; choose from cross_entropy, mae, mse, mse_count, tet"),
        (["loss=mse"], "loss=mse is for real numbers, and the data's targets are classes: choose from cross_entropy,"),
        (["loss=mae"], "loss=mae is for real numbers, and the data's targets are classes: choose from cross_entropy,"),
        (["loss._target_=snn_zo.neuron.Readout"], "loss"),
        (["+loss.weights=[1]"], "loss.weights is not a setting; did you mean loss.class_weights?"),
        (["loss.class_weights=blanced"], "loss.class_weights must be balanced, a list of numbers or null, got"),
        (["loss.class_weights=[1,2]"], "loss.class_weights must hold 10 numbers, one a class, got 2"),
        (["loss.class_weights=[1,2,3,4,5,6,7,8,9,-1]"], "loss.class_weights must be numbers, 0 or more, and not all 0"),
        (["loss.class_weights=[0,0,0,0,0,0,0,0,0,0]"], "loss.class_weights must be numbers, 0 or more, and not all 0"),
        (["loss.label_smoothing=1"], "loss.label_smoothing must be at least 0 and below 1, got 1"),
        (["loss=tet", "loss.lambda_=2"], "loss.lambda_ must lie in 0 to 1, got 2"),
        (["loss=tet", "loss.phi=inf"], "loss.phi must be a number, got inf"),
        (
            ["loss=tet", "model/readout=count"],
            "loss looks at the readout at every time step: model/readout=leaky",
        ),
        (["loss=mse_count"], "loss takes spike counts: model/readout=count gives them, with a scale of 1"),
        (["loss=mse_count", "model/readout=count", "model.readout.scale=2"], "loss takes spike counts: model/readout"),
        (["loss=mse_count", "model/readout=count", "loss.true_rate=1.5"], "loss.true_rate must lie in 0 to 1 spikes a"),
        (
            ["loss=mse_count", "model/readout=count", "loss.other_rate=0.95"],
            "loss.other_rate must be below true_rate",
        ),
        (["callbacks.checkpoint.mode=maximum"], "callbacks.checkpoint.mode must be min or max, got 'maximum'"),
        (["+callbacks.checkpoint.dirpath=x"], "callbacks.checkpoint.dirpath is not a setting"),
        (["callbacks.energy=3"], "callbacks.energy must be a group of settings, got '3'"),
        (["+logger.projekt=x"], "logger.projekt is not a setting; did you mean logger.project?"),
        *(
            (
                [f"+callbacks.more={{_target_:lightning.pytorch.callbacks.{name}}}", f"{more}callbacks.more.{setting}"],
                f"callbacks.more: {name} cannot be used",
            )
            for name, more, setting in (
                ("StochasticWeightAveraging", "+", "swa_lrs=0.1"),
                ("EMAWeightAveraging", "+", "decay=0.9"),
                ("ModelCheckpoint", "+", "monitor=val/acc"),
                ("Timer", "+", "verbose=true"),
            )
        ),
        (
            ["+callbacks.more={_target_:lightning.pytorch.callbacks.LearningRateMonitor}", "logger=none"],
            "callbacks.more writes to a logger",
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_build_mistakes(overrides, line):
    with pytest.raises(ConfigError) as caught:
        settings(*overrides)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "overrides",
    [
        ["~logger"],
        ["~schedule"],
        ["~callbacks"],
        ["~callbacks.energy"],
        ["~energy", "callbacks.energy=null"],
        ["callbacks.early_stopping=null"],
        ["callbacks.checkpoint.monitor=val/loss"],
        ["loss.class_weights=balanced"],
        ["loss.class_weights=[1,2,3,4,5,6,7,8,9,10]", "loss.label_smoothing=0.1"],
        ["loss=tet"],
        ["loss=mse_count", "model/readout=count"],
        ["model/readout=count"],
        ["trainer.limit_test_batches=0"],
        ["trainer.limit_train_batches=3"],
        ["+trainer.max_steps=10", "trainer.max_epochs=-1"],
        ["trainer.max_epochs=null", "+trainer.max_time=00:00:01:00", "schedule=none"],
        ["+trainer.check_val_every_n_epoch=null", "+trainer.val_check_interval=7"],
        ["trainer.precision=64-true"],
        ["trainer.precision=32"],
        ["optim=sgd", "+optim.nesterov=true"],
        ["optim=sgd", "optim._target_=torch.optim.RMSprop", "+optim.alpha=0.9"],
        ["+callbacks.more={_target_:lightning.pytorch.callbacks.GradientAccumulationScheduler,scheduling:{0:1,2:4}}"],
    ],
    ids="-".join,
)
def test_build_accepts(overrides):
    settings(*overrides)


def test_build_writes_values_back_as_they_were_understood():
    config = composed("optim.lr=1", "data.dt='2'", "trainer.limit_train_batches=1", "schedule=none")
    build(config, "", TrainSettings)
    assert [type(config.optim.lr), type(config.data.dt)] == [float, float]
    assert type(config.trainer.limit_train_batches) is int
    assert config.schedule is None


def test_build_loads_no_torch():
    """A mistake in any group is answered without it."""
    imports = "import sys; sys.path.insert(0, sys.argv[1]); from tests.config.test_build import settings"
    code = f"{imports}; settings('optim=sgd', 'schedule=one_cycle'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code, str(Path(__file__).parents[2])], check=False).returncode == 0


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


GIVEN_BY_THE_PLATFORM = {"self", "in_shape", "outputs", "strategy", "backend", "every_step"}


def test_feed_forward_settings_match_the_model():
    from snn_zo.models import FeedForward

    parameters = signature(FeedForward.__init__).parameters
    assert {field.name for field in fields(FeedForwardSettings)} == set(parameters) - GIVEN_BY_THE_PLATFORM


@pytest.mark.parametrize("name", ["conv", "vgg", "resnet"])
def test_settings_of_networks_match_the_models(name):
    """Names and defaults, in Python, in the schema and in the file."""
    from snn_zo import models
    from snn_zo.models.stack import Common, Maker

    built = settings(f"model={name}").model
    model = getattr(models, type(built).__name__.removesuffix("Settings"))
    own = {each: default for each, default in defaults(model).items() if each != "common"}
    common = Common.__annotations__.keys() - GIVEN_BY_THE_PLATFORM
    assert {field.name for field in fields(built)} == own.keys() | common
    maker, schema = Maker(built), type(built)()
    expected = {each: getattr(maker, each) for each in common} | {"layers": {}} | own
    for found in (schema, replace(built, neuron=replace(built.neuron, dt=1.0), readout=replace(built.readout, dt=1.0))):
        assert {each: value for each, value in vars(found).items() if each != "network"} == {
            each: value for each, value in expected.items() if each != "network"
        }
        assert list(getattr(found, "network", ())) == list(expected.get("network", ()))


def test_defaults_in_python_are_those_of_the_config():
    """But for dt, which follows the data, and for what a run gives."""
    from snn_zo.data.datamodule import EventDataModule
    from snn_zo.models import FeedForward
    from snn_zo.training import SpikingModule

    built = settings()
    model = built.model
    expected = {
        "hidden": tuple(model.hidden),
        "neuron": replace(model.neuron, dt=1.0),
        "readout": replace(model.readout, dt=1.0),
        **{name: getattr(model, name) for name in ("init", "gain", "bias", "norm")},
        "layers": None,
        "backend": built.backend,
        "every_step": False,
    }
    assert defaults(FeedForward) == expected
    of_schema = vars(FeedForwardSettings()) | {"hidden": tuple(FeedForwardSettings().hidden), "layers": None}
    assert of_schema == {name: expected[name] for name in of_schema}
    of_module = defaults(SpikingModule)
    assert of_module["regularizer"] == built.regularizer
    assert of_module["backend"] == built.backend
    assert defaults(EventDataModule)["seed"] == built.seed


def defaults(cls: type) -> dict[str, object]:
    """Of the arguments of a class."""
    parameters = signature(cls).parameters.values()
    return {each.name: each.default for each in parameters if each.default is not each.empty}


def test_empty_variables_are_not_set(monkeypatch):
    for name in ("SNN_ZO_OUTPUTS", "SNN_ZO_CACHE", "SNN_ZO_DATA"):
        monkeypatch.setenv(name, "")
    built = settings("data=nmnist")
    assert (built.outputs, built.data.root, built.data.cache_dir) == ("outputs", "data", "~/.cache/snn_zo")


def test_layers_with_settings_of_their_own():
    own = ("+model.layers.hidden2.neuron.tau=5", "+strategy@model.layers.hidden2.strategy=surrogate")
    layers = settings(*own).model.layers
    assert layers == {"hidden2": OwnSettings({"tau": 5}, Surrogate(slope=30.63))}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("hidden3.neuron.tau=5", "the layer 'hidden3' does not exist; did you mean hidden2"),
        ("hidden2.neuron.tua=5", "the setting 'tua' does not exist; did you mean tau"),
        ("hidden2.neuron.tau=-5", "layers.hidden2.neuron.tau must be a positive number"),
        ("hidden2.neuron.tau=long", "neuron.tau must be of type float, got 'long'"),
        ("hidden2.neuron.detach_reset=1", "neuron.detach_reset must be of type bool, got '1'"),
        ("hidden2.nuron.tau=5", "did you mean model.layers.hidden2.neuron"),
        ("hidden2=3", "model.layers.hidden2 must be a group of settings"),
    ],
)
def test_layers_with_impossible_settings(override, message):
    with pytest.raises(ConfigError, match=message):
        settings(f"+model.layers.{override}")
