import socket

import pytest

from snn_zo.config import ConfigError
from snn_zo.runs.wandb_logger import finish, wandb_logger

ARGUMENTS = {"project": "p", "name": "n", "group": "g"}


def test_disabled_by_environment(tmp_path):
    assert wandb_logger(mode="offline", save_dir=str(tmp_path), **ARGUMENTS) is None


def test_unknown_mode(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_MODE")
    with pytest.raises(ConfigError, match=r"logger\.mode must be offline or online"):
        wandb_logger(mode="onlin", save_dir=str(tmp_path), **ARGUMENTS)


def test_online_without_connection_goes_offline_with_one_line(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("WANDB_MODE", "online")

    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(socket, "create_connection", refuse)
    logger = wandb_logger(mode="offline", save_dir=str(tmp_path), **ARGUMENTS)
    assert logger is not None
    assert logger.experiment.offline
    logger.log_metrics({"a": 1.0}, step=0)
    finish(logger, {"status": "failed"})
    assert len(list((tmp_path / "wandb").glob("offline-run-*/run-*.wandb"))) == 1
    assert [record.levelname for record in caplog.records if record.name.startswith("snn_zo")] == ["WARNING"]
