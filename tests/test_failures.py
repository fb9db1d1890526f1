"""What can go wrong with a run: one clear line, a non-zero exit, and nothing lost that was computed."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from snn_zo import load_run
from snn_zo.atomic import write_json
from snn_zo.config import ConfigError
from snn_zo.runs.folder import RunFolder
from snn_zo.runs.new import resuming
from snn_zo.runs.open import open_run

QUICK = ("trainer.limit_train_batches=3", "model.hidden=[30,20]", "name=run")
ROOT = Path(__file__).parents[1]


def python(*arguments: str, folder: Path, **options) -> subprocess.CompletedProcess[str]:
    variables = os.environ | {"SNN_ZO_OUTPUTS": str(folder)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=variables, cwd=folder, capture_output=True, text=True, check=False, **options)


def train(folder: Path, *overrides: str, **options) -> subprocess.CompletedProcess[str]:
    return python(str(ROOT / "train.py"), *overrides, folder=folder, **options)


def summary(folder: Path) -> dict:
    return json.loads((folder / "digits" / "run" / "summary.json").read_text())


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "digits" / "run" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def stop(folder: Path, with_signal: int, *overrides: str) -> int:
    """Signal a run after its second epoch; its exit code."""
    variables = os.environ | {"SNN_ZO_OUTPUTS": str(folder)}
    command = [sys.executable, str(ROOT / "train.py"), *overrides]
    process = subprocess.Popen(
        command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # the tests' own processes may ignore it, which a child inherits
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert process.stdout is not None
    while "epoch   2" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(with_signal)
    process.communicate(timeout=60)
    return process.returncode


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Folder of a run of five epochs that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    result = train(folder, "trainer.max_epochs=5", *QUICK)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.mark.parametrize(
    ("with_signal", "code", "status"),
    [(signal.SIGINT, 1, "interrupted"), (signal.SIGTERM, 1, "interrupted"), (signal.SIGKILL, -9, "running")],
)
def test_resume_after_a_signal_gives_the_uninterrupted_run(tmp_path, whole, with_signal, code, status):
    assert stop(tmp_path, with_signal, "trainer.max_epochs=5", *QUICK) == code
    assert summary(tmp_path)["status"] == status
    result = train(tmp_path, "resume=latest")
    assert result.returncode == 0, result.stderr
    expected, found = weights(whole), weights(tmp_path)
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    metrics = Path("digits", "run", "metrics.csv")
    assert (tmp_path / metrics).read_bytes() == (whole / metrics).read_bytes()
    assert summary(tmp_path)["metrics"] == summary(whole)["metrics"]


KILLED = ("data.limit=10", "data.batch_size=10", "model.hidden=[20]", "trainer.max_epochs=10")


def killed_and_resumed(folder: Path, moments: str, *overrides: str) -> list[str]:
    """What tests/killed_runs.py says of each moment."""
    result = python(
        str(ROOT / "tests" / "killed_runs.py"), str(folder), "0", moments, *KILLED, *overrides, folder=folder
    )
    assert result.returncode == 0, result.stderr
    print(result.stdout)
    return result.stdout.splitlines()


def test_resume_of_a_run_that_had_stopped_early_and_was_killed_while_it_tested(tmp_path):
    """It trains no more, and has lost nothing of what was found out in its last epoch."""
    first, moment = killed_and_resumed(tmp_path, "write_matrix", "callbacks.early_stopping.patience=1")
    assert not first.startswith("epochs 10")
    assert moment.endswith(": same")


def test_resume_of_a_run_that_counts_steps_and_validates_within_epochs(tmp_path):
    overrides = ("+trainer.max_steps=17", "+trainer.val_check_interval=0.4")
    assert all(line.endswith(": same") for line in killed_and_resumed(tmp_path, "*2", *overrides)[1:])


@pytest.mark.slow
def test_resume_of_a_run_killed_at_thirty_moments(tmp_path):
    moments = killed_and_resumed(tmp_path, "*30", "callbacks.early_stopping.patience=2")[1:]
    assert len(moments) == 30
    assert all(line.endswith(": same") for line in moments)


def test_resume_of_a_completed_run_says_so(whole):
    result = train(whole, "resume=latest")
    assert result.returncode == 1
    said = "is completed: there is nothing to resume; with a larger trainer.max_epochs it is extended\n"
    assert result.stderr.endswith(said)


def test_resume_takes_no_other_setting(whole):
    result = train(whole, "resume=latest", "strategy.delta=0.1")
    assert result.returncode == 1
    assert result.stderr == "error: resume takes all settings but logger from the run folder: drop strategy.delta=0.1\n"


def test_run_that_diverges_names_epoch_step_and_checkpoint(tmp_path):
    result = train(tmp_path, *QUICK, "optim=sgd", "optim.lr=1e38", "trainer.max_epochs=2")
    assert result.returncode == 1
    # which of the two depends on the order of a sum, and so on the number of threads
    assert re.match(r"error: the loss is (nan|inf) in epoch 1, step 2; last good checkpoint: none yet\.", result.stderr)
    assert result.stderr.count("\n") == 1
    assert summary(tmp_path)["status"] == "failed"
    assert re.match(r"the loss is (nan|inf) in epoch 1, step 2", summary(tmp_path)["reason"])


def test_run_on_a_full_disk_keeps_its_last_checkpoint(tmp_path):
    """No file may grow beyond what the first checkpoint needs, as on a disk that the second one fills."""
    first = train(tmp_path, *QUICK, "trainer.max_epochs=1")
    assert first.returncode == 0, first.stderr
    size = (tmp_path / "digits" / "run" / "checkpoints" / "last.ckpt").stat().st_size
    shutil.rmtree(tmp_path / "digits")

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size - 1000, size - 1000))

    result = train(tmp_path, *QUICK, "trainer.max_epochs=2", preexec_fn=limit)
    assert result.returncode == 1
    assert result.stderr.startswith("error: File too large: ")
    assert result.stderr.count("\n") == 1
    run = tmp_path / "digits" / "run"
    assert summary(tmp_path)["status"] == "failed"
    assert "File too large" in summary(tmp_path)["reason"]
    assert not list((run / "checkpoints").iterdir()), "nothing half written"
    assert len((run / "metrics.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("outputs", "line"),
    [
        ("file", "error: Not a directory: {}/digits; outputs=FOLDER (or SNN_ZO_OUTPUTS) names another place\n"),
        ("locked", "error: Permission denied: {}/digits; outputs=FOLDER (or SNN_ZO_OUTPUTS) names another place\n"),
    ],
)
def test_run_in_a_place_that_cannot_be_written(tmp_path, outputs, line):
    if outputs == "locked" and os.geteuid() == 0:
        pytest.skip("nothing is locked for root")
    (tmp_path / "file").touch()
    (tmp_path / "locked").mkdir(mode=0o500)
    result = train(tmp_path, *QUICK, f"outputs={tmp_path / outputs}")
    assert result.returncode == 1
    assert result.stderr == line.format(tmp_path / outputs)


def test_run_name_that_is_taken(tmp_path, whole):
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    result = train(whole, *QUICK, "trainer.max_epochs=1")
    assert result.returncode == 1
    assert result.stderr.startswith("error: name=run is taken: ")
    assert result.stderr.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*")} == before


@pytest.fixture(scope="module")
def anywhere(tmp_path_factory):
    """A home folder, and a run in an odd place of it, alone in a SLURM allocation, that could not print anything."""
    home = tmp_path_factory.mktemp("home")
    slurm = {"SLURM_JOB_ID": "1", "SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
    variables = os.environ | slurm | {"HOME": str(home), "SNN_ZO_OUTPUTS": "~/My Drive (work), josé"}
    overrides = ("study=007", "name=1e5", "logger=none", "trainer.max_epochs=1", *QUICK[:2])
    command = [sys.executable, str(ROOT / "train.py"), *overrides]
    with open("/dev/full", "w") as full:
        result = subprocess.run(command, cwd=home, env=variables, stdout=full, stderr=subprocess.PIPE, check=False)
    assert result.returncode == 0, result.stderr
    return home, variables, home / "My Drive (work), josé" / "007" / "1e5"


def test_run_in_an_odd_place_is_whole(anywhere):
    home, _, run = anywhere
    assert RunFolder(run).read_summary()["status"] == "completed"
    assert {path.name for path in run.iterdir()} >= {"config.yaml", "metrics.csv", "summary.json", "run.log"}
    assert yaml.safe_load((run / "config.yaml").read_text())["name"] == "1e5"
    assert not list(home.glob("~*"))


def test_hint_can_be_pasted_into_a_shell(anywhere):
    home, variables, run = anywhere
    folder = RunFolder(run)
    write_json(folder.summary, folder.read_summary() | {"status": "interrupted"})
    command = f"{sys.executable} {ROOT / 'train.py'} {resuming(run)}"
    result = subprocess.run(command, shell=True, cwd=home, env=variables, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert folder.read_summary()["status"] == "completed"


def test_open_run_whatever_it_is_called(anywhere):
    _, _, run = anywhere
    other = run.parent / ".a b, c"
    shutil.copytree(run, other)
    config = open_run(RunFolder(other)).config
    assert config.name == ".a b, c"


def test_run_without_data_is_one_line(tmp_path):
    missing = tmp_path / "no" / "where"
    result = train(tmp_path, *QUICK, "data=nmnist", f"data.root={missing}")
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: no NMNIST recordings in {missing}/NMNIST/")
    assert result.stderr.count("\n") == 1
    assert not missing.parent.exists()


class Opener:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def _pickle(run: Path, trap: Path) -> None:
    for name in ("best", "last"):
        path = run / "checkpoints" / f"{name}.ckpt"
        checkpoint = torch.load(path, weights_only=True)
        torch.save(checkpoint | {"trap": Opener(trap)}, path)


def _target(run: Path, trap: Path) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["optim"] = {"_target_": "os.system", "command": f"touch {trap}"}
    (run / "config.yaml").write_text(yaml.safe_dump(config))


COMMANDS = {
    "eval": ("-c", "from snn_zo.cli import evaluate; evaluate()", "run={}"),
    "resume": (str(ROOT / "train.py"), "resume={}"),
}


@pytest.fixture(params=[_pickle, _target])
def malicious(request, tmp_path, whole):
    """A run folder from a stranger, and the file that it leaves behind where it gets its way."""
    run, trap = tmp_path / "study" / "run", tmp_path / "trap"
    shutil.copytree(whole / "digits" / "run", run)
    (run / "summary.json").write_text("{}")
    request.param(run, trap)
    return run, trap


@pytest.mark.parametrize("command", COMMANDS)
def test_malicious_folder_is_refused(tmp_path, malicious, command):
    run, trap = malicious
    result = python(*(part.format(run) for part in COMMANDS[command]), folder=tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert "is refused" in result.stderr or "which a run folder may not" in result.stderr
    assert not trap.exists()


def test_malicious_folder_is_refused_by_load_run(malicious):
    run, trap = malicious
    with pytest.raises(ConfigError, match=r"is refused|which a run folder may not"):
        load_run(run)
    assert not trap.exists()


@pytest.fixture
def killed(tmp_path, whole):
    """A copy of a run of five epochs that was killed before it could be tested."""
    run = tmp_path / "digits" / "run"
    shutil.copytree(whole / "digits" / "run", run)
    (run / "summary.json").write_text(json.dumps(summary(whole) | {"status": "running"}))
    return run


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_damaged_best_checkpoint_is_refused(tmp_path, killed):
    path = killed / "checkpoints" / "best.ckpt"
    flip_a_bit(path)
    result = python(*(part.format(killed) for part in COMMANDS["eval"]), folder=tmp_path)
    assert result.returncode == 1
    assert result.stderr == f"error: {path} is refused: it is damaged, as its checksum says\n"
    with pytest.raises(ConfigError, match="is damaged, as its checksum says"):
        load_run(killed)


@pytest.mark.parametrize("command", ["eval", "resume"])
def test_weights_of_another_network_are_refused(tmp_path, killed, command):
    config = yaml.safe_load((killed / "config.yaml").read_text())
    config["model"]["hidden"] = [21]
    (killed / "config.yaml").write_text(yaml.safe_dump(config))
    result = python(*(part.format(killed) for part in COMMANDS[command]), folder=tmp_path)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "does not fit config.yaml: its weights are those of another network" in result.stderr


def test_damaged_last_checkpoint_says_what_is_left_and_that_works(tmp_path, whole, killed):
    flip_a_bit(killed / "checkpoints" / "last.ckpt")
    result = train(tmp_path, f"resume={killed}")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert summary(tmp_path)["status"] == "running", "nothing is changed"
    (copy,) = re.findall(r"cp \S+best\.ckpt \S+last\.ckpt", result.stderr)
    subprocess.run(copy, shell=True, check=True)
    result = train(tmp_path, f"resume={killed}")
    assert result.returncode == 0, result.stderr
    assert summary(tmp_path)["metrics"] == summary(whole)["metrics"]
    assert (killed / "metrics.csv").read_bytes() == (whole / "digits" / "run" / "metrics.csv").read_bytes()
