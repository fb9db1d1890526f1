import csv
import io
import os
import subprocess
import sys

import pytest

from snn_zo.report.comparison import Comparison, compare
from snn_zo.report.export import runs_csv, summary_csv
from snn_zo.report.runs import read_runs
from tests.report.synthetic import ACCURACY, ERROR, R2, write_every_kind, write_run, write_study


@pytest.fixture(scope="module")
def comparison(tmp_path_factory) -> Comparison:
    return compare(read_runs([write_every_kind(tmp_path_factory.mktemp("every") / "study")]))


def rows(text: str) -> list[dict[str, str]]:
    found = list(csv.DictReader(io.StringIO(text)))
    assert all(None not in row and None not in row.values() for row in found)
    return found


def test_runs_csv_has_a_line_a_run(comparison):
    found = {row["path"]: row for row in rows(runs_csv(comparison))}
    assert found.keys() == {str(run.path) for run in comparison.runs}
    for run in comparison.runs:
        row = found[str(run.path)]
        assert (row["status"], row["reason"]) == (run.status, run.reason or "")
        for name in ("seed", "score", "joules", "forward_s", "dead"):
            assert row[name] == ("" if getattr(run, name) is None else str(getattr(run, name)))
        assert row["strategy.delta"] == str(run.settings.get("strategy.delta", ""))


def test_summary_csv_has_a_line_a_variant(comparison):
    found = rows(summary_csv(comparison))
    assert [row["variant"] for row in found] == [variant.label for variant in comparison.variants]
    for row, variant in zip(found, comparison.variants, strict=True):
        assert (int(row["runs"]), int(row["failed"])) == (len(variant.runs), len(variant.failed))
        estimate = variant.estimate("score")
        assert row["score"] == (str(estimate.mean) if estimate else "")
        assert row["score n"] == (str(estimate.n) if estimate else "0")
        speed_up = comparison.speed_up(variant)
        assert row["speed-up"] == (str(speed_up) if speed_up else "")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1"])
def test_csv_has_no_formulas(tmp_path, text):
    write_run(tmp_path, status="failed", reason=text)
    (row,) = rows(runs_csv(compare(read_runs([tmp_path]))))
    assert row["reason"] == f"'{text.strip()}"


def test_csv_of_numbers_keeps_their_sign(tmp_path):
    write_study(tmp_path, ["local_zo"], (0,), [{"optim.weight_decay": value} for value in (-1.0, 1.0)])
    assert [row["optim.weight_decay"] for row in rows(runs_csv(compare(read_runs([tmp_path]))))] == ["-1.0", "1.0"]


def test_csv_of_nothing():
    assert runs_csv(compare([])) == summary_csv(compare([])) == "\n"


@pytest.mark.parametrize("headline", [ACCURACY, R2, ERROR])
def test_csv_names_the_metric(tmp_path, headline):
    write_run(tmp_path, accuracy=0.5, headline=headline)
    comparison = compare(read_runs([tmp_path]))
    for text in (runs_csv(comparison), summary_csv(comparison)):
        (row,) = rows(text)
        assert (row["metric"], row["score"]) == (headline.name, "0.5")


REPORT = [sys.executable, "-c", "from snn_zo.cli import report; report()"]


def test_report_writes_files(tmp_path):
    write_every_kind(tmp_path / "study")
    files = {option: tmp_path / "made" / name for option, name in FILES.items()}
    options = [str(part) for pair in files.items() for part in pair]
    result = subprocess.run([*REPORT, str(tmp_path / "study"), *options], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert all(path.stat().st_size > 500 for path in files.values())
    assert max(map(len, result.stdout[: result.stdout.index("runs: completed")].splitlines())) <= 120


FILES = {"--csv": "runs.csv", "--summary": "summary.csv", "--latex": "table.tex"}


def test_report_of_folders_whose_names_are_no_text(tmp_path):
    path = write_run(tmp_path, status="failed").rename(tmp_path / "a\x1b[31mb\udcff")
    (path / "env.json").write_text("[")
    result = subprocess.run([*REPORT, str(tmp_path), "--csv", str(tmp_path / "c")], capture_output=True, check=False)
    assert result.returncode == 0, result.stderr
    for text in (result.stdout, (tmp_path / "c").read_bytes()):
        assert "a\ufffd[31mb\ufffd".encode() in text
        assert b"\x1b" not in text


def test_report_that_cannot_write_says_so_in_a_line(tmp_path):
    write_run(tmp_path / "study")
    command = [*REPORT, str(tmp_path / "study"), "--csv", str(tmp_path / "study"), "--latex", str(tmp_path / "t.tex")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("error: Is a directory: ")
    assert result.stderr.count("\n") == 1
    assert " 1/1 " in result.stdout, "the table is there all the same"
    assert (tmp_path / "t.tex").exists()


@pytest.mark.parametrize("command", [REPORT, [sys.executable, "-m", "snn_zo.report.energy"]])
def test_report_without_a_reader_writes_its_files(tmp_path, command):
    """As before `| head`: exit code 1, as Python's own for a broken pipe, and nothing on standard error."""
    write_study(tmp_path / "study")
    option, file = ("--latex", "table.tex") if command is REPORT else ("--figure", "bars.png")
    reader, writer = os.pipe()
    os.close(reader)
    command = [*command, str(tmp_path / "study"), option, str(tmp_path / file)]
    result = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (result.returncode, result.stderr) == (1, "")
    assert (tmp_path / file).stat().st_size > 500


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--latex", "t.tex", "--columns", "scor,active"],
            "scor is not a column; did you mean score? choose from score",
        ),
        (["--latex", "t.tex", "--columns", ","], "no column is named; choose from score"),
        (["--columns", "score"], "--columns and --spread are for the table that --latex FILE writes"),
        (["--spread", "sd"], "--columns and --spread are for the table that --latex FILE writes"),
    ],
)
def test_report_option_that_does_nothing_is_refused(tmp_path, options, said):
    write_run(tmp_path / "study")
    command = [*REPORT, str(tmp_path / "study"), "--no-html", *options]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert said in result.stderr
    assert not (tmp_path / "t.tex").exists()


def test_report_of_figures_without_matplotlib_is_a_line(tmp_path):
    code = "import sys; sys.modules['matplotlib'] = None; from snn_zo.cli import report; report()"
    command = [sys.executable, "-c", code, str(write_run(tmp_path / "study")), "--figures", str(tmp_path / "figures")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr == "error: --figures needs matplotlib, which is not installed: pip install 'snn_zo[plots]'\n"
    assert not (tmp_path / "study" / "report.html").exists()


def test_report_imports_no_torch():
    modules = "snn_zo.report.export, snn_zo.report.latex, snn_zo.report.table"
    code = f"import sys, {modules}; sys.exit(bool({{'torch', 'scipy', 'matplotlib'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
