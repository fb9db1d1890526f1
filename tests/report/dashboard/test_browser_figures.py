import math
import re
from itertools import combinations
from pathlib import Path

import pytest

from snn_zo.report.comparison import compare
from snn_zo.report.dashboard import write_dashboard
from tests.report.dashboard.pages import Page, dashboard
from tests.report.synthetic import write_study


def draw_all(page) -> None:
    """Everything that is due, in view or not."""
    page.evaluate("drawAll()")


def drawn(page) -> list[str]:
    return page.evaluate("[...document.querySelectorAll('.plot')].filter(p => p.data).map(p => p.id)")


def test_page_draws_every_figure_and_runs_no_foreign_script(every_kind, visit):
    page = visit(every_kind)
    draw_all(page)
    figures = ["curves", "score-active", "score-energy", "operations", "energy", "times", "layers", "swept"]
    assert drawn(page) == [*figures, "confusion", "pairs"]
    assert page.locator("#parallel path").count() == 14
    page.locator("#filter-text").fill("<script>")
    assert page.locator("#runs tbody tr:visible").count() == 1
    assert page.evaluate("window.hacked") is None
    assert page.evaluate("[...document.querySelectorAll('svg a, svg img, .plot b')].length") == 0


def test_page_blocks_scripts_that_are_not_its_own(sweep, browser):
    page = browser.new_page()
    page.goto(sweep.as_uri())
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'window.foreign = 1'}))")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.foreign = 1\">')")
    page.wait_for_timeout(100)
    assert page.evaluate("window.foreign") is None
    page.close()


def test_page_draws_what_comes_into_view(sweep, visit):
    page = visit(sweep)
    page.wait_for_selector("#curves .main-svg")
    assert "pairs" not in drawn(page)
    page.locator("#pairs").scroll_into_view_if_needed()
    page.wait_for_selector("#pairs .main-svg")
    page.locator("#legend button").last.click()
    traces = "document.getElementById('curves').data.length"
    assert page.evaluate(traces) == 9
    page.locator("#curves").scroll_into_view_if_needed()
    page.wait_for_function(f"() => {traces} === 6")


def test_legend_hides_a_variant_in_all_figures(sweep, visit):
    page = visit(sweep)
    draw_all(page)
    counts = "Object.fromEntries([...document.querySelectorAll('.plot')].map(p => [p.id, p.data?.length ?? 0]))"
    before, lines = page.evaluate(counts), page.locator("#parallel path").count()
    button = page.locator("#legend button", has_text="sparse_surrogate")
    button.click()
    draw_all(page)
    after = page.evaluate(counts)
    assert button.get_attribute("aria-pressed") == "false"
    assert (before["curves"], after["curves"]) == (9, 6)
    assert after["score-active"] == before["score-active"] - 2
    assert after["layers"] == before["layers"] - 6
    assert page.evaluate("document.getElementById('times').layout.yaxis.ticktext") == ["surrogate", "local_zo"]
    assert page.locator("#parallel path").count() == lines - 5
    button.click()
    draw_all(page)
    assert page.evaluate(counts) == before
    page.locator("#none").click()
    draw_all(page)
    assert drawn(page) == ["confusion"]
    page.locator("#all").click()
    draw_all(page)
    assert page.evaluate(counts) == before


def test_choices_change_the_figures(sweep, visit):
    page = visit(sweep)
    draw_all(page)
    title = "document.getElementById('{}').layout.{}axis.title.text"
    page.locator("#metric").select_option("train/loss")
    page.locator("#x").select_option("joules")
    page.locator("#activity-kind").select_option("spike_rate")
    draw_all(page)
    assert page.evaluate(title.format("curves", "y")) == "training loss"
    assert "energy" in page.evaluate(title.format("curves", "x"))
    assert page.evaluate(title.format("layers", "y")) == "spike rate"
    page.locator("#reference").select_option(label="local_zo")
    draw_all(page)
    assert "local_zo" in page.evaluate(title.format("pairs", "x"))
    expected = [pair for pair in Page(sweep).report()["pairs"] if pair["b"] == 1]
    assert page.evaluate("document.getElementById('pairs').data[0].x[0]") == 100 * expected[0]["difference"][0]


def test_data_sets_are_shown_one_at_a_time(tmp_path, visit):
    write_study(tmp_path / "study", seeds=(0, 1))
    write_study(tmp_path / "other", ["ssg"], seeds=(0, 1), data="randman")
    page = visit(dashboard(tmp_path))
    assert page.locator("#legend button").count() == 3
    page.locator("#dataset").select_option(label="randman")
    assert page.locator("#legend button").all_inner_texts() == ["ssg"]
    draw_all(page)
    assert page.evaluate("document.getElementById('curves').data.length") == 3


def test_theme_changes_page_and_figures(sweep, visit):
    page = visit(sweep, color_scheme="light")
    page.wait_for_selector("#curves .main-svg")
    background = "getComputedStyle(document.body).backgroundColor"
    paper = "document.getElementById('curves').layout.paper_bgcolor"
    assert page.evaluate(background) == page.evaluate(paper) == "rgb(255, 255, 255)"
    page.locator("#theme").click()
    assert page.evaluate(background) == page.evaluate(paper) != "rgb(255, 255, 255)"
    page.emulate_media(color_scheme="dark")
    page.locator("#theme").click()
    assert page.evaluate(background) == "rgb(255, 255, 255)"


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_page_does_not_scroll_sideways(width, every_kind, visit):
    page = visit(every_kind, width)
    draw_all(page)
    page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("variants", [2, 9])
def test_figures_fit_on_a_telephone(variants, tmp_path, visit):
    """Legends lie inside their figures, and no number is too small to be read."""
    write_study(tmp_path, ["local_zo"], (0,), [{"strategy.delta": 0.02 * (i + 1)} for i in range(variants)])
    page = visit(dashboard(tmp_path), 390)
    draw_all(page)
    legends = page.evaluate(
        """[...document.querySelectorAll('.plot .legend')].map(legend => {
            const [inner, outer] = [legend, legend.closest('.plot')].map(node => node.getBoundingClientRect());
            return inner.top >= outer.top && inner.left >= outer.left && inner.right <= outer.right
                && legend.querySelectorAll('text').length;
        })"""
    )
    assert legends == [5, 6, 3, 1]
    sizes = page.evaluate(
        "[...document.querySelectorAll('.plot text')].map(t => parseFloat(getComputedStyle(t).fontSize))"
    )
    assert min(sizes) >= 11
    assert page.locator("#confusion .heatmap-label").count() > 10
    legend = page.evaluate(
        "(({scrollHeight, clientHeight}) => scrollHeight - clientHeight)(document.getElementById('legend'))"
    )
    assert legend == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_variants_have_colours_of_their_own(scheme, tmp_path, visit):
    write_study(tmp_path, ["local_zo"], (0,), [{"strategy.delta": 0.02 * (i + 1)} for i in range(7)])
    page = visit(dashboard(tmp_path), color_scheme=scheme)
    colours = page.evaluate("[...document.querySelectorAll('#legend path')].map(path => path.getAttribute('stroke'))")
    points = [[int(part) for part in re.findall(r"\d+", colour)] for colour in colours]
    assert len(points) == 7
    assert min(math.dist(one, other) for one, other in combinations(points, 2)) > 60


def test_paper_has_every_figure_in_black_on_white(sweep, visit):
    page = visit(sweep, color_scheme="dark")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert len(drawn(page)) == 9
    assert page.evaluate("[...new Set([...document.querySelectorAll('.plot')].map(p => p._fullLayout.width))]") == [
        690,
        335,
    ]
    assert page.locator(".paper-legend:visible span").all_inner_texts()[:3] == [
        "surrogate",
        "local_zo",
        "sparse_surrogate",
    ]
    assert page.evaluate("document.getElementById('curves').layout.paper_bgcolor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("#theme").is_visible()
    page.emulate_media(media="screen", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    # drawn anew when it comes into view, which the browser says some time after
    page.locator("#curves").scroll_into_view_if_needed()
    page.wait_for_function("() => document.getElementById('curves').layout.paper_bgcolor != 'rgb(255, 255, 255)'")


@pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG"), ("svg", b"<svg")])
def test_figures_can_be_saved(kind, start, sweep, visit):
    page = visit(sweep)
    page.wait_for_selector("#curves .main-svg")
    page.locator("#curves").hover()
    title = f"Save as {kind.upper()}"
    with page.expect_download() as download:
        page.locator(
            f"#curves .modebar-btn[data-title^='{title}'], #curves .modebar-btn[aria-label^='{title}']"
        ).click()
    assert download.value.suggested_filename == f"curves.{kind}"
    assert Path(download.value.path()).read_bytes().startswith(start)


def test_brush_selects_runs(sweep, visit):
    page = visit(sweep)
    draw_all(page)
    told = page.locator("#brushed")
    assert told.inner_text() == "15 of 15 runs"
    grip = page.locator("#parallel .grip[data-axis=method]")
    grip.scroll_into_view_if_needed()
    box = grip.bounding_box()
    x = box["x"] + box["width"] / 2
    page.mouse.move(x, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(x, box["y"] + 0.3 * box["height"], steps=3)
    page.mouse.up()
    assert told.inner_text() == "5 of 15 runs"
    assert page.locator("#parallel path.out").count() == 10
    page.locator("#unbrush").click()
    assert told.inner_text() == "15 of 15 runs"


@pytest.mark.parametrize("status", ["queued", "running", "failed"])
def test_page_without_a_completed_run_says_so(status, tmp_path, visit):
    write_study(tmp_path / "study", ["local_zo"], seeds=(0, 1), status=status)
    page = visit(dashboard(tmp_path / "study"))
    draw_all(page)
    assert page.locator("#score-active p").inner_text().startswith("Nothing to draw")
    assert ("curves" in drawn(page)) == (status == "running")


def test_page_of_no_run_opens(tmp_path, visit):
    write_dashboard(compare([]), tmp_path / "report.html")
    draw_all(visit(tmp_path / "report.html"))
