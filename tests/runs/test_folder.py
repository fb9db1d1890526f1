import json
import os

import pytest

from snn_zo.atomic import write_atomically, write_json
from snn_zo.runs.folder import RunFolder


def test_create_same_second_runs_get_different_folders(tmp_path):
    folders = {RunFolder.create(tmp_path / "study", None, "local_zo-s0").path for _ in range(5)}
    assert len(folders) == 5


def test_create_refuses_a_taken_name(tmp_path):
    RunFolder.create(tmp_path, "mine", "stem")
    with pytest.raises(FileExistsError):
        RunFolder.create(tmp_path, "mine", "stem")


def test_latest_is_the_run_that_began_last_and_not_one_that_is_queued(tmp_path):
    for age, name in enumerate(("began", "before")):
        folder = RunFolder.create(tmp_path / "study", name, "stem")
        write_json(folder.environment, {})
        os.utime(folder.environment, (1e9 - age, 1e9 - age))
    write_atomically(RunFolder.create(tmp_path / "study", "queued", "stem").config, "seed: 0")
    assert RunFolder.latest(tmp_path).path.name == "began"


def test_write_atomically_leaves_old_text_when_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "summary.json"
    write_atomically(path, "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["summary.json"]


def test_write_json(tmp_path):
    folder = RunFolder.create(tmp_path, "a", "a")
    write_json(folder.summary, {"status": "completed"})
    assert json.loads(folder.summary.read_text()) == {"status": "completed"}
