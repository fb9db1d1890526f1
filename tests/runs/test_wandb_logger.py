import json
import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
import wandb
from omegaconf import OmegaConf

from snn_zo.config import Composed, ConfigError
from snn_zo.runs import wandb_logger as module
from snn_zo.runs import wandb_server
from snn_zo.runs.new import new_run
from snn_zo.runs.wandb_logger import finish, wandb_logger
from snn_zo.runs.wandb_variables import wandb_mode
from tests.fake_wandb import KEY, FakeWandb, serving

ARGUMENTS = {"project": "p", "name": "n", "group": "g"}
QUICK = ("trainer.max_epochs=1", "trainer.limit_train_batches=2", "model.hidden=[20]", "backend=reference")


@pytest.fixture
def online(monkeypatch, tmp_path):
    """wandb anew and online; a function that starts the server it talks to."""
    with ExitStack() as stack:

        def at(fake: FakeWandb) -> FakeWandb:
            stack.enter_context(serving(fake))
            monkeypatch.setenv("WANDB_BASE_URL", fake.url)
            return fake

        wandb.teardown()
        monkeypatch.setenv("WANDB_MODE", "online")
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
        monkeypatch.setenv("HOME", str(tmp_path))
        yield at
        wandb.teardown()


def inspect(folder: Path, *options: str) -> list[dict]:
    """What is in the run file of a folder."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", *options, str(folder)]
    output = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    return [json.loads(output)] if "--summary" in options else [json.loads(line) for line in output.splitlines()]


def warnings(caplog) -> list[str]:
    return [record.message for record in caplog.records if record.name.startswith("snn_zo")]


def test_disabled_by_environment(tmp_path):
    assert wandb_logger(mode="offline", save_dir=str(tmp_path), **ARGUMENTS) is None


def test_unknown_mode(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_MODE")
    with pytest.raises(ConfigError, match=r"logger\.mode must be offline or online"):
        wandb_logger(mode="onlin", save_dir=str(tmp_path), **ARGUMENTS)


def test_online_reaches_the_server(tmp_path, online, caplog):
    fake = online(FakeWandb())
    logger = wandb_logger(mode="offline", save_dir=str(tmp_path), **ARGUMENTS)
    assert not logger.experiment.offline
    finish(logger, {"status": "failed"})
    assert fake.said("UpsertBucket")["groupName"] == "g"
    assert fake.said("UpsertBucket")["displayName"] == "n"
    assert fake.exit_code(logger.experiment.id) == 1
    assert warnings(caplog) == []


@pytest.mark.parametrize(
    ("mood", "key", "reason"),
    [
        ("well", "", "no API key (wandb login stores one)"),
        ("well", "short", "WANDB_API_KEY invalid: API key must have 40+ characters, has 5."),
        ("unknown key", KEY, "invalid"),
        ("UpsertBucket", KEY, "permission denied"),
        ("silent", KEY, "no answer from 127.0.0.1 within 0.5 s"),
    ],
)
def test_online_goes_offline_with_one_line(tmp_path, online, monkeypatch, caplog, mood, key, reason):
    monkeypatch.setattr(wandb_server, "TIMEOUT_S", 0.5)
    monkeypatch.setenv("WANDB_API_KEY", key)
    online(FakeWandb(mood=mood))
    logger = wandb_logger(mode="online", save_dir=str(tmp_path), **ARGUMENTS)
    assert logger.experiment.offline
    logger.log_metrics({"a": 1.0}, step=0)
    finish(logger, {"status": "completed"})
    (line,) = warnings(caplog)
    assert reason in line
    assert line.endswith(f"logging offline (later: wandb sync {tmp_path}/wandb/offline-run-*)")
    assert len(list((tmp_path / "wandb").glob("offline-run-*/run-*.wandb"))) == 1


def refuse(*_: object) -> None:
    raise OSError


def hang(*_: object) -> None:
    time.sleep(1)
    raise OSError


@pytest.mark.parametrize(
    ("call", "behaviour", "reason"),
    [
        ("create_connection", refuse, "no connection to wandb.invalid"),
        ("getaddrinfo", hang, "no answer from wandb.invalid within 0.5 s"),
    ],
)
def test_online_without_a_network(tmp_path, online, monkeypatch, caplog, call, behaviour, reason):
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.invalid")
    monkeypatch.setattr(wandb_server, "TIMEOUT_S", 0.5)
    monkeypatch.setattr(socket, call, behaviour)
    logger = wandb_logger(mode="online", save_dir=str(tmp_path), **ARGUMENTS)
    assert logger.experiment.offline
    finish(logger, {"status": "completed"})
    (line,) = warnings(caplog)
    assert reason in line


def test_finish_without_the_connection_that_was_there(tmp_path, online, monkeypatch, caplog):
    """Does not wait for it for ever, and the next run is another one."""
    monkeypatch.setattr(module, "FINISH_TIMEOUT_S", 1.0)
    fake = online(FakeWandb())
    logger = wandb_logger(mode="online", save_dir=str(tmp_path), **ARGUMENTS)
    fake.mood = "silent"
    finish(logger, {"status": "completed"})
    (line,) = warnings(caplog)
    (folder,) = tmp_path.glob("wandb/run-*")
    assert line == f"wandb: no answer while finishing (later: wandb sync --include-online {folder})"
    assert wandb.run is None


@pytest.mark.parametrize(("status", "code"), [("completed", 0), ("failed", 1), ("interrupted", 1)])
def test_finish_leaves_the_exit_state(tmp_path, monkeypatch, status, code):
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "elsewhere"))
    logger = wandb_logger(mode="offline", save_dir=str(tmp_path), **ARGUMENTS)
    finish(logger, {"status": status, "wandb_id": logger.experiment.id})
    (summary,) = inspect(tmp_path / "wandb", "--summary")
    assert summary["exit_code"] == code
    assert summary["state"] == ("failed" if code else "finished")
    assert summary["summary"]["status"] == status
    assert not (tmp_path / "elsewhere").exists()


def test_multirun_makes_a_wandb_run_of_each_job(train, tmp_path):
    """In one process: a completed and a failed run, grouped by study, which `wandb sync` reports as such."""
    overrides = ("-m", "optim=sgd", "optim.lr=0.1,1e38", "study=both", *QUICK)
    train(*overrides, WANDB_MODE="offline")
    folders = [path.parent for path in (tmp_path / "outputs" / "both").glob("*/summary.json")]
    assert len(folders) == 2
    expected = {}
    for folder in folders:
        summary = json.loads((folder / "summary.json").read_text())
        records = inspect(folder / "wandb")
        run = next(record["run"] for record in records if "run" in record)
        assert (run["run_group"], run["display_name"]) == ("both", folder.name)
        assert run["run_id"] == summary["wandb_id"]
        expected[run["run_id"]] = {"completed": 0, "failed": 1}[summary["status"]]
        assert records[-1]["exit"]["exit_code"] == expected[run["run_id"]]
    assert sorted(expected.values()) == [0, 1]
    with serving(FakeWandb()) as fake:
        paths = [str(path) for path in tmp_path.glob("outputs/both/*/wandb/offline-run-*")]
        variables = os.environ | {"WANDB_BASE_URL": fake.url, "WANDB_API_KEY": KEY}
        command = [sys.executable, "-m", "wandb", "sync", *paths]
        subprocess.run(command, cwd=tmp_path, env=variables, check=True, capture_output=True)
        assert {run: fake.exit_code(run) for run in fake.streams} == expected
        groups = {variables["groupName"] for name, variables in fake.queries if name == "UpsertBucket"}
        assert "both" in groups


def test_runs_are_kept_apart_whatever_the_environment_says(tmp_path, monkeypatch, caplog):
    """What is left of an earlier run would make one run of two, elsewhere."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    left = {"RUN_ID": "same", "RESUME": "must", "NAME": "x", "PROJECT": "x", "RUN_GROUP": "x", "SWEEP_ID": "x"}
    for name, value in left.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "elsewhere"))
    wandb.teardown()
    ids = set()
    for name in ("a", "b"):
        logger = wandb_logger(mode="online", save_dir=str(tmp_path / name), project="p", name=name, group="g")
        run = logger.experiment
        assert (run.project, run.name, run.group, run.sweep_id) == ("p", name, "g", None)
        ids.add(run.id)
        finish(logger, {"status": "completed"})
        assert len(list((tmp_path / name / "wandb").glob("offline-run-*"))) == 1
    assert len(ids - {"same"}) == 2
    assert not (tmp_path / "elsewhere").exists()
    (line,) = warnings(caplog)
    assert all(f"WANDB_{name}" in line for name in left)


def test_settings_in_the_working_directory_are_not_read(tmp_path, monkeypatch):
    """It may be a stranger's run folder: the settings would say where the key is sent."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.chdir(tmp_path)
    for folder in ("wandb", "run/wandb"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "settings").write_text("[default]\nbase_url = http://127.0.0.1:1\nentity = evil\n")
    wandb.teardown()
    logger = wandb_logger(mode="offline", save_dir="run", **ARGUMENTS)
    assert logger.experiment.entity != "evil"
    assert wandb.setup().settings.base_url != "http://127.0.0.1:1"
    finish(logger, {"status": "completed"})
    assert Path.cwd() == tmp_path
    assert list((tmp_path / "run" / "wandb").glob("offline-run-*"))


def test_without_a_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    for name in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", "to be restored")
    wandb.teardown()
    finish(wandb_logger(mode="offline", save_dir=str(tmp_path), **ARGUMENTS), {"status": "completed"})
    assert list((tmp_path / "wandb").glob("offline-run-*"))


def test_empty_mode_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "")
    assert wandb_mode("offline") == "offline"


def test_mode_that_does_not_exist_is_refused_before_there_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "sometimes")
    config, settings = OmegaConf.create({"logger": {"mode": "offline"}}), SimpleNamespace(outputs=tmp_path)
    with pytest.raises(ConfigError, match="WANDB_MODE must be offline, online or disabled, got 'sometimes'"):
        new_run(Composed(settings, config), "study", [])
    assert not list(tmp_path.iterdir())
