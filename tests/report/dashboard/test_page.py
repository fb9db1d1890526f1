import pytest

from snn_zo.report.comparison import compare
from snn_zo.report.dashboard import write_dashboard
from snn_zo.report.dashboard.tables import link
from snn_zo.report.export import runs_csv, summary_csv
from snn_zo.report.latex import latex
from snn_zo.report.runs import read_runs
from tests.calls import calls
from tests.report.dashboard.pages import Page, dashboard
from tests.report.synthetic import HOSTILE, write_many, write_run

MEGABYTE = 2**20


def test_write_dashboard_keeps_what_strangers_wrote_text(every_kind):
    page = Page(every_kind)
    assert [attributes.get("type") for attributes in page.all("script")] == ["application/json", None, None]
    assert not [name for _, attributes, _ in page.elements for name in attributes if name.startswith("on")]
    assert {tag for tag, _, _ in page.elements}.isdisjoint({"img", "iframe", "object", "embed", "link", "base", "form"})
    links = [attributes["href"] for attributes in page.all("a")]
    assert all(href.startswith(("./", "#")) for href in links)
    folders = [href for href in links if href.startswith("./")]
    assert any("%3Cimg" in href for href in folders)
    text = every_kind.read_text()
    assert "<script>window.hacked" not in text
    assert "\u202e" not in text
    assert "&lt;script&gt;window.hacked=1&lt;/script&gt;" in text
    assert any(HOSTILE[:30] in variant["label"] for variant in page.report()["variants"])


def test_write_dashboard_speaks_of_accuracies_though_a_run_says_nothing(every_kind):
    text = every_kind.read_text()
    assert "Accuracy and cost" in text
    assert "of test accuracy, in points, over common seeds" in text
    assert "the more accurate variant first" in text


def test_write_dashboard_marks_failed_dead_and_unread_runs(every_kind):
    text = every_kind.read_text()
    assert "DivergedError: the loss is nan in epoch 11" in text
    assert "Traceback (most recent call last)" in text
    assert "config.yaml cannot be read" in text
    assert '<span class="tag dead">dead</span>' in text
    assert "are running or queued" in text


def test_write_dashboard_has_the_exports(sweep):
    comparison = compare(read_runs([sweep.parent]))
    expected = {"runs.csv": runs_csv, "summary.csv": summary_csv, "comparison.tex": latex}
    assert Page(sweep).report()["downloads"] == {name: text(comparison) for name, text in expected.items()}


def test_write_dashboard_of_no_run(tmp_path):
    write_dashboard(compare([]), tmp_path / "report.html")
    assert Page(tmp_path / "report.html").report()["variants"] == []


def test_write_dashboard_of_a_thousand_runs(tmp_path):
    page = dashboard(write_many(tmp_path / "study"))
    assert page.stat().st_size < 12 * MEGABYTE
    assert len(Page(page).report()["runs"]) == 1000


def test_write_dashboard_is_work_in_proportion_to_the_runs(tmp_path):
    few, many = (calls(dashboard, write_many(tmp_path / str(runs), runs)) for runs in (100, 200))
    assert many < 2.1 * few
    assert many < 200 * 22_000


@pytest.mark.parametrize("name", ["javascript:alert(1)", "a b#c?d", "..x", "100%", "q'\"<&"])
def test_link_is_a_relative_path(name, tmp_path):
    (run,) = read_runs([write_run(tmp_path / "study", name=name)])
    href = link(run, tmp_path / "elsewhere" / "report.html")
    assert href.startswith("./../study/")
    assert not set("\"'<>&#? ") & set(href)
    assert ":" not in href
