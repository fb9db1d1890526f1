"""The commit that is recorded is that of the code that runs, whatever environment and settings say."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from snn_zo.runs import environment
from snn_zo.runs.environment import _git

AUTHOR = ("-c", "user.name=a", "-c", "user.email=a@example.org")


def git(folder: Path, *arguments: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(folder), *AUTHOR, *arguments]
    return subprocess.run(command, env=clean, check=True, capture_output=True, text=True).stdout.strip()


def repository(folder: Path) -> Path:
    """One with a package in it."""
    package = folder / "src" / "snn_zo"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("first\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "x")
    return package


def test_git_heeds_no_variables(tmp_path, monkeypatch):
    package, other = repository(tmp_path / "ours"), repository(tmp_path / "other")
    git(tmp_path / "other", "commit", "-qm", "y", "--allow-empty")
    monkeypatch.setenv("GIT_DIR", str(other.parents[1] / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.parents[1]))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.parents[1] / ".git" / "index"))
    assert _git(package)["sha"] == git(tmp_path / "ours", "rev-parse", "HEAD")


@pytest.mark.parametrize(
    "settings",
    [
        {"diff.external": "touch {marker}; echo another"},
        {"core.fsmonitor": "touch {marker}; false"},
        {"diff.x.textconv": "touch {marker}; echo"},
        {"color.ui": "always"},
        {"diff.noprefix": "true"},
        {"diff.mnemonicPrefix": "true"},
        {"core.pager": "touch {marker}; cat"},
        {"diff.relative": "true"},
        {"diff.orderFile": "/nowhere"},
        {"core.attributesFile": "{attributes}"},
        {"core.excludesFile": "{attributes}"},
    ],
)
def test_git_diff_is_the_same_under_any_settings(tmp_path, settings):
    package, marker = repository(tmp_path / "ours"), tmp_path / "executed"
    (tmp_path / "ours" / ".git" / "info").mkdir(exist_ok=True)
    (tmp_path / "ours" / ".git" / "info" / "attributes").write_text("*.py diff=x\n")
    attributes = tmp_path / "attributes"
    attributes.write_text("*.py -diff\n*.py\n")
    for name, value in settings.items():
        git(tmp_path / "ours", "config", name, value.format(marker=marker, attributes=attributes))
    (package / "__init__.py").write_text("second\n")
    (package / "new.py").touch()
    found = _git(package)
    assert found["untracked"] == ["new.py"]
    lines = found["diff"].splitlines()
    assert lines[0] == "diff --git a/src/snn_zo/__init__.py b/src/snn_zo/__init__.py"
    assert lines[-2:] == ["-first", "+second"]
    assert not marker.exists()


def test_git_of_a_user_with_settings(tmp_path, monkeypatch):
    """Those in the user's own file do not count either."""
    package = repository(tmp_path / "ours")
    (tmp_path / ".gitconfig").write_text("[diff]\n orderFile=/nowhere\n relative=true\n noprefix=true\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    (package / "__init__.py").write_text("second\n")
    assert _git(package)["diff"].startswith("diff --git a/src/snn_zo/__init__.py b/src/snn_zo/__init__.py")


def test_git_that_fails_is_not_taken_for_a_clean_checkout(tmp_path, monkeypatch):
    package = repository(tmp_path / "ours")
    ask = environment._ask_git
    monkeypatch.setattr(environment, "_ask_git", lambda *words: None if words[1] == "diff" else ask(*words))
    assert _git(package)["diff"] == environment.UNKNOWN


def test_git_diff_of_any_bytes_and_size(tmp_path, monkeypatch):
    package = repository(tmp_path)
    (package / "__init__.py").write_bytes(b"Temp\351rature\n")
    assert "+Temp\N{REPLACEMENT CHARACTER}rature" in _git(package)["diff"]
    monkeypatch.setattr(environment, "MAX_DIFF", 100)
    assert _git(package)["diff"].splitlines()[-1].startswith("... cut: ")


def test_git_names_files_that_it_does_not_know(tmp_path):
    package = repository(tmp_path)
    assert _git(package)["untracked"] == []
    (package / "new.py").touch()
    (tmp_path / "notes.txt").touch()
    assert _git(package)["untracked"] == ["new.py"]


def test_git_of_a_package_in_a_checkout_of_something_else(tmp_path):
    """As in a virtual environment within it, ignored or not."""
    repository(tmp_path)
    installed = tmp_path / "venv" / "snn_zo"
    shutil.copytree(tmp_path / "src" / "snn_zo", installed)
    assert _git(installed) is None
    (tmp_path / ".gitignore").write_text("venv\n")
    assert _git(installed) is None
