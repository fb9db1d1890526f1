"""Sweeps from the command line, with trainings: nothing that happens to one job is lost or happens to the others."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.sweep.command_line import QUICK, start, summaries, sweep

LASTING = (*QUICK, "trainer.max_epochs=6", "trainer.limit_train_batches=5", "seed=0,1")
FAILING = (*QUICK, "optim=sgd", "optim.lr=1e38,0.01")


def wait_for(condition, process: subprocess.Popen[str]):
    """What the condition gives as soon as it gives something."""
    end = time.monotonic() + 120
    while not (value := condition()):
        assert time.monotonic() < end
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    return value


def epochs(folder: Path, seed: int = 0) -> int:
    """How many are in the metrics of the run with this seed."""
    paths = folder.glob(f"outputs/study/*-s{seed}-*/metrics.csv")
    return max((len(path.read_text().splitlines()) - 1 for path in paths), default=0)


def processes(folder: Path) -> dict[int, str]:
    """Commands of the processes that train a run below the folder, by number."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_text()
        except OSError:
            continue
        if "snn_zo.worker" in command and str(folder) in command:
            found[int(path.parent.name)] = command
    return found


def metrics(folder: Path) -> dict[int, bytes]:
    return {run["seed"]: (path / "metrics.csv").read_bytes() for path, run in summaries(folder).items()}


def wandb_records(run: Path) -> dict[str, dict]:
    """The last record of each type that an offline run of wandb's holds."""
    (path,) = run.glob("wandb/offline-run-*/run-*.wandb")
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(path)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return {record["type"]: record.get(record["type"]) for record in map(json.loads, lines)}


@pytest.fixture(scope="module")
def failing(tmp_path_factory):
    """A sweep of two jobs of which the first fails, its folder and its result."""
    folder = tmp_path_factory.mktemp("failing")
    return folder, sweep(folder, *FAILING, env={"WANDB_MODE": "offline"})


def test_failing_job_does_not_stop_the_other(failing):
    folder, result = failing
    assert result.returncode == 1
    assert result.stderr == ""
    assert "[1/2] failed      lr=1e+38   the loss is " in result.stdout
    assert "[2/2] completed   lr=0.01   val/acc " in result.stdout
    bad, good = sorted(summaries(folder).items(), key=lambda item: item[1]["status"], reverse=True)
    assert (bad[1]["status"], good[1]["status"]) == ("failed", "completed")
    assert bad[1]["traceback"].rstrip().splitlines()[-1].startswith("snn_zo.training.step.DivergedError: ")
    assert bad[1]["traceback"].rstrip().splitlines()[-1] in (bad[0] / "run.log").read_text()
    assert str(bad[0].relative_to(folder) / "run.log") in result.stdout


def test_each_job_is_a_run_of_wandb_in_the_group_of_the_study(failing):
    folder, _ = failing
    ends = {}
    for path, summary in summaries(folder).items():
        records = wandb_records(path)
        run = records["run"]
        assert (run["run_group"], run["display_name"], run["run_id"]) == ("study", path.name, summary["wandb_id"])
        ends[summary["status"]] = records["exit"].get("exit_code", 0)
    assert ends == {"failed": 1, "completed": 0}


@pytest.fixture(scope="module")
def often(tmp_path_factory):
    """A sweep that was stopped in every way, each time after another epoch, and then left to its end."""
    folder = tmp_path_factory.mktemp("often")
    results = {}

    def stop(name: str, epoch: int, send) -> None:
        process = start(folder, *LASTING)
        wait_for(lambda: processes(folder) and epochs(folder) >= epoch, process)
        send(process)
        results[name] = (process.wait(60), *process.communicate())
        wait_for_end(folder)
        results[name] += (summaries(folder), epochs(folder))

    stop("terminated", 0, lambda process: process.send_signal(signal.SIGTERM))  # while it imports torch
    stop("ctrl-c", 1, lambda process: os.killpg(process.pid, signal.SIGINT))
    stop("killed", 3, lambda process: process.kill())
    results["end"] = sweep(folder, *LASTING)
    return folder, results


def wait_for_end(folder: Path) -> None:
    end = time.monotonic() + 60
    while processes(folder):
        assert time.monotonic() < end, "a run has outlived its sweep"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("how", "reason"),
    [("ctrl-c", "stopped by a signal"), ("terminated", "its process was killed by SIGTERM")],
)
def test_sweep_that_is_told_to_stop_says_so_in_a_line(often, how, reason):
    code, stdout, stderr, runs, _ = often[1][how]
    assert code == 1
    assert stderr == "error: stopped by a signal\n"
    assert stdout.rstrip().endswith("the same command goes on where this one stopped")
    assert [run["status"] for run in runs.values()] == ["interrupted", "queued"]
    assert next(iter(runs.values()))["reason"] == reason


def test_sweep_that_is_killed_takes_its_run_along(often):
    code, _, _, runs, _ = often[1]["killed"]
    assert code == -signal.SIGKILL
    assert [run["status"] for run in runs.values()] == ["interrupted", "queued"]


def test_sweep_goes_on_where_it_was_stopped(often):
    folder, results = often
    seen = [results[how][-1] for how in ("terminated", "ctrl-c", "killed")]
    assert seen == sorted(seen), "epochs are never lost"
    assert results["end"].returncode == 0, results["end"].stderr
    assert [run["status"] for run in summaries(folder).values()] == ["completed", "completed"]
    assert "goes on" not in results["end"].stdout


@pytest.fixture(scope="module")
def side_by_side(tmp_path_factory):
    """The same sweep on joblib, where the first job's process is killed once."""
    folder = tmp_path_factory.mktemp("joblib")
    process = start(folder, *LASTING, "hydra/launcher=joblib")
    wait_for(lambda: epochs(folder) >= 2, process)
    ((number, _),) = [item for item in processes(folder).items() if "-s0-" in item[1]]
    os.kill(number, signal.SIGKILL)
    stdout, stderr = process.communicate(timeout=120)
    return folder, process.returncode, stdout, stderr, summaries(folder)


def test_killed_job_loses_only_itself(side_by_side):
    _, code, stdout, stderr, runs = side_by_side
    assert (code, stderr) == (1, "")
    assert {run["seed"]: run["status"] for run in runs.values()} == {0: "interrupted", 1: "completed"}
    assert "interrupted seed=0   its process was killed by SIGKILL, as the kernel does when memory runs out" in stdout
    assert "[2/2] completed   seed=1" in stdout


def test_joblib_gives_what_the_sequential_sweep_gives(often, side_by_side):
    """Byte for byte, the runs that were interrupted too."""
    folder = side_by_side[0]
    again = sweep(folder, *LASTING, "hydra/launcher=joblib")
    assert again.returncode == 0, again.stderr
    assert "1 completed before" in again.stdout
    assert epochs(folder) == 6
    assert metrics(folder) == metrics(often[0])


@pytest.mark.parametrize("launcher", ["submitit_local", "ray"])
def test_other_engines_give_what_the_sequential_sweep_gives(often, tmp_path, launcher):
    pytest.importorskip(launcher.partition("_")[0])
    result = sweep(tmp_path, *LASTING[:-1], "seed=1", f"hydra/launcher={launcher}")
    assert result.returncode == 0, result.stderr
    assert metrics(tmp_path) == {1: metrics(often[0])[1]}


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["submitit_local", "ray"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_other_engines_stop_their_runs(often, tmp_path, launcher, how):
    process = start(tmp_path, *LASTING, f"hydra/launcher={launcher}")
    wait_for(lambda: epochs(tmp_path) >= 1, process)
    if how == signal.SIGINT:
        os.killpg(process.pid, how)
    else:
        process.send_signal(how)
    process.communicate(timeout=60)
    assert process.returncode == (-9 if how == signal.SIGKILL else 1)
    wait_for_end(tmp_path)
    result = sweep(tmp_path, *LASTING)
    assert result.returncode == 0, result.stderr
    assert metrics(tmp_path) == metrics(often[0])


@pytest.mark.slow
def test_two_sweeps_of_the_same_jobs_do_each_once(often, tmp_path):
    both = [start(tmp_path, *LASTING) for _ in range(2)]
    for process in both:
        process.communicate(timeout=300)
        assert process.returncode == 0
    assert len(summaries(tmp_path)) == 2
    assert metrics(tmp_path) == metrics(often[0])
    for path in summaries(tmp_path):
        with (path / "timing.csv").open() as file:
            assert [int(row["epoch"]) for row in csv.DictReader(file)] == list(range(6))
        assert (path / "run.log").read_text().count(" on digits, seed ") == 1


@pytest.mark.slow
def test_rerun_failed_makes_that_one_anew(failing, tmp_path):
    shutil.copytree(failing[0], tmp_path, dirs_exist_ok=True)
    result = sweep(tmp_path, *FAILING, "rerun=failed")
    assert result.returncode == 1
    assert sorted(run["status"] for run in summaries(tmp_path).values()) == ["completed", "failed", "failed"]


@pytest.mark.slow
def test_pareto_searches_with_energy(tmp_path):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    result = sweep(tmp_path, "sweeps=pareto", "hydra.sweeper.n_trials=2", *QUICK[:-1], flags=())
    assert result.returncode == 0, result.stderr
    assert len(list(tmp_path.glob("outputs/pareto/*/energy.csv"))) == 2
    assert (tmp_path / "outputs/pareto/optimization_results.yaml").exists()
