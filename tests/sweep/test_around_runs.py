"""What a sweep does before, between and after its runs; nothing is trained."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.sweep.command_line import start, summaries, sweep

HERE = Path(__file__).parent
SLOW = pytest.mark.slow
STAND_IN = "hydra.launcher.engine=stand_in.StandIn"


@pytest.fixture
def run(tmp_path):
    """A sweep whose runs a stand-in does; it must end with `code`."""

    def run_it(
        *overrides: str, code: int = 0, flags: tuple[str, ...] = ("-m",), env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH"))))
        result = sweep(tmp_path, *overrides, STAND_IN, flags=flags, env={"PYTHONPATH": path} | (env or {}))
        assert result.returncode == code, result.stderr
        return result

    return run_it


@pytest.fixture
def done(tmp_path):
    """How many runs have been done so far."""

    def count() -> int:
        path = tmp_path / "done"
        return len(path.read_text().splitlines()) if path.exists() else 0

    return count


def test_same_sweep_again_runs_nothing(run, done, tmp_path):
    first = run("seed=0,1,2", "study=mine")
    assert first.stdout.startswith("sweep mine: 3 jobs -> outputs/mine\n[1/3] completed   seed=0   val/acc 95.0 %")
    assert done() == 3
    before = summaries(tmp_path)
    again = run("seed=0,1,2", "study=mine")
    assert again.stdout.startswith("sweep mine: 3 jobs -> outputs/mine; 3 completed before\n")
    assert "[1/3]" not in again.stdout
    assert (done(), summaries(tmp_path)) == (3, before)
    wider = run("seed=0,1,2,3", "strategy.delta=0.05,0.1", "study=mine")
    assert "8 jobs -> outputs/mine; 3 completed before\n" in wider.stdout
    assert done() == 8


def test_failed_job_is_said_and_not_repeated_unless_asked_for(run, done):
    overrides = ("optim.lr=10,0.01", "study=mine")
    first = run(*overrides, code=1)
    assert "[1/2] failed      lr=10   it diverged; details in outputs/mine/" in first.stdout
    assert "[2/2] completed   lr=0.01 " in first.stdout
    again = run(*overrides, code=1)
    assert "1 completed before; 1 failed before (rerun=failed tries again)\n" in again.stdout
    assert done() == 2
    run(*overrides, "rerun=failed", code=1)
    assert done() == 3
    run(*overrides, "rerun=all", code=1)
    assert done() == 5


def test_failed_job_does_not_end_a_sweep_in_rounds(run, done):
    result = run("optim.lr=10,0.01,0.02", "hydra.sweeper.max_batch_size=1", code=1)
    assert done() == 3
    assert "[3/3] completed   lr=0.02" in result.stdout


def test_sweeps_file_with_overrides(run, tmp_path):
    result = run("sweeps=quick", "seed=0", flags=())
    assert result.stdout.startswith("sweep quick: 3 jobs -> outputs/quick\n")
    assert "[2/3] completed   sparse_surrogate   val/acc" in result.stdout
    assert {(run["method"], run["seed"]) for run in summaries(tmp_path).values()} == {
        ("local_zo", 0),
        ("sparse_surrogate", 0),
        ("surrogate", 0),
    }


def test_sweeps_file_with_a_folder_of_configs(run, done, tmp_path):
    """An argument that is no command to Hydra does not make a single run of it."""
    (tmp_path / "conf").mkdir()
    run("sweeps=quick", flags=("--config-dir", str(tmp_path / "conf")))
    assert done() == 6


def test_study_keeps_all_commands_and_compares_all_runs(run, tmp_path):
    study = tmp_path / "outputs/mine"
    first = run("seed=0,1", "study=mine", "strategy.delta=0.1")
    assert first.stdout.endswith("dashboard  outputs/mine/report.html\n")
    second = run("seed=2", "study=mine", "strategy.delta=0.2")
    assert " 1/1 " in second.stdout, "the table is of this command's jobs"
    assert second.stdout.endswith("dashboard  outputs/mine/report.html, with 2 other runs of the study\n")
    one, other = json.loads((study / "sweep.json").read_text())["sweeps"]
    assert one["command"] == ["train.py", "-m", "seed=0,1", "study=mine", "strategy.delta=0.1", STAND_IN]
    assert (one["directory"], one["jobs"], len(one["starts"])) == (str(tmp_path), 2, 1)
    assert sorted([*one["runs"], *other["runs"]]) == [path.name for path in summaries(tmp_path)]
    page = (study / "report.html").read_text()
    assert all(path.name in page for path in summaries(tmp_path))
    assert page.count("python train.py -m seed=") == 2


def test_sweep_without_a_reader_goes_on_to_its_end(tmp_path):
    """As before `| head`."""
    path = os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH"))))
    process = start(tmp_path, "seed=0,1", "study=mine", STAND_IN, env={"PYTHONPATH": path})
    process.stdout.close()
    assert (process.wait(), process.stderr.read()) == (0, "")
    process.stderr.close()
    assert [run["status"] for run in summaries(tmp_path).values()] == ["completed", "completed"]
    assert (tmp_path / "outputs/mine/report.html").exists()


def test_study_with_a_record_that_cannot_be_read_goes_on(run, tmp_path):
    (tmp_path / "outputs/mine").mkdir(parents=True)
    (tmp_path / "outputs/mine/sweep.json").write_text("{")
    result = run("seed=0", "study=mine")
    assert result.stderr.startswith("note: sweep.json cannot be read: ")
    assert result.stderr.endswith("; it is kept as outputs/mine/sweep-unreadable-1.json\n")
    assert (tmp_path / "outputs/mine/sweep-unreadable-1.json").read_text() == "{"


def test_sweep_of_several_studies_makes_a_page_of_each(run, tmp_path):
    result = run("study=one,two", "seed=0")
    for study in ("one", "two"):
        assert f"dashboard  outputs/{study}/report.html\n" in result.stdout
        (sweep,) = json.loads((tmp_path / "outputs" / study / "sweep.json").read_text())["sweeps"]
        assert len(sweep["runs"]) == 1


def test_several_data_sets_are_one_study(run, tmp_path):
    run("data=randman,digits", "seed=0,1", "hydra.sweeper.max_batch_size=1")
    assert {path.parent.name for path in summaries(tmp_path)} == {"digits+randman"}
    assert len(summaries(tmp_path)) == 4
    assert [path.name for path in (tmp_path / "outputs").iterdir()] == ["digits+randman"]


def test_outputs_with_spaces_and_quotes(run, tmp_path):
    result = run("outputs='my runs'", "seed=0,1", 'study="it"')
    assert result.stdout.startswith("sweep it: 2 jobs -> my runs/it\n[1/2] completed   seed=0   val/acc")
    assert len(list(tmp_path.glob("my runs/it/*/summary.json"))) == 2


def test_equal_jobs_are_done_once(run, done):
    result = run("strategy.delta=0.05,0.050,5e-2")
    assert done() == 1
    assert result.stdout.count("] completed ") == 1


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (("strategy.delta=0.1,-1",), "error: strategy.delta must be a positive number, got -1\n"),
        (("strategy=local_zo,surrogate", "strategy.delta=0.1"), "error: strategy.delta is not a setting; "),
        (("seed=0,1", "name=mine"), "error: name= names one run, and a sweep has several: study= names the sweep\n"),
        (("seed=0,1", "resume=latest"), "error: resume= goes on with one run, without -m; "),
        pytest.param(("seed=0,1", "rerun=al"), "error: rerun must be failed or all, got 'al'\n", marks=SLOW),
        (("seed=0,1", "hydra/launcher=joblib", "hydra.launcher.n_job=2"), "error: hydra.launcher.n_job is not a sett"),
        (("seed=0,1", "+hydra.launcher.n_job=2"), "error: hydra.launcher: StandIn() takes no arguments\n"),
        (("sweeps=pareto", "objectives=[objective]"), "error: objectives=['objective']: hydra.sweeper.direction has 2"),
        (("seed=0,1", "outputs=file"), "error: Not a directory: "),
        pytest.param(("seed=interval(0,1)",), "error: BasicSweeper does not support sweep type : ", marks=SLOW),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_mistake_is_one_line_and_nothing_is_run(run, done, tmp_path, overrides, line):
    (tmp_path / "file").touch()
    result = run(*overrides, code=1)
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    assert done() == 0
    assert not summaries(tmp_path)


def test_study_that_may_not_be_written(run, done, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("nothing is locked for root")
    (tmp_path / "outputs/digits").mkdir(parents=True, mode=0o500)
    assert run("seed=0,1", code=1).stderr.startswith("error: Permission denied: ")
    assert done() == 0


def test_optuna_finds_the_same_runs_again(run, done, tmp_path):
    """Accuracy falls with delta and energy too; the front that Optuna writes is that of the runs."""
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    overrides = ("sweeps=pareto", "hydra.sweeper.n_trials=6", "hydra.sweeper.n_jobs=2")
    first = run(*overrides, flags=())
    assert first.stdout.startswith("sweep pareto: 6 jobs -> outputs/pareto\n[1/6] completed   ")
    assert "\n[6/6] completed   " in first.stdout
    assert done() == len(summaries(tmp_path)) == 6
    (tmp_path / "outputs/pareto/optimization_results.yaml").unlink()
    run(*overrides, flags=())
    assert done() == 6
    front = yaml.safe_load((tmp_path / "outputs/pareto/optimization_results.yaml").read_text())["solutions"]
    assert len(front) == 6, "none beats another in both"


@pytest.mark.slow
def test_optuna_goes_on_after_jobs_that_fail(run, done):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    result = run("sweeps=pareto", "hydra.sweeper.n_trials=3", "optim.lr=10", flags=(), code=1)
    assert done() == 3
    assert result.stdout.count("it diverged") >= 3
    assert result.stderr == ""


def test_dashboard_that_cannot_be_written_hides_nothing(run, tmp_path):
    (tmp_path / "outputs/mine/report.html").mkdir(parents=True)
    result = run("seed=0", "study=mine")
    assert result.stderr.startswith("error: no dashboard: ")
    assert result.stderr.count("\n") == 1
    assert "local_zo" in result.stdout


def test_sweep_in_a_place_and_of_a_name_as_typed(run, tmp_path):
    overrides = ("seed=0,1", "outputs=~/a (b), 'c'", "study=1e5")
    home = {"HOME": str(tmp_path)}
    first = run(*overrides, env=home)
    study = tmp_path / "a (b), 'c'" / "1e5"
    assert first.stdout.startswith(f"sweep 1e5: 2 jobs -> {study}\n")
    assert (study / "report.html").exists()
    assert "2 completed before" in run(*overrides, env=home).stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a (b), 'c'", "done"]


def test_sweep_of_a_name_that_cannot_be_makes_nothing(run, tmp_path):
    for override in ("study=sweep.json", "study=a/b", "outputs="):
        result = run("seed=0,1", override, code=1)
        assert result.stderr.startswith(f"error: {override.partition('=')[0]}")
        assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
