"""A disk that fills up at any moment: no run passes for completed, no file is torn, and nothing is computed in vain."""

import csv
import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
import torch
import yaml

HERE = Path(__file__).parent
TINY = ("data.limit=10", "data.batch_size=10", "model.hidden=[20]", "logger=none", "trainer.max_epochs=2")
LAST = 140
"""A run has fewer writes than that."""

Command = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def full_disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that makes disks full."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler (cc)")
    library = tmp_path_factory.mktemp("library") / "full_disk.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, HERE / "full_disk.c", "-ldl"], check=True)
    return library


@pytest.fixture(scope="module")
def command(full_disk: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """A command and its variables; exit code, and what it said."""
    said = tmp_path_factory.mktemp("said") / "said"
    quiet = {"LD_PRELOAD": str(full_disk), "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "COLUMNS": "200"}
    with subprocess.Popen(
        [sys.executable, str(HERE / "forked.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | quiet,
        cwd=said.parent,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def call(*arguments: str, **variables: object) -> tuple[int, str]:
            task = {
                "arguments": arguments,
                "variables": {name: str(value) for name, value in variables.items()},
                "said": str(said),
            }
            print(json.dumps(task), file=process.stdin, flush=True)
            return int(process.stdout.readline()), said.read_text()

        yield call
        process.stdin.close()


def train(command: Command, outputs: Path, *overrides: str, **variables: object) -> tuple[int, str]:
    return command("train", f"outputs={outputs}", *overrides, FULL_DISK_BELOW=outputs, **variables)


@pytest.fixture(scope="module")
def whole(command: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that had room."""
    outputs = tmp_path_factory.mktemp("whole")
    code, said = train(command, outputs, *TINY, "study=s", "name=run")
    assert code == 0, said
    return outputs / "s" / "run"


def require_no_torn_file(folder: Path) -> None:
    """Each file that is there is whole, and a table may end in a row that is cut short."""
    for path in filter(Path.is_file, folder.rglob("*")):
        assert not path.name.endswith(".partial"), path
        match path.suffix:
            case ".json":
                json.loads(path.read_text())
            case ".yaml":
                assert yaml.safe_load(path.read_text()) is not None
                assert path.read_text().endswith("\n")
            case ".ckpt":
                torch.load(path, weights_only=True)
            case ".csv":
                text = path.read_text()
                header, *rows = csv.reader(text[: text.rfind("\n") + 1].splitlines())
                assert {len(row) for row in rows} <= {len(header)}, path
            case ".html":
                assert path.read_text().rstrip().endswith("</html>")


def require_same(found: Path, expected: Path) -> None:
    """The numbers of two runs, apart from times."""
    for name in ("metrics.csv", "confusion.csv", "energy.csv"):
        assert (found / name).read_bytes() == (expected / name).read_bytes(), name
    for name in ("best.ckpt", "last.ckpt"):
        ours, theirs = (torch.load(run / "checkpoints" / name, weights_only=True) for run in (found, expected))
        assert all(torch.equal(ours["state_dict"][key], value) for key, value in theirs["state_dict"].items())
    summaries = [json.loads((run / "summary.json").read_text()) for run in (found, expected)]
    for summary in summaries:
        del summary["timing"]
        summary["energy"].pop("measurement")
        summary.pop("traceback", None)
    assert summaries[0] == summaries[1]


def fill_and_go_on(command: Command, outputs: Path, whole: Path, number: int, error: int = errno.ENOSPC) -> int:
    """A run on a disk that is full from a write on, then resumed, or begun anew; the exit code of the first."""
    variables = {"FULL_DISK_FROM": number, "FULL_DISK_ERROR": error}
    code, said = train(command, outputs, *TINY, "study=s", "name=run", **variables)
    run = outputs / "s" / "run"
    require_no_torn_file(outputs)
    summary = run / "summary.json"
    completed = summary.exists() and json.loads(summary.read_text())["status"] == "completed"
    if code == 0:
        assert completed
    else:
        assert code == 1, said
        lines = [line for line in said.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, said
        assert os.strerror(error) in lines[0]
        assert "Traceback" not in said
    if not completed:
        code_then, said = train(command, outputs, f"resume={run}")
        if code_then and not (run / "config.yaml").exists():
            assert "Traceback" not in said
            shutil.rmtree(run, ignore_errors=True)  # nothing has been computed
            code_then, said = train(command, outputs, *TINY, "study=s", "name=run")
        assert code_then == 0, said
    require_same(run, whole)
    require_no_torn_file(outputs)
    return code


@pytest.mark.parametrize(
    ("number", "error"),
    [(1, errno.ENOSPC), (20, errno.EROFS), (50, errno.EIO), (70, errno.EDQUOT), (90, errno.ENOSPC)],
)
def test_run_on_a_disk_that_fills_up(command, whole, tmp_path, number, error):
    fill_and_go_on(command, tmp_path, whole, number, error)


def test_run_whose_last_summary_cannot_be_written_is_not_completed(command, tmp_path):
    """Each state of summary.json in its turn is the first that finds no room."""
    for number in count(1):
        run = tmp_path / str(number) / "s" / "run"
        variables = {"FULL_DISK_BELOW": run / "summary.json", "FULL_DISK_FROM": number}
        code, said = command("train", f"outputs={tmp_path / str(number)}", *TINY, "study=s", "name=run", **variables)
        if code == 0:
            break
        assert f"error: No space left on device: {run / 'summary.json'}; " in said
        assert not (run / "summary.json").exists() or "completed" not in (run / "summary.json").read_text()
    assert number > 1
    assert json.loads((run / "summary.json").read_text())["status"] == "completed"


@pytest.mark.slow
def test_run_on_a_disk_that_fills_up_at_each_write(command, whole, tmp_path):
    codes = [fill_and_go_on(command, tmp_path / str(number), whole, number) for number in range(1, LAST + 1)]
    assert codes == sorted(codes, reverse=True)
    assert {0, 1} == set(codes)
    print(f"{codes.count(1)} of {LAST} ended with exit code 1, {codes.count(0)} did not get that far")


SWEEP = ("seed=0", *TINY[:-1], "trainer.max_epochs=1", "study=s", "-m")


@pytest.mark.parametrize("number", [1, 12, 20])
def test_sweep_on_a_disk_that_is_full_before_its_first_run(command, tmp_path, number):
    code, said = train(command, tmp_path, *SWEEP, FULL_DISK_FROM=number)
    assert code == 1
    (line,) = said.splitlines()
    assert line.startswith(f"error: No space left on device: {tmp_path}")
    assert line.endswith("; outputs=FOLDER (or SNN_ZO_OUTPUTS) names another place")
    (tmp_path / "s" / "multirun.yaml").unlink(missing_ok=True)  # which Hydra writes, for nobody
    require_no_torn_file(tmp_path)


def test_sweep_on_a_disk_that_fills_up_before_its_first_run_can_begin(command, tmp_path):
    """The launcher has written all that it needs to go on, and there is no room for a log."""
    code, said = train(command, tmp_path, *SWEEP, FULL_DISK_FROM=36)
    assert code == 1
    assert f"error: no dashboard: No space left on device: {tmp_path}/s/report.html" in said
    assert said.endswith("the same command goes on where this one stopped\n")
    require_no_torn_file(tmp_path)


@pytest.mark.parametrize("number", [1, 2, 4, 9, 14])
def test_report_on_a_disk_that_fills_up(command, whole, tmp_path, number):
    names = {"--csv": "runs.csv", "--summary": "variants.csv", "--latex": "table.tex", "--html": "page.html"}
    options = [part for option, name in names.items() for part in (option, str(tmp_path / name))]
    variables = {"FULL_DISK_BELOW": tmp_path, "FULL_DISK_FROM": number}
    code, said = command("report", str(whole), *options, **variables)
    assert code == 1
    assert "local_zo" in said, "the table comes first"
    assert said.splitlines()[-1].startswith(f"error: No space left on device: {tmp_path}/")
    require_no_torn_file(tmp_path)
