import re

import pytest

from snn_zo.report.comparison import compare
from snn_zo.report.figures import write_figures
from snn_zo.report.runs import read_runs
from tests.report.synthetic import ERROR, write_every_kind, write_run, write_study

pytest.importorskip("matplotlib")
DELTAS = [{"strategy.delta": delta} for delta in (0.02, 0.05, 0.5)]


def figures(runs, folder) -> dict[str, str]:
    """Texts in each SVG file, by the name of the file."""
    written = write_figures(compare(read_runs([runs])), folder)
    assert set(written) == set(folder.iterdir())
    found = {}
    for path in written:
        if path.suffix == ".pdf":
            assert path.read_bytes().startswith(b"%PDF")
        else:
            found[path.stem] = "\n".join(re.findall("<!-- (.*?) -->", path.read_text()))
    return found


def test_write_figures_of_a_sweep(tmp_path):
    write_study(tmp_path / "study", ["local_zo"], (0, 1), DELTAS)
    write_study(tmp_path / "study", ["surrogate"], (0, 1))
    found = figures(tmp_path / "study", tmp_path / "figures")
    assert found.keys() == {"digits-active", "digits-energy", "digits-curves", "digits-delta"}
    for name in ("digits-active", "digits-energy", "digits-curves"):
        assert r"LocalZO, $\delta = 0.05$" in found[name]
        assert "surrogate (sigmoid)" in found[name]
    assert "validation accuracy [%]\n" in found["digits-curves"] + "\n"
    for text in ("test accuracy [%]", "active fraction [%]", r"$\delta$", "0.02", "0.05", "0.5", "LocalZO"):
        assert text in found["digits-delta"].splitlines()
    assert "surrogate" not in found["digits-delta"], "it has no delta"


def test_write_figures_draws_a_line_through_variants_that_differ_in_one_setting_alone(tmp_path):
    settings = [{**delta, "strategy.samples": m} for delta in DELTAS for m in (1, 5)]
    write_study(tmp_path / "study", ["local_zo"], (0,), settings)
    found = figures(tmp_path / "study", tmp_path / "figures")
    assert {"LocalZO, $m = 1$", "LocalZO, $m = 5$"} <= set(found["digits-delta"].splitlines())
    assert r"LocalZO, $\delta = 0.02$" in found["digits-m"]


def test_write_figures_of_a_metric_of_which_less_is_better(tmp_path):
    write_run(tmp_path / "study", headline=ERROR)
    found = figures(tmp_path / "study", tmp_path / "figures")
    assert "test mean error [mV], less is better" in found["digits-active"]


def test_write_figures_of_many_variants_names_some_and_counts_the_others(tmp_path):
    write_study(tmp_path / "study", ["local_zo"], (0,), [{"strategy.delta": 0.01 * i} for i in range(1, 21)])
    found = figures(tmp_path / "study", tmp_path / "figures")
    assert "6 others" in found["digits-active"]
    assert found["digits-active"].count("LocalZO") == 14


def test_write_figures_of_runs_of_every_kind(tmp_path):
    found = figures(write_every_kind(tmp_path / "study"), tmp_path / "figures")
    assert "digits-delta" in found


def test_write_figures_is_the_same_for_the_same_runs(tmp_path):
    write_run(tmp_path / "study")
    for name in ("a", "b"):
        figures(tmp_path / "study", tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
