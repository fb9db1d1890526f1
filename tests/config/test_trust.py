"""What the config of a stranger may name, and where."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest
import torch
import yaml
from omegaconf import DictConfig, OmegaConf

from snn_zo.config.mistakes import EXPECTED
from snn_zo.config.sources import root
from snn_zo.config.trust import GROUPS, require_trusted
from tests.config.test_build import composed


def conf_targets() -> set[str]:
    """Every `_target_` that the project's own presets name."""

    def targets(node: object) -> set[str]:
        if not isinstance(node, dict):
            return set()
        named = {node["_target_"]} if "_target_" in node else set()
        return named.union(*map(targets, node.values()))

    ours = [path for path in (root() / "conf").rglob("*.yaml") if "hydra" not in path.parts]
    return set().union(*(targets(yaml.safe_load(path.read_text())) for path in ours))


def with_target(place: str, target: object) -> DictConfig:
    """A config that has all groups and names the target in one place."""
    config = OmegaConf.create({group: {} for group in GROUPS})
    OmegaConf.update(config, f"{place}._target_", target, force_add=True)
    return config


def refused(config: object) -> str:
    """The one line with which a config is refused."""
    with pytest.raises(EXPECTED) as caught:
        require_trusted(OmegaConf.create(config))
    return str(caught.value)


# ---- what may be named


def test_require_trusted_refuses_what_is_hydras_to_make():
    """A launcher of ours calls whatever its engine names."""
    target = "hydra_plugins.snn_zo_launcher.SweepLauncher"
    assert target in refused({"optim": {"_target_": target, "engine": "subprocess.Popen", "args": ["true"]}})


@pytest.mark.parametrize(
    ("place", "target"),
    [
        ("optim", "torch.optim.RMSprop"),
        ("schedule", "torch.optim.lr_scheduler.ExponentialLR"),
        ("callbacks.any", "lightning.pytorch.callbacks.EarlyStopping"),
        ("trainer", "lightning.pytorch.Trainer"),
        ("strategy.of.surrogate", "snn_zo.strategies.Surrogate"),
        ("callbacks.any.table", "snn_zo.energy.CostTable"),
    ],
)
def test_require_trusted_accepts_building_blocks(place, target):
    require_trusted(with_target(place, target))


@pytest.mark.parametrize("target", sorted(conf_targets()))
@pytest.mark.parametrize(
    "place", ["", "seed", "trainer.plugins", "logger.tags", "data.root", "model.hidden", "optim.lr"]
)
def test_require_trusted_refuses_presets_where_they_do_not_belong(place, target):
    node = {"_target_": target}
    for key in reversed(place.split(".")):
        node = {key: node} if key else node
    assert "which a run folder may not" in refused(node)


@pytest.mark.parametrize(
    ("place", "target"),
    [
        ("optim", "snn_zo.runs.wandb_logger.wandb_logger"),
        ("schedule", "torch.optim.Adam"),
        ("callbacks.x", "snn_zo.runs.wandb_logger.wandb_logger"),
        ("callbacks.x.y", "snn_zo.callbacks.Checkpoint"),
        ("callbacks", "snn_zo.callbacks.Checkpoint"),
        ("strategy", "snn_zo.neuron.Neuron"),
        ("strategy.surrogate", "snn_zo.neuron.Neuron"),
        ("model.neuron", "snn_zo.strategies.LocalZO"),
        ("data.augment", "snn_zo.data.digits.Digits"),
        ("trainer", "lightning.pytorch.callbacks.EarlyStopping"),
        ("trainer.logger", "snn_zo.runs.wandb_logger.wandb_logger"),
        ("trainer.callbacks", "lightning.pytorch.callbacks.EarlyStopping"),
        ("logger", "snn_zo.callbacks.progress_bar"),
    ],
)
def test_require_trusted_is_by_place(place, target):
    assert target in refused(with_target(place, target))


@pytest.mark.parametrize("key", ["_args_", "_recursive_", "_partial_"])
@pytest.mark.parametrize("place", ["data", "model", "trainer", "callbacks.checkpoint", "logger", "strategy"])
def test_require_trusted_refuses_hydras_own_keys(place, key):
    config = composed()
    OmegaConf.update(config, f"{place}.{key}", [1], force_add=True)
    assert f"{place}.{key}" in refused(OmegaConf.to_container(config, resolve=True))


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("value", [None, 5, "text", []])
def test_require_trusted_refuses_a_group_that_is_none(group, value):
    config = OmegaConf.to_container(composed(), resolve=True) | {group: value}
    assert f"{group} must be a group of settings" in refused(config)


@pytest.mark.parametrize("group", ["strategy", "data", "optim", "schedule", "regularizer", "experiment", "logger"])
def test_require_trusted_accepts_every_composed_config(group):
    for path in sorted((root() / "conf" / group).glob("*.yaml")):
        config = OmegaConf.to_container(composed(f"{group}={path.stem}"), resolve=True)
        require_trusted(OmegaConf.create(config))


@pytest.mark.parametrize(
    "override", ["model/readout=count", "+strategy@model.layers.hidden2.strategy=sparse_surrogate"]
)
def test_require_trusted_accepts_parts_of_a_model(override):
    require_trusted(OmegaConf.create(OmegaConf.to_container(composed(override), resolve=True)))


@pytest.mark.parametrize("place", ["model.readout", "model.layers.hidden2.strategy", "model.layers.hidden2.neuron"])
def test_require_trusted_refuses_other_parts_of_a_model(place):
    config = composed()
    OmegaConf.update(config, f"{place}._target_", "snn_zo.data.digits.Digits", force_add=True)
    assert f"as {place}" in refused(OmegaConf.to_container(config, resolve=True))


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "posix.system",
        "subprocess.run",
        "subprocess.Popen",
        "builtins.eval",
        "builtins.exec",
        "builtins.print",
        "runpy.run_path",
        "importlib.import_module",
        "pickle.loads",
        "numpy.load",
        "shutil.rmtree",
        "pathlib.Path",
        "functools.partial",
        "hydra.utils.call",
        "hydra.utils.instantiate",
        "hydra.utils.get_method",
        "hydra.utils.get_class",
        "omegaconf.OmegaConf.register_new_resolver",
        "wandb.init",
        "tonic.datasets.NMNIST",
        "pip._internal.main",
        "lightning_fabric.Fabric",
        "torchvision.models.resnet18",
        "torch_evil.Module",
    ],
)
def test_require_trusted_refuses_other_packages(target):
    assert target in refused({"_target_": target})


@pytest.mark.parametrize(
    "target",
    [
        "torch.os.system",
        "torch.sys.exit",
        "torch.hub.load",
        "torch.hub.load_state_dict_from_url",
        "torch.hub.download_url_to_file",
        "torch.load",
        "torch.save",
        "torch.tensor",
        "torch.compile",
        "torch.jit.load",
        "torch.ops.load_library",
        "torch.classes.load_library",
        "torch.package.PackageImporter",
        "torch.utils.cpp_extension.load",
        "torch.utils.cpp_extension.subprocess.run",
        "torch.utils.data.DataLoader",
        "torch.distributed.run.main",
        "torch.nn.Module.load_state_dict",
        "lightning.LightningModule.load_from_checkpoint",
        "lightning.pytorch.cli.LightningCLI",
        "lightning.seed_everything",
        "lightning.pytorch.os.system",
        "torchmetrics.functional.accuracy",
        "snn_zo.compose.torch.load",
        "snn_zo.experiment.Path",
        "snn_zo.experiment.instantiate",
        "snn_zo.config.build.import_module",
        "snn_zo.runs.environment.subprocess.run",
        "snn_zo.data.idx.urllib.request.urlopen",
        "snn_zo.strategies.FUNCTIONS",
        "snn_zo.strategies",
        "snn_zo.nothing.Here",
        "snn_zo",
    ],
)
def test_require_trusted_refuses_what_is_no_building_block(target):
    assert target in refused({"_target_": target})


@pytest.mark.parametrize(
    "target",
    [
        "snn_zo.cli.train",
        "snn_zo.cli.evaluate",
        "snn_zo.cli.hydra_commands._train",
        "snn_zo.cli.hydra_commands._to_resume",
        "snn_zo.experiment.run",
        "snn_zo.experiment.resume",
        "snn_zo.experiment.load_run",
        "snn_zo.experiment.write_atomically",
        "snn_zo.experiment.write_matrix",
        "snn_zo.config.sources.register",
        "snn_zo.config.build.build",
        "snn_zo.data.idx._download",
        "snn_zo.data.idx.read_idx",
        "snn_zo.ops.backends.implementation",
        "snn_zo.runs.environment._git",
        "snn_zo.runs.folder.RunFolder",
        "snn_zo.runs.table_file.TableFile",
        "snn_zo.callbacks.RunRecord",
    ],
)
def test_require_trusted_refuses_our_own_machinery(target):
    """Ours, but nothing that a config has a use for: among them what writes files, downloads, and starts processes."""
    assert target in refused({"_target_": target})


@pytest.mark.parametrize(
    "target",
    [
        "lightning.pytorch.callbacks.OnExceptionCheckpoint",  # writes and deletes <dirpath>/<filename>.ckpt
        "lightning.pytorch.loggers.WandbLogger",  # sends WANDB_API_KEY to settings.base_url
        "lightning.pytorch.loggers.TensorBoardLogger",  # writes to sub_dir
    ],
)
def test_require_trusted_refuses_building_blocks_that_reach_outside(target):
    assert target in refused({"_target_": target})


# ---- where it may be named


@pytest.mark.parametrize(
    "config",
    [
        {"a": [[{"b": [{"_target_": "os.system"}]}]]},
        [{"_target_": "os.system"}],
        {"optim": {"_target_": "torch.optim.Adam", "betas": [{"_target_": "os.system"}]}},
        {"optim": {"_target_": "torch.optim.Adam", "_partial_": True, "lr": {"_target_": "os.system"}}},
        {"strategy": {"_target_": "snn_zo.strategies.Expectation", "of": {"_target_": "os.system", "command": "true"}}},
        {"strategy": {"_target_": "snn_zo.strategies.Expectation", "of": [{"a": {"_target_": "os.system"}}]}},
        {"_convert_": "all", "a": {"_target_": "os.system"}},
        {1: {"_target_": "os.system"}},
        {"optim": {"_target_": "torch.optim.Adam"}, "c": {"_target_": "os.system"}},
    ],
)
def test_require_trusted_refuses_at_any_depth(config):
    assert "os.system" in refused(config)


@pytest.mark.parametrize(
    "config",
    [
        {"_target_": "${bad}", "bad": "os.system"},
        {"_target_": "${a}.${b}", "a": "os", "b": "system"},
        {"_target_": "os.${oc.env:NOTHING,system}"},
        {"_target_": "${oc.env:SNN_ZO_TEST_TARGET}"},
        {"_target_": "${oc.decode:'os.system'}"},
        {"a": "${oc.create:{_target_: os.system}}"},
        {"a": ["${oc.create:{b: [{_target_: os.system}]}}"]},
        {"a": "${oc.dict.values:b}", "b": {"c": {"_target_": "os.system"}}},
        {"_target_": r"\${bad}", "bad": "os.system"},
        {"a": r"\${oc.create:{_target_: os.system}}"},
        {"_target_": "torch.optim.Adam", "lr": r"\${oc.create:{_target_: os.system}}"},
        {"_target_": "torch.optim.Adam", "lr": r"\\\${oc.create:{_target_: os.system}}"},
    ],
)
def test_require_trusted_refuses_interpolations(config, monkeypatch):
    """Escaped ones too: Hydra resolves twice."""
    monkeypatch.setenv("SNN_ZO_TEST_TARGET", "os.system")
    refused(config)


def test_require_trusted_calls_no_resolver(tmp_path):
    """A notebook may well have registered eval."""
    OmegaConf.register_new_resolver("snn_zo_test_touch", lambda path: Path(path).touch())
    with suppress(*EXPECTED):
        require_trusted(OmegaConf.create({"a": f"${{snn_zo_test_touch:{tmp_path / 'called'}}}"}))
    OmegaConf.clear_resolver("snn_zo_test_touch")
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize(
    "target",
    [
        *(None, 5, True, 1.5, ["torch.optim.Adam"], {"torch.optim": "Adam"}, "???", "${nothing}"),
        *("", "torch", "torch.", ".torch", "torch..nn", "torch optim", "torch.optim.Adam ", " torch.optim.Adam"),
        *("../evil.Thing", "torch./evil.X", "torch.optim.Adam.step", "torch.optim.Adam()"),
    ],
)
def test_require_trusted_refuses_what_is_no_name(target):
    assert refused({"_target_": target})


@pytest.mark.parametrize("target", ["evil\ntouch it", "torch.evil\ntouch it"])
def test_require_trusted_answers_in_one_line(target):
    assert "\n" not in refused({"_target_": target})


@pytest.mark.parametrize(
    "target", ["this.s", "antigravity.geohash", "snn_zo_stray.Thing", "snn_zo_stray.__main__.Thing"]
)
def test_require_trusted_imports_nothing_else(target, tmp_path, monkeypatch):
    """Not `this`, not a file in the working directory: to import is to execute."""
    (tmp_path / "snn_zo_stray.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    refused({"_target_": target})
    assert not {"this", "antigravity", "snn_zo_stray"} & (set(sys.modules) - before)


def test_require_trusted_runs_no_script():
    """torch/utils/model_dump/__main__.py reads sys.argv and exits when it is imported."""
    refused({"_target_": "torch.utils.model_dump.__main__.main"})


# ---- SNN_ZO_TRUST


@pytest.fixture
def mine(monkeypatch):
    """A package of the user's own, which imports what packages import."""
    module = ModuleType("snn_zo_mine")
    module.Thing, module.subprocess, module.torch = type("Thing", (), {"__module__": "snn_zo_mine"}), subprocess, torch
    monkeypatch.setitem(sys.modules, "snn_zo_mine", module)
    return module


def test_trust_adds_packages(mine, monkeypatch):
    config = with_target("model", "snn_zo_mine.Thing")
    assert refused(config).endswith("set SNN_ZO_TRUST=snn_zo_mine")
    for value in ("snn_zo_mine", "other,snn_zo_mine", "snn_zo_mine,"):
        monkeypatch.setenv("SNN_ZO_TRUST", value)
        require_trusted(config)


@pytest.mark.parametrize("value", ["", ",", "snn_zo", "snn_zo_min", "snn_zo_mine2", "snn_zo_mine.Other", "*"])
def test_trust_is_of_whole_names(mine, value, monkeypatch):
    monkeypatch.setenv("SNN_ZO_TRUST", value)
    assert "snn_zo_mine.Thing" in refused(with_target("model", "snn_zo_mine.Thing"))


@pytest.mark.parametrize("target", ["os.system", "torch.hub.load", "snn_zo_mine.torch.hub.load"])
def test_trust_is_of_nothing_else(mine, target, monkeypatch):
    monkeypatch.setenv("SNN_ZO_TRUST", "snn_zo_mine")
    assert target in refused(with_target("model", target))


@pytest.mark.parametrize("place", ["logger", "trainer", "regularizer", "trainer.plugins"])
def test_trust_is_of_groups_that_can_be_the_users(mine, place, monkeypatch):
    monkeypatch.setenv("SNN_ZO_TRUST", "snn_zo_mine")
    assert "snn_zo_mine.Thing" in refused(with_target(place, "snn_zo_mine.Thing"))


@pytest.mark.parametrize(
    "target", ["os.system", "subprocess.run", "torch.load", "numpy.load", "pip.main", "hydra.utils.call", "fsspec.open"]
)
def test_trust_is_neither_advised_nor_had_for_what_is_nobodys_own(target, monkeypatch):
    """Packages of Python, those that this one is built on, and others that are installed and do not build on it."""
    assert "SNN_ZO_TRUST" not in refused(with_target("optim", target))
    monkeypatch.setenv("SNN_ZO_TRUST", target.partition(".")[0])
    assert target in refused(with_target("optim", target))
