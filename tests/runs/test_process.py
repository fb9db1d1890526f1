"""A run in a process of its own: how it ended is in its summary, whatever ended it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from snn_zo.atomic import write_json
from snn_zo.runs import process as module
from snn_zo.runs.folder import RunFolder
from snn_zo.runs.process import RunProcesses, processes

ROOT = Path(__file__).parents[2]
LASTING = """
import sys, time
from pathlib import Path
from snn_zo.atomic import write_json
from snn_zo.runs.folder import RunFolder
from snn_zo.runs.signals import end_with_parent, terminate_like_ctrl_c
end_with_parent()
folder = RunFolder(Path(sys.argv[1]))
with folder.only_here(), terminate_like_ctrl_c():
    try:
        write_json(folder.summary, {"status": "running"})
        time.sleep(60)
    except KeyboardInterrupt:
        write_json(folder.summary, {"status": "interrupted", "reason": "stopped by a signal"})
"""
ENDINGS = {
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "crashed": "import ctypes; ctypes.string_at(0)",
    "raised": "raise RuntimeError('no such thing')",
    "left": "os._exit(3)",
    "completed": "write_json(folder.summary, {'status': 'completed'})",
}
ENDING = """
import os, signal, sys
from pathlib import Path
from snn_zo.atomic import write_json
from snn_zo.runs.folder import RunFolder
folder = RunFolder(Path(sys.argv[1]))
write_json(folder.summary, {"status": "running"})
print("said before the end", flush=True)
"""


@pytest.fixture
def folder(tmp_path):
    """A queued run folder."""
    made = RunFolder(tmp_path / "study" / "run")
    write_json(made.summary, {"status": "queued", "seed": 3})
    return made


@pytest.fixture
def instead(tmp_path, monkeypatch):
    """Has run folders start some code, in place of a training."""

    def start(code: str) -> None:
        script = tmp_path / "script.py"
        script.write_text(code)
        popen = subprocess.Popen

        def replaced(command, **options):
            assert command[1:5] == ["-X", "faulthandler", "-m", "snn_zo.worker"]
            return popen([sys.executable, "-X", "faulthandler", str(script), *command[5:]], **options)

        monkeypatch.setattr(module.subprocess, "Popen", replaced)

    return start


def wait_for(condition, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("how", "code", "reason"),
    [
        ("killed", -9, "its process was killed by SIGKILL, as the kernel does when memory runs out"),
        ("crashed", -11, "its process was killed by SIGSEGV"),
        ("raised", 1, "its process ended with exit code 1"),
        ("left", 3, "its process ended with exit code 3"),
    ],
)
def test_run_that_could_not_say_how_it_ended(folder, instead, how, code, reason):
    instead(f"{ENDING}{ENDINGS[how]}")
    assert RunProcesses().run(folder.path) == code
    assert folder.read_summary() == {"status": "interrupted", "reason": reason}
    said = folder.log.read_text()
    assert said.startswith("said before the end\n")
    assert ("Fatal Python error: Segmentation fault" in said) == (how == "crashed")
    assert ("RuntimeError: no such thing" in said) == (how == "raised")


def test_run_whose_log_is_a_link_is_not_begun_and_writes_nothing_outside(folder, instead, tmp_path):
    instead(f"{ENDING}{ENDINGS['completed']}")
    outside = tmp_path / "outside"
    outside.write_text("mine")
    folder.log.symlink_to(outside)
    assert RunProcesses().run(folder.path) == 1
    assert outside.read_text() == "mine"
    assert folder.read_summary()["status"] == "interrupted"
    assert folder.read_summary()["reason"].startswith("run.log cannot be written: ")


def test_run_that_has_said_it(folder, instead):
    instead(f"{ENDING}{ENDINGS['completed']}")
    assert RunProcesses().run(folder.path) == 0
    assert folder.read_summary() == {"status": "completed"}


def test_run_gets_the_environment_without_what_a_cluster_says_of_the_sweep(folder, instead, monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "4")
    monkeypatch.setenv("SLURM_PROCID", "1")
    monkeypatch.setenv("GROUP_RANK", "1")
    instead("import json, os; print(json.dumps(dict(os.environ)))")
    RunProcesses().run(folder.path, {"OMP_NUM_THREADS": "3"})
    variables = json.loads(folder.log.read_text())
    assert variables["OMP_NUM_THREADS"] == "3"
    assert variables["PATH"] == os.environ["PATH"]
    assert not {"SLURM_NTASKS", "SLURM_PROCID", "GROUP_RANK"} & variables.keys()


def test_run_on_a_full_disk_is_over_all_the_same(folder, instead, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_json", full)
    instead(f"{ENDING}{ENDINGS['killed']}")
    assert RunProcesses().run(folder.path) == -9
    assert folder.read_summary() == {"status": "running"}


def test_stop_ends_all_runs_as_ctrl_c_does_and_starts_no_other(tmp_path, instead):
    folders = [RunFolder(tmp_path / "study" / f"run{number}") for number in range(3)]
    for each in folders:
        each.path.mkdir(parents=True)
    runs = RunProcesses()
    instead(LASTING)
    threads = [threading.Thread(target=runs.run, args=(each.path,)) for each in folders[:2]]
    for thread in threads:
        thread.start()
    wait_for(lambda: all(each.read_summary().get("status") == "running" for each in folders[:2]))
    runs.stop()
    for thread in threads:
        thread.join()
    for each in folders[:2]:
        assert each.read_summary() == {"status": "interrupted", "reason": "stopped by a signal"}
    assert runs.run(folders[2].path) == 1
    assert folders[2].read_summary() == {"status": "unknown"}


def test_stop_kills_what_does_not_end(folder, instead, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_S", 0.2)
    runs = RunProcesses()
    instead(f"{ENDING}\nimport time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)")
    thread = threading.Thread(target=runs.run, args=(folder.path,))
    thread.start()
    wait_for(lambda: folder.read_summary().get("status") == "running")
    runs.stop()
    thread.join()
    assert folder.read_summary()["reason"].startswith("its process was killed by SIGKILL")


def test_run_that_was_deleted_while_it_was_queued(folder):
    folder.summary.unlink()
    folder.path.rmdir()
    assert RunProcesses().run(folder.path) == 1
    assert not folder.path.exists()


def test_run_that_hangs_when_it_is_over_is_ended(folder, instead, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_S", 0.2)
    monkeypatch.setattr(module, "LINGER_S", 0.5)
    instead(f"{ENDING}import time; time.sleep(1); {ENDINGS['completed']}; time.sleep(60)")
    assert RunProcesses().run(folder.path) == -9
    assert folder.read_summary() == {"status": "completed"}


def test_run_in_a_process_that_is_killed_ends_too(folder, tmp_path):
    """As a worker of Ray's or of SLURM's, or the sweep itself."""
    script = tmp_path / "script.py"
    script.write_text(LASTING)
    code = f"""
import subprocess, sys
from pathlib import Path
from snn_zo.runs import process
popen = subprocess.Popen
process.subprocess.Popen = lambda command, **options: popen([sys.executable, {str(script)!r}, command[-1]], **options)
process.RunProcesses().run(Path({str(folder.path)!r}))
"""
    parent = subprocess.Popen([sys.executable, "-c", code])
    wait_for(lambda: folder.read_summary().get("status") == "running")
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_for(lambda: folder.read_summary().get("status") == "interrupted")
    with folder.only_here():
        assert folder.read_summary()["reason"] == "stopped by a signal"


@pytest.mark.parametrize(
    ("trainer", "number"),
    [
        ({}, 1),
        ({"devices": 2}, 2),
        ({"devices": [0, 3]}, 2),
        ({"devices": "auto"}, 0),
        ({"devices": -1}, 0),
    ],
)
def test_processes(trainer, number):
    assert processes(OmegaConf.create({"trainer": trainer})) == number
