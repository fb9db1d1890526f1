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

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from snn_zo import experiment, load_run
from snn_zo.compose import make_logger
from snn_zo.config import Composed
from snn_zo.config.mistakes import EXPECTED
from snn_zo.runs import wandb_logger
from snn_zo.runs.folder import RunFolder
from snn_zo.runs.open import open_run
from tests.config.test_build import composed

REFUSED = (*EXPECTED, experiment.RunFailed)


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


def socket_at(path: Path) -> None:
    """One that listens."""
    here = Path.cwd()
    os.chdir(path.parent)  # names of sockets are short
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)


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
        (
            "model.layers",
            {"hidden1": {"strategy": {"_target_": "snn_zo.strategies.LocalZO", "pool": 2**42}}},
            "model.layers.hidden1.strategy.pool would take",
        ),
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
