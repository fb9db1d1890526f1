"""What a run's process makes of the folder that it is given."""

import pytest

from snn_zo import experiment
from snn_zo.atomic import write_json
from snn_zo.config import ConfigError
from snn_zo.sweep.jobs import place


@pytest.fixture
def executed(monkeypatch):
    """Folders that a training would have begun in."""
    folders = []
    monkeypatch.setattr(experiment, "_execute", lambda composed, folder, backend: folders.append(folder.path))
    return folders


@pytest.mark.parametrize(
    ("status", "begins"),
    [("queued", True), ("interrupted", True), ("running", True), ("completed", False), ("failed", False)],
)
def test_execute_does_not_repeat_what_another_process_has_done(job, executed, status, begins):
    one = job("seed=1")
    place([one], None)
    write_json(one.folder.summary, one.folder.read_summary() | {"status": status})
    experiment.execute(one.path)
    assert bool(executed) == begins
    assert one.folder.read_summary()["status"] == status


def test_execute_of_what_cannot_run_here_fails(job, executed):
    one = job("backend=gpu")
    place([one], None)
    with pytest.raises(ConfigError, match="backend 'gpu' does not run on"):
        experiment.execute(one.path)
    summary = one.folder.read_summary()
    assert (summary["status"], summary["seed"]) == ("failed", 0)
    assert summary["reason"].startswith("backend 'gpu' does not run on")
    assert not executed
