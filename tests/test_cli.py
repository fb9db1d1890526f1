import json
import logging
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import yaml

from snn_zo import __version__, cli
from snn_zo.config.sources import root
from snn_zo.runs.log_file import logging_to

ROOT = Path(__file__).parents[1]
QUICK = ("trainer.max_epochs=1", "trainer.limit_train_batches=2", "model.hidden=[20]")


HEAVY = {"torch", "lightning", "torchmetrics", "numba", "scipy", "sklearn", "tonic", "wandb", "plotly", "matplotlib"}
"""What takes long to import."""


def imported(result: subprocess.CompletedProcess[str]) -> set[str]:
    """Modules that a process with PYTHONPROFILEIMPORTTIME has imported."""
    names = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines() if line.startswith("import time:")}
    assert "snn_zo" in names
    return names


@pytest.fixture
def snn_zo(tmp_path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`snn-zo` with arguments, in an empty folder."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command, variables = [sys.executable, "-m", "snn_zo", *arguments], os.environ | environment
        return subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)

    return run


def test_import_loads_nothing_heavy():
    code = f"import sys, snn_zo, snn_zo.cli; sys.exit(bool({HEAVY} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_snn_zo_help_lists_the_commands_and_loads_nothing_heavy(snn_zo):
    result = snn_zo("--help", PYTHONPROFILEIMPORTTIME="1")
    assert result.returncode == 0
    assert [line.split()[0] for line in result.stdout.splitlines()[2:]] == [
        "train",
        "eval",
        "look",
        "report",
        "bench",
        "data",
    ]
    assert not imported(result) & {*HEAVY, "hydra", "omegaconf", "numpy"}


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("trian", "did you mean train?"),
        ("evaluate", "did you mean eval?"),
        ("x", "choose from train, eval, look, report, bench, data"),
    ],
)
def test_snn_zo_unknown_command_gets_the_nearest(snn_zo, name, hint):
    result = snn_zo(name)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"error: snn-zo has no command '{name}'; {hint}\n"


def test_snn_zo_alone_says_how_it_is_used(snn_zo):
    result = snn_zo()
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout == snn_zo("--help").stdout


def test_snn_zo_version(snn_zo):
    assert snn_zo("--version").stdout == f"snn_zo {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        (["train", "--help"], "Train a spiking neural network"),
        (["train", "--hydra-help"], "Hydra ("),
        (["train", "--cfg", "job", "seed=7"], "seed: 7\n"),
        (["eval", "--help"], "usage: snn-zo-eval run=FOLDER"),
        (["look", "--help"], "usage: snn-zo-look run=FOLDER"),
        (["report", "--help"], "usage: snn-zo-report"),
        (["bench", "--help"], "Time training steps side by side"),
        (["data", "--help"], "usage: snn-zo data describe"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_snn_zo_hands_over_to_a_command(snn_zo, arguments, start):
    result = snn_zo(*arguments)
    assert (result.returncode, result.stderr) == (0, "")
    assert start in result.stdout


def test_snn_zo_train_records_a_command_that_can_be_typed(snn_zo, tmp_path):
    result = snn_zo("train", "study=a", "name=b", *QUICK, SNN_ZO_OUTPUTS=str(tmp_path / "outputs"))
    assert result.returncode == 0, result.stderr
    environment = json.loads((tmp_path / "outputs" / "a" / "b" / "env.json").read_text())
    assert environment["command"] == ["snn-zo-train", "study=a", "name=b", *QUICK]


def test_installed_commands_exist():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert set(scripts) == {"snn-zo", *(f"snn-zo-{name}" for name in ("train", "eval", "look", "report", "bench"))}
    for name, place in scripts.items():
        assert callable(EntryPoint(name, place, "console_scripts").load())


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["strategy=local_zoo"], "error: strategy=local_zoo does not exist; did you mean strategy=local_zo?"),
        (["strategy.detla=0.1"], "error: strategy.detla is not a setting; did you mean strategy.delta?"),
        (["+strategy.detla=0.1"], "error: strategy.detla is not a setting; did you mean strategy.delta?"),
        (["strategy.delta=-1"], "error: strategy.delta must be a positive number, got -1"),
        (["model.hidden=[]"], "error: model.hidden must name at least one layer of at least one neuron, got []"),
        (["trainer.max_epoch=3"], "error: trainer.max_epoch is not a setting; did you mean trainer.max_epochs?"),
        (["strategi=local_zo"], "error: strategi is not a setting; did you mean strategy?"),
        (["sweeps=metods"], "error: sweeps=metods does not exist; did you mean sweeps=methods?"),
        (["backend=gpu"], "error: backend 'gpu' does not run on cpu; these do: auto, cpu, reference"),
        (["+trainer.max_epoch=3", "data.steps=2"], "error: "),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_train_mistake_is_one_line(train, overrides, line):
    result = train(*overrides)
    assert result.returncode == 1
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["SLURM_PROCID", "RANK", "OMPI_COMM_WORLD_RANK", "LOCAL_RANK"])
def test_train_as_one_of_several_processes_is_one_line(train, tmp_path, name):
    result = train("name=a", **{name: "1"})
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert "trainer.devices=2" in result.stderr
    assert not list(tmp_path.iterdir())


def test_train_takes_no_setting_from_variables_of_lightning(train, tmp_path):
    result = train("name=a", PL_TRAINER_MAX_EPOCHS="1")
    assert result.returncode == 1
    assert result.stderr.startswith("error: PL_TRAINER_MAX_EPOCHS=1 is set in the environment: unset it")
    assert not list(tmp_path.iterdir())


def test_train_names_are_taken_as_typed(train):
    result = train("name=1e5", "study=.a (b), 'c'")
    assert result.returncode == 1
    assert result.stderr.startswith(
        "error: study becomes a folder: use up to 200 letters, digits and . + - _ = in '.a (b)"
    )


@pytest.mark.parametrize(
    "override", ["strategy.detla=0.1", "optim.lrr=1", "+trainer.max_epohcs=3", "schedule.final=abc"]
)
def test_train_misspelt_override_answers_before_anything_heavy_is_loaded(train, override):
    result = train(override, PYTHONPROFILEIMPORTTIME="1")
    assert f"error: {override.lstrip('+').partition('=')[0]}" in result.stderr
    assert not imported(result) & HEAVY


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["-m", "seed=0,1", "hydra.sweep.dir=x"], "error: hydra.sweep.dir has no effect here: a run's folder is"),
        (["-m", "seed=0,1", "hydra.sweep.subdir=x"], "error: hydra.sweep.subdir has no effect here: a run's folder is"),
        (["-m", "seed=0,1", "hydra.job.chdir=true"], "error: hydra.job.chdir has no effect here: a run's folder is"),
        (["-m", "seed=0,1", "+hydra.job.env_set.X=1"], "error: hydra.job.env_set has no effect here: set the variable"),
        (["hydra.output_subdir=.hydra"], "error: hydra.output_subdir has no effect here: a run's folder is"),
        (
            ["-m", "seed=0,1", "+hydra.callbacks.a._target_=hydra.experimental.callbacks.LogJobReturnCallback"],
            "error: hydra.callbacks: on_job_end of LogJobReturnCallback is not called in a sweep",
        ),
        (["-m", "seed=0,1", "hydra/launcher=basic"], "error: hydra/launcher: choose from joblib"),
        (["-m", "seed=${hydra:job.num}", "strategy=null,ssg"], "error: strategy=null does not exist; choose from"),
        (["strategy=0.1"], "error: strategy=0.1 does not exist; choose from"),
        (["logger=null", "schedule=null", "callbacks=null", "data=nosuch"], "error: data=nosuch does not exist"),
        (
            ["trainer.max_steps=3"],
            "error: trainer.max_steps is in no file of the config: +trainer.max_steps",
        ),
        (["-m", "-c", "job"], "error: Hydra cannot use this command line: Only one of --run, --multirun"),
        (["strategy={a:1"], "error: "),
        (["strategy='"], "error: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_train_refuses_in_one_line(train, tmp_path, arguments, line):
    result = train(*arguments)
    assert result.returncode == 1
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.glob("outputs/*/*/summary.json"))


def test_train_help_loads_nothing_heavy(train):
    result = train("--help", PYTHONPROFILEIMPORTTIME="1")
    assert not imported(result) & HEAVY
    assert result.returncode == 0
    names = sorted(path.stem for path in (root() / "conf" / "strategy").glob("*.yaml"))
    assert f"strategy: {', '.join(names)}" in " ".join(result.stdout.split())
    assert {"local_zo", "surrogate", "sparse_surrogate", "ssg"} <= set(names)


def test_train_multirun_makes_a_run_of_each_job(train, tmp_path):
    result = train("-m", "strategy=local_zo,surrogate", "seed=0,3", "study=both", *QUICK)
    assert result.returncode == 0, result.stderr
    summaries = [json.loads(path.read_text()) for path in (tmp_path / "outputs" / "both").glob("*/summary.json")]
    jobs = {(summary["method"], summary["seed"], summary["status"]) for summary in summaries}
    assert jobs == {(method, seed, "completed") for method in ("local_zo", "surrogate") for seed in (0, 3)}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outputs"]


def test_report_prints_a_row_for_each_method(train, tmp_path):
    train("strategy=local_zo", *QUICK)
    train("strategy=ssg", *QUICK)
    command = [sys.executable, "-c", "from snn_zo.cli import report; report()", str(tmp_path / "outputs")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0
    assert "local_zo" in result.stdout
    assert "ssg" in result.stdout
    missing = subprocess.run([*command[:-1], "/nowhere"], capture_output=True, text=True, check=False)
    assert missing.returncode == 1
    assert missing.stderr == "error: /nowhere holds no run (no summary.json below it)\n"


def test_wheel_holds_the_configs(tmp_path):
    """The installed package finds its configs without the checkout."""
    pytest.importorskip("hatchling")
    checkout = Path(root())
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=checkout, check=True, capture_output=True)
    import zipfile

    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "snn_zo/conf/train.yaml",
        "snn_zo/conf/strategy/local_zo.yaml",
        "snn_zo/sweeps/methods.yaml",
        "snn_zo/py.typed",
    } <= names


@pytest.mark.parametrize("name", ["\x1b[31mred", "a\nerror: b", "a\u202eb", "a\x07\x9b2Jb"])
def test_evaluate_says_nothing_to_the_terminal_itself(name, tmp_path, monkeypatch, capfd):
    """Names of folders and what configs hold are text in an error line, and no orders to the screen."""
    folder = tmp_path / name
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump({"optim": {"_target_": f"evil{name}"}}))
    for run in (folder, tmp_path / f"missing{name}"):
        monkeypatch.setattr("sys.argv", ["snn-zo-eval", f"run={run}"])
        with pytest.raises(SystemExit):
            cli.evaluate()
        (line,) = capfd.readouterr().err.splitlines()
        assert line.startswith("error: ")
        assert line.isprintable()


def test_warnings_say_nothing_to_the_terminal_themselves(capsys):
    with logging_to(None):
        logging.getLogger("snn_zo.x").warning("a server says \x1b]0;title\x07 %s", "a\nb\u202e")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable()
