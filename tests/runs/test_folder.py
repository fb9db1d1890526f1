import json
import os
import threading
import time

import pytest

from snn_zo.atomic import append, make_folder, write_atomically, write_json
from snn_zo.runs.folder import RunFolder


def fill(folder: RunFolder) -> None:
    write_atomically(folder.config, "seed: 0")


def test_create_same_second_runs_get_different_folders(tmp_path):
    folders = {RunFolder.create(tmp_path / "study", None, "local_zo-s0", fill).path for _ in range(5)}
    assert len(folders) == 5


def test_create_refuses_a_taken_name(tmp_path):
    RunFolder.create(tmp_path, "mine", "stem", fill)
    with pytest.raises(FileExistsError):
        RunFolder.create(tmp_path, "mine", "stem", fill)


@pytest.mark.parametrize("make", [lambda path: (path / "x").mkdir(parents=True), lambda path: path.touch()])
def test_create_refuses_a_name_that_something_else_has(tmp_path, make):
    make(tmp_path / "mine")
    with pytest.raises(FileExistsError) as caught:
        RunFolder.create(tmp_path, "mine", "stem", fill)
    assert caught.value.filename == str(tmp_path / "mine")


def test_create_takes_the_place_of_an_empty_folder(tmp_path):
    (tmp_path / "mine").mkdir()
    assert RunFolder.create(tmp_path, "mine", "stem", fill).config.exists()


def test_create_that_fails_on_the_way_leaves_nothing(tmp_path):
    def fails(folder: RunFolder) -> None:
        fill(folder)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        RunFolder.create(tmp_path, "mine", "stem", fails)
    assert not list(tmp_path.iterdir())
    assert RunFolder.create(tmp_path, "mine", "stem", fill).config.exists()


def test_create_gives_a_name_to_one_of_many_at_the_same_moment(tmp_path):
    barrier, made = threading.Barrier(8), []

    def create() -> None:
        barrier.wait()
        try:
            made.append(RunFolder.create(tmp_path, "mine", "stem", fill))
        except FileExistsError:
            made.append(None)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert sum(folder is not None for folder in made) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_latest_is_the_run_that_began_last_and_not_one_that_is_queued(tmp_path):
    for age, name in enumerate(("began", "before")):
        folder = RunFolder.create(tmp_path / "study", name, "stem", fill)
        write_json(folder.environment, {})
        os.utime(folder.environment, (1e9 - age, 1e9 - age))
    RunFolder.create(tmp_path / "study", "queued", "stem", fill)
    assert RunFolder.latest(tmp_path).path.name == "began"


def test_latest_takes_a_date_in_the_future_for_a_mistake_of_the_clock(tmp_path):
    now = time.time()
    for name, when in (("future", now + 1e6), ("now", now + 5), ("before", now - 1e6)):
        folder = RunFolder.create(tmp_path / "study", name, "stem", fill)
        write_json(folder.environment, {})
        os.utime(folder.environment, (when, when))
    assert RunFolder.latest(tmp_path).path.name == "now"


def test_latest_goes_on_where_a_folder_is_deleted_meanwhile(tmp_path):
    write_json(RunFolder.create(tmp_path / "study", "there", "stem", fill).environment, {})
    gone = RunFolder.create(tmp_path / "study", "gone", "stem", fill)
    gone.environment.symlink_to("nowhere")
    assert RunFolder.latest(tmp_path).path.name == "there"


def test_only_here_says_where_a_file_system_has_no_locks(tmp_path, monkeypatch):
    def no_locks(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    with pytest.raises(OSError, match="No locks") as caught, RunFolder(tmp_path).only_here():
        pass
    assert caught.value.filename == str(tmp_path / ".lock")


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
    folder = RunFolder.create(tmp_path, "a", "a", fill)
    write_json(folder.summary, {"status": "completed"})
    assert json.loads(folder.summary.read_text()) == {"status": "completed"}


@pytest.mark.parametrize(
    ("mask", "file", "folder"), [(0o077, 0o600, 0o700), (0o002, 0o664, 0o775), (0o022, 0o644, 0o755)]
)
def test_files_and_folders_have_the_permissions_that_the_umask_leaves(tmp_path, mask, file, folder):
    before = os.umask(mask)
    try:
        run = RunFolder.create(tmp_path / "outputs" / "study", "name", "stem", fill)
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
