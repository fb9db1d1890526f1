import json
import sys
from dataclasses import asdict
from io import StringIO

import pytest
from rich.console import Console
from rich.table import Table

from snn_zo.atomic import write_json
from snn_zo.quantity import joules
from snn_zo.report import energy as report
from snn_zo.report.result import PHASES
from tests.report.synthetic import ACCURACY, ERROR, R2

JOULES = dict(zip(PHASES, (1e-3, 2e-3, 3e-3, 4e-3, 5e-3, 6e-3), strict=True))


def summary(method="local_zo", measured="not measured", reached=True, headline=ACCURACY, value=0.9):
    modelled = {"table": "45nm_fp32", **JOULES, "total": 21e-3, "dense_total": 0.42, "ratio": 0.05}
    dense = {phase: 20 * value for phase, value in JOULES.items()} | {"total": 0.42}
    to_reach = {"0.8": {"epoch": 3, "joules": 0.0105} if reached else None}
    energy = {"modelled": modelled, "measured": measured, "dense": dense, "to_reach": to_reach}
    return {"method": method, "epochs": 7, "headline": asdict(headline) | {"value": value}, "energy": energy}


def text(table: Table) -> list[list[str]]:
    """Cells by row."""
    output = StringIO()
    Console(file=output, width=250).print(table)
    lines = [line for line in output.getvalue().splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


def test_energy_table_has_a_row_a_run_and_one_for_dense():
    first, second, dense = text(report.energy_table([summary(), summary("surrogate", 12.5, reached=False)], "0.8"))
    assert first[:4] == ["local_zo", "7", "90 %", "10.5 mJ, epoch 4"]
    assert first[4:] == ["1 mJ", "2 mJ", "3 mJ", "4 mJ", "5 mJ", "6 mJ", "21 mJ", "5 %", "not measured"]
    assert (second[3], second[-1]) == ("not reached", "12.5 J")
    assert dense[4:] == ["20 mJ", "40 mJ", "60 mJ", "80 mJ", "100 mJ", "120 mJ", "420 mJ", "100 %", ""]


@pytest.mark.parametrize(
    ("headline", "value", "headings", "cell"),
    [
        (ACCURACY, 0.9, ["test accuracy", "to 80 %"], "90 %"),
        (R2, -0.25, ["test R2", "to 0.8"], "-0.25"),
        (ERROR, 12.5, ["test mean error", "to 0.8 mV"], "12.5 mV"),
        (ERROR, None, ["test mean error", "to 0.8 mV"], "-"),
    ],
)
def test_energy_table_of_a_metric(headline, value, headings, cell):
    table = report.energy_table([summary(headline=headline, value=value)], "0.8")
    assert [column.header for column in table.columns][2:4] == headings
    assert text(table)[0][2] == cell


def test_energy_table_of_a_run_that_is_judged_by_nothing():
    table = report.energy_table([summary() | {"headline": ["nonsense"]}], "0.8")
    assert (table.columns[2].header, text(table)[0][2]) == ("test score", "-")


def test_energy_report_has_a_table_of_each_metric(tmp_path, monkeypatch, capsys):
    for name, headline in (("a", ACCURACY), ("b", ERROR), ("c", ACCURACY)):
        write_json(tmp_path / name / "summary.json", {"status": "completed"} | summary(name, headline=headline))
    monkeypatch.setattr(sys, "argv", ["energy", str(tmp_path)])
    report.main()
    rows = [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert rows == ["a", "c", "dense", "b", "dense"]


def test_pattern_table_sums_over_layers(tmp_path):
    path = tmp_path / "energy.csv"
    path.write_text(
        "layer,phase,pattern,additions,operations J,DRAM bytes,DRAM J\n"
        "hidden1,forward,rows,5,0.001,8,0.5\nhidden2,forward,rows,5,0.002,8,0.25\nhidden1,neuron,update,5,1e-6,0,0\n"
    )
    assert text(report.pattern_table(path)) == [
        ["forward", "rows", "3 mJ", "750 mJ"],
        ["neuron", "update", "1 uJ", "0 nJ"],
    ]


def test_stacked_bars_end_at_the_totals():
    pytest.importorskip("matplotlib")
    figure = report.stacked_bars([summary(), summary("surrogate")])
    shares, whole = figure.axes
    assert [text.get_text() for text in whole.texts] == ["3 mJ", "3 mJ", "60 mJ"]
    assert max(bar.get_x() + bar.get_width() for bar in shares.patches) == pytest.approx(1)
    assert max(bar.get_x() + bar.get_width() for bar in whole.patches) == pytest.approx(0.42 / 7)


def test_energy_report_shows_a_strangers_method_as_text(tmp_path, monkeypatch, capsys):
    write_json(tmp_path / "run" / "summary.json", {"status": "completed"} | summary("[bold]\x1b[31mmine"))
    monkeypatch.setattr(sys, "argv", ["energy", str(tmp_path)])
    report.main()
    assert "[bold]\N{REPLACEMENT CHARACTER}[31mmine" in capsys.readouterr().out


def test_energy_report_of_no_run_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["energy", str(tmp_path)])
    with pytest.raises(SystemExit, match="holds no run"):
        report.main()
    (tmp_path / "summary.json").write_text(json.dumps({"energy": None}))
    with pytest.raises(SystemExit, match="none of these runs has modelled energy"):
        report.main()


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0 nJ"), (3e-9, "3 nJ"), (2.5e-5, "25 uJ"), (0.75, "750 mJ"), (1234, "1.23 kJ")]
)
def test_joules(value, shown):
    assert joules(value) == shown
