import json
import os

import pytest

from snn_zo.atomic import append, make_folder, write_atomically, write_json
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


@pytest.mark.parametrize(
    ("mask", "file", "folder"), [(0o077, 0o600, 0o700), (0o002, 0o664, 0o775), (0o022, 0o644, 0o755)]
)
def test_files_and_folders_have_the_permissions_that_the_umask_leaves(tmp_path, mask, file, folder):
    before = os.umask(mask)
    try:
        run = RunFolder.create(tmp_path / "outputs" / "study", "name", "stem")
        write_atomically(run.last, b"content")
        append(run.metrics, "epoch\n")
    finally:
        os.umask(before)
    for path in (tmp_path / "outputs", run.path.parent, run.path, run.checkpoints):
        assert path.stat().st_mode & 0o777 == folder, path
    for path in (run.last, run.metrics):
        assert path.stat().st_mode & 0o777 == file, path


def test_write_atomically_that_is_interrupted_leaves_nothing_behind(tmp_path, monkeypatch):
    path = tmp_path / "summary.json"
    write_atomically(path, "old")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, "new")
    assert [item.name for item in tmp_path.iterdir()] == ["summary.json"]


def test_what_is_written_is_synced_before_it_is_named_and_its_folder_after(tmp_path, monkeypatch):
    """Else a loss of power may leave an empty file with the name of a whole one, or none."""
    done = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)

        def note(what, *rest, name=name, real=real):
            target = os.readlink(f"/proc/self/fd/{what}") if name == "fsync" else os.fspath(what)
            done.append((name, os.path.basename(target).partition(".json")[0]))
            return real(what, *rest)

        monkeypatch.setattr(f"os.{name}", note)
    make_folder(tmp_path / "a" / "b")
    write_atomically(tmp_path / "a" / "b" / "x.json", "{}")
    append(tmp_path / "a" / "b" / "x.json", "{}")
    assert done[-4:] == [("fsync", ".x"), ("replace", ".x"), ("fsync", "b"), ("fsync", "x")]
    assert sorted(done[:-4]) == sorted([("fsync", "a"), ("fsync", tmp_path.name)])
