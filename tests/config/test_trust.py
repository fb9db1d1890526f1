"""A run folder from a stranger, who wants it to do more than to be looked at: nothing in it may run code, nor write or
delete outside of it. Refusing the folder is always enough."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest
import torch
import yaml
from omegaconf import DictConfig, OmegaConf

from snn_zo import experiment, load_run
from snn_zo.compose import make_logger
from snn_zo.config import Composed
from snn_zo.config.mistakes import EXPECTED
from snn_zo.config.sources import root
from snn_zo.config.trust import GROUPS, require_trusted
from snn_zo.runs import wandb_logger
from snn_zo.runs.folder import RunFolder
from snn_zo.runs.open import open_run
from tests.config.test_build import composed

REFUSED = (*EXPECTED, experiment.RunFailed)


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


def socket_at(path: Path) -> None:
    """One that listens."""
    here = Path.cwd()
    os.chdir(path.parent)  # names of sockets are short
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)


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


# ---- whole run folders


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run of one batch."""
    outputs = tmp_path_factory.mktemp("trust")
    limits = [f"trainer.{name}=1" for name in ("max_epochs", *(f"limit_{s}_batches" for s in ("train", "val", "test")))]
    overrides = ["model.hidden=[5]", "logger=none", "schedule=none", "name=good", "trainer.accelerator=cpu"]
    config = composed(*limits, *overrides, f"outputs={outputs}")
    experiment.run(Composed.of(config), "digits", [])
    return outputs / "digits" / "good"


@pytest.fixture
def received(run, tmp_path) -> Callable[..., Path]:
    """The same folder as it comes from a stranger: stopped early, under a name of his choice and with his settings."""

    def make(called: str = "run", /, **changes: object) -> Path:
        folder = tmp_path / "outputs" / "digits" / called
        shutil.copytree(run, folder)
        (folder / "summary.json").unlink()
        config = OmegaConf.load(folder / "config.yaml")
        assert isinstance(config, DictConfig)
        changes = {"trainer.max_epochs": 2, **changes}
        for key, value in changes.items():
            OmegaConf.update(config, key, value, merge=False, force_add=True)
        (folder / "config.yaml").write_text(OmegaConf.to_yaml(config))
        return folder

    return make


def code(folder: Path, marker: Path) -> dict[str, str]:
    """Arguments of torch.hub.load that execute a file which came with the folder."""
    (folder / "hubconf.py").write_text(f"open({str(marker)!r}, 'w')\n\ndef model():\n    return 1.0\n")
    return {"repo_or_dir": str(folder), "model": "model", "source": "local"}


def test_load_run_unharmed(received):
    assert load_run(received()).config.name == "run"


def test_resume_unharmed(received):
    folder = received()
    experiment.resume(folder)
    assert (folder / "summary.json").exists()


def test_load_run_makes_no_optimizer(received):
    module = load_run(received()).module
    with pytest.raises(EXPECTED, match="a run that was loaded has no optimizer"):
        module.make_optimizer(module.parameters())
    assert module.make_schedule is None


@pytest.fixture
def logs(monkeypatch):
    """A stand-in for wandb_logger; what it was called with."""
    called = []
    monkeypatch.setattr(wandb_logger, "wandb_logger", lambda *given, **settings: called.append(settings))
    return called


ELSEWHERE = {"_target_": "snn_zo.runs.wandb_logger.wandb_logger", "project": "p", "mode": "online", "entity": "e"}


def test_resume_logs_into_the_folder_only(received, logs, monkeypatch, capsys):
    """Whatever the folder and the environment say: the folder would say where it is sent."""
    monkeypatch.setenv("WANDB_MODE", "online")
    experiment.resume(received(logger=ELSEWHERE))
    assert [settings["mode"] for settings in logs] == ["offline"]
    assert os.environ["WANDB_MODE"] == "offline"
    assert "logger.mode=online beside resume= sends it" in capsys.readouterr().err


@pytest.mark.parametrize("folders", [ELSEWHERE, None])
def test_resume_logs_as_the_command_line_asks(received, logs, folders):
    experiment.resume(received(logger=folders), composed("logger.mode=online"))
    assert [(settings["mode"], settings["project"], settings["entity"]) for settings in logs] == [
        ("online", "snn_zo", None)
    ]


def test_resume_runs_no_git_in_the_folder(received, tmp_path, monkeypatch):
    """wandb would ask it for the commit."""
    monkeypatch.delenv("WANDB_MODE")
    marker = tmp_path / "executed"
    folder = received(logger=ELSEWHERE)
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    with (folder / ".git" / "config").open("a") as file:
        file.write(f'[core]\n\tfsmonitor = "touch {marker}; false"\n')
    experiment.resume(folder)
    assert list(folder.glob("wandb/offline-run-*"))
    assert not marker.exists()


@pytest.mark.parametrize("name", ["../../../stray", "a/b", "", 5, None, "a\nb"])
def test_make_logger_takes_no_path_for_the_name_of_a_run(name, logs, tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(wandb_logger, "wandb_logger", lambda *values, **_: given.extend(values))
    make_logger(composed("name=a", "study=b"), RunFolder(tmp_path), {"wandb_id": name})
    assert given[-1] is None


def bomb(levels: int = 9) -> str:
    """9^9 items."""
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        bomb(),
        "\n".join(f"k{i}: 1" for i in range(300_000)),
        "seed: 0\n#" + 2_000_000 * "a",
        "a: " + 2000 * "[",
        "a: 1" + 400_000 * ":1",
        "a: " + 100_000 * "9",
        "!!python/object/apply:os.system [true]",
        "5",
        "a: [1",
    ],
    ids=["anchors", "keys", "comment", "depth", "sexagesimal", "digits", "python", "scalar", "cut"],
)
def test_load_run_config_that_is_too_much(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(EXPECTED):
        load_run(tmp_path)


FILES = [path.name for path in vars(RunFolder(Path("run"))).values() if path.suffix or path.name == ".lock"]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, socket_at], ids=["fifo", "folder", "socket"])
@pytest.mark.parametrize("name", [name for name in FILES if not name.endswith(".ckpt")])
def test_resume_refuses_what_is_no_file(received, make, name):
    """A FIFO would have the reader wait for ever."""
    folder = received()
    (folder / name).unlink(missing_ok=True)
    make(folder / name)
    with pytest.raises(EXPECTED, match=r"is no file|holds no config"):
        experiment.resume(folder)


@pytest.mark.parametrize("name", ["metrics.csv", "timing.csv"])
def test_resume_table_of_too_many_rows(received, name):
    folder = received()
    (folder / name).write_text("e\n" + 5_000_000 * "1\n")
    with pytest.raises(EXPECTED, match="more than 4194304 cells"):
        experiment.resume(folder)


@pytest.mark.parametrize("text", [5_000_000 * "[", '{"status": {"a": 1}}', "[]", "{", '{"status": "\\ud800"}'])
def test_read_summary_of_a_stranger(tmp_path, text):
    folder = RunFolder(tmp_path)
    folder.summary.write_text(text)
    assert isinstance(folder.read_summary().get("status", ""), str)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("data.workers", 200, "data.workers is 200"),
        ("trainer.devices", 200, "trainer.devices is 200"),
        ("model.hidden", [10**9], "model.hidden would take"),
        ("data.batch_size", 10**12, "data.batch_size times data.steps would take"),
        ("data.steps", 10**12, "data.batch_size times data.steps would take"),
        ("strategy.pool", 2**42, "strategy.pool would take"),
    ],
)
def test_load_run_absurd_resources(received, key, value, said):
    with pytest.raises(EXPECTED, match=said):
        load_run(received(**{key: value}))


def test_load_run_data_of_this_machine(received, tmp_path, monkeypatch):
    """A folder that the config names is neither filled with downloads nor written to."""
    data = {"_target_": "snn_zo.data.neuromorphic.NMNIST", "dt": 3.0, "steps": 10, "batch_size": 2}
    monkeypatch.setenv("SNN_ZO_DATA", str(tmp_path / "mine"))
    (tmp_path / "home").mkdir()
    folder = received(data=data | {"root": str(tmp_path / "home"), "cache_dir": str(tmp_path / "home")})
    settings = open_run(RunFolder(folder)).settings
    assert settings.data.root == str(tmp_path / "mine")
    assert settings.data.cache_dir == os.environ["SNN_ZO_CACHE"]
    (tmp_path / "home" / "NMNIST").mkdir()
    assert open_run(RunFolder(folder)).settings.data.root == str(tmp_path / "home")


def test_load_run_escaped_interpolation(received, tmp_path):
    """A string where it is checked, a config with a `_target_` where it is used."""
    marker = tmp_path / "executed"
    arguments = ", ".join(f"{key}: '{value}'" for key, value in code(received("code"), marker).items())
    folder = received(**{"optim.lr": f"\\${{oc.create:{{_target_: torch.hub.load, {arguments}}}}}"})
    with suppress(*EXPECTED):
        load_run(folder)
    assert not marker.exists()


def test_load_run_name_of_the_folder(received, tmp_path):
    """`config.name` becomes the folder's name after the check."""
    marker = tmp_path / "executed"
    arguments = code(received("code"), marker)
    folder = received("torch.hub.load", name="torch.optim.Adam", optim={"_target_": "${name}", **arguments})
    with suppress(*EXPECTED):
        load_run(folder)
    assert not marker.exists()


def test_load_run_imports_no_name_of_the_folder(received, tmp_path, monkeypatch):
    (tmp_path / "snn_zo_stray.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = received("snn_zo_stray.Thing", name="torch.optim.Adam", strategy={"_target_": "${name}"})
    with pytest.raises(EXPECTED):
        load_run(folder)
    assert "snn_zo_stray" not in sys.modules


def test_load_run_git_hook(received, tmp_path):
    """`git diff` runs core.fsmonitor of a repository that came with the folder."""
    marker = tmp_path / "executed"
    folder = received(optim={"_target_": "snn_zo.runs.environment._git", "folder": "${outputs}/${study}/${name}/code"})
    (folder / "code").mkdir()
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for command in (["init"], [*author, "commit", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", *command], cwd=folder / "code", check=True, capture_output=True)
    (folder / "code" / "file").touch()
    subprocess.run(["git", "add", "file"], cwd=folder / "code", check=True, capture_output=True)
    with (folder / "code" / ".git" / "config").open("a") as file:
        file.write(f'[core]\n\tfsmonitor = "touch {marker}; false"\n')
    with suppress(*EXPECTED):
        load_run(folder)
    assert not marker.exists()


def test_load_run_writes_no_file(received, tmp_path):
    """Two of our own functions: one makes a Path of a setting, the other writes to it."""
    target = tmp_path / "bashrc"
    path = {"_target_": "snn_zo.cli.hydra_commands._to_resume", "settings": {"resume": str(target)}, "overrides": []}
    write = {"_target_": "snn_zo.experiment.write_atomically", "_args_": [path, "touch it"]}
    folder = received(optim=write)
    with suppress(*EXPECTED):
        load_run(folder)
    assert not target.exists()


def test_resume_on_exception_checkpoint(received, tmp_path):
    """Lightning's callback removes its file at the end of each run, whoever made it."""
    victim = tmp_path / "precious.ckpt"
    victim.touch()
    target = "lightning.pytorch.callbacks.OnExceptionCheckpoint"
    folder = received(**{"callbacks.x": {"_target_": target, "dirpath": str(tmp_path), "filename": "precious"}})
    with suppress(*REFUSED):
        experiment.resume(folder)
    assert victim.exists()


def test_resume_file_name_of_the_checkpoint(received, tmp_path):
    folder = received(**{"callbacks.checkpoint.filename": "../../../../stray"})
    with suppress(*REFUSED):
        experiment.resume(folder)
    assert not (tmp_path / "stray.ckpt").exists()


def test_resume_second_checkpoint_callback(received, tmp_path):
    callback = {"_target_": "snn_zo.callbacks.Checkpoint", "dirpath": str(tmp_path / "stray"), "monitor": "train/loss"}
    folder = received(**{"callbacks.x": callback})
    with suppress(*REFUSED):
        experiment.resume(folder)
    assert not (tmp_path / "stray").exists()


@pytest.mark.parametrize("path", ["{folder}/checkpoints/../../../../victim", "local://{parent}/victim"])
def test_resume_state_of_the_checkpoint_callback(received, tmp_path, path):
    """Lightning removes what the checkpoint calls the previous one, folders and all."""
    (tmp_path / "victim").mkdir()
    folder = received()
    last = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    (state,) = (state for name, state in last["callbacks"].items() if name.startswith("Checkpoint"))
    state["dirpath"] = str(folder / "checkpoints")
    state["last_model_path"] = path.format(folder=folder, parent=tmp_path)
    torch.save(last, folder / "checkpoints" / "last.ckpt")
    with suppress(*REFUSED):
        experiment.resume(folder)
    assert (tmp_path / "victim").exists()


@pytest.mark.parametrize("name", ["run.log", "metrics.csv", "timing.csv", "summary.json", "env.json", "confusion.csv"])
def test_resume_follows_no_link(received, tmp_path, name):
    """An archive may hold links; text of the sender's choice gets into run.log, a line of its own even."""
    outside = tmp_path / "bashrc"
    outside.write_text("")
    folder = received(**{"optim.x\ntouch it #": 1} if name == "run.log" else {})
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(outside)
    with suppress(*REFUSED):
        experiment.resume(folder)
    assert outside.read_text() == ""


def test_resume_follows_no_link_to_checkpoints(received, tmp_path):
    folder = received()
    (folder / "checkpoints").rename(tmp_path / "elsewhere")
    (folder / "checkpoints").symlink_to(tmp_path / "elsewhere")
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "elsewhere").iterdir()}
    with suppress(*REFUSED):
        experiment.resume(folder)
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "elsewhere").iterdir()} == before


def test_resume_refuses_a_pickle(received, tmp_path):
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "executed",)

    folder = received()
    last = folder / "checkpoints" / "last.ckpt"
    torch.save(torch.load(last, weights_only=True) | {"evil": Evil()}, last)
    with pytest.raises(REFUSED, match="is refused"):
        experiment.resume(folder)
    assert not (tmp_path / "executed").exists()
