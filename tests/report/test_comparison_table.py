from io import StringIO

import pytest
from rich.console import Console

from snn_zo.headline import Headline
from snn_zo.report.comparison import compare
from snn_zo.report.interval import Estimate
from snn_zo.report.runs import read_runs
from snn_zo.report.table import SHOWN, print_comparison, score_text
from tests.report.synthetic import ACCURACY, ERROR, HOSTILE, R2, write_every_kind, write_run, write_study


def printed(path, width=100, **options) -> str:
    output = StringIO()
    print_comparison(compare(read_runs([path])), Console(file=output, width=width, **options))
    return output.getvalue()


def row(text: str, label: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f" {label} ")]
    return line.removeprefix(f" {label}").split()


def test_table_has_a_row_a_variant(tmp_path):
    for method, accuracies in {"local_zo": (0.9, 0.8, 0.85), "surrogate": (0.95,)}.items():
        for seed, accuracy in enumerate(accuracies):
            write_run(tmp_path, method, seed, accuracy=accuracy)
    write_run(tmp_path, "ssg", dead=True, accuracy=0.1)
    text = printed(tmp_path)
    assert text.splitlines()[0].strip() == "digits"
    runs, mean, low, high, *others, dead = row(text, "local_zo")
    assert (runs, mean, low, high, dead) == ("3/3", "85.0", "[72.6,", "97.4]", "0")
    assert others[:2] == ["0.53", "2.8"]
    assert row(text, "surrogate")[:2] == ["1/1", "95.0"]
    assert row(text, "surrogate")[-2:] == ["1.00", "0"]
    assert row(text, "ssg") == ["1/1", "10.0", "-", "-", "-", "-", "-", "-", "1"]


def test_table_counts_and_names_what_failed(tmp_path):
    write_study(tmp_path, ["local_zo"], (0, 1))
    path = write_run(tmp_path, seed=2, status="failed", reason="no memory")
    write_run(tmp_path, seed=3, status="running")
    write_run(tmp_path, seed=4, status="queued")
    text = printed(tmp_path)
    assert row(text, "local_zo")[0] == "2/5"
    assert row(text, "local_zo")[-3:] == ["0", "1", "2"]
    assert f"failed: local_zo, seed 2: no memory; {path}/run.log" in text.splitlines()
    assert "unfinished: 1 running, 1 queued" in text.splitlines()


def test_table_without_failures_has_no_column_for_them(tmp_path):
    write_study(tmp_path)
    assert "failed" not in printed(tmp_path)
    assert "unfinished" not in printed(tmp_path)


def test_table_says_how_many_failures_are_not_listed(tmp_path):
    write_study(tmp_path, ["local_zo"], range(SHOWN + 3), status="failed")
    lines = printed(tmp_path).splitlines()
    assert sum(line.startswith("failed: local_zo") for line in lines) == SHOWN
    assert "failed: 3 more" in lines


def test_table_of_each_data_set(tmp_path):
    write_run(tmp_path)
    write_run(tmp_path, data="nmnist", name="other")
    assert {"digits", "nmnist"} <= {line.strip() for line in printed(tmp_path).splitlines()}


@pytest.mark.parametrize("width", [100, 120, 160])
def test_table_fits(tmp_path, width):
    write_every_kind(tmp_path / "study")
    text = printed(tmp_path, width)
    table = text[: text.index("runs: completed")]
    assert max(map(len, table.splitlines())) <= width
    assert {"dead", "failed"} <= set(table.split())
    assert "…" not in table.replace(HOSTILE, "")


def test_table_shows_hostile_text_as_it_is(tmp_path):
    write_every_kind(tmp_path / "study")
    text = printed(tmp_path, 200, force_terminal=True, color_system="truecolor")
    assert "[bold red]{{7*7}}" in text
    assert "\x1b[31m" not in text.replace("\x1b[31mfailed", "")
    assert "\u202e" not in text


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (None, "-"),
        (Estimate(0.9666, None, None, 1), "96.7"),
        (Estimate(0.9666, 0.95, 0.98123, 4), "96.7 [95.0, 98.1]"),
        (Estimate(1.0, 1.0, 1.0, 2), "100.0 [100.0, 100.0]"),
    ],
)
def test_score_text(estimate, text):
    assert score_text(ACCURACY, estimate) == text


def test_score_text_of_another_metric_than_a_share():
    assert score_text(ERROR, Estimate(12.3456, 9.87654, 15.0, 4)) == "12.35 [9.877, 15]"
    assert score_text(R2, Estimate(-0.25, None, None, 1)) == "-0.25"


@pytest.mark.parametrize(
    ("headline", "heading", "note"),
    [
        (ACCURACY, "accuracy %", "accuracy: mean of"),
        (R2, "R2 ", "R2: mean of"),
        (ERROR, "mean error mV", "mean error (less is better): mean of"),
    ],
)
def test_table_is_headed_by_the_metric(tmp_path, headline, heading, note):
    write_run(tmp_path, headline=headline, accuracy=0.5)
    text = printed(tmp_path)
    assert heading in text.splitlines()[3]
    assert note in text
    assert row(text, "local_zo")[1] == {"%": "50.0"}.get(headline.unit, "0.5")


def test_table_of_each_metric_of_a_data_set(tmp_path):
    write_run(tmp_path, headline=R2)
    write_run(tmp_path, "surrogate", headline=ERROR)
    titles = [line.strip() for line in printed(tmp_path).splitlines() if line.strip().startswith("digits")]
    assert titles == ["digits (max r2)", "digits (min error mV)"]


def test_table_shows_what_a_stranger_calls_the_metric_as_it_is(tmp_path):
    write_run(tmp_path, headline=Headline("[red]x", "\x1b[31m[bold]{0}", "max", "[/]"))
    assert "\ufffd[31m[bold]{0} [/]" in printed(tmp_path, 200)
