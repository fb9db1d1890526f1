import json
import shutil
import time
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from snn_zo.report.comparison import compare
from snn_zo.report.dashboard import headline, provenance, write_dashboard
from snn_zo.report.dashboard.payload import curves, embedded, prominence
from snn_zo.report.dashboard.tables import link
from snn_zo.report.export import latex, runs_csv, summary_csv
from snn_zo.report.runs import read_runs
from tests.report.synthetic import HOSTILE, write_every_kind, write_many, write_run, write_study

MEGABYTE = 2**20


def dashboard(*folders: Path) -> Path:
    """The page of these folders, in the first of them."""
    page = folders[0] / "report.html"
    write_dashboard(compare(read_runs(folders)), page)
    return page


class Page(HTMLParser):
    """Elements of a page, with the text right inside each."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), []))

    def handle_data(self, data):
        if self.elements:
            self.elements[-1][2].append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes, _ in self.elements if found == tag]

    def report(self) -> dict:
        (text,) = ["".join(text) for tag, attributes, text in self.elements if attributes.get("id") == "report"]
        return json.loads(text)


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a study in which everything occurs."""
    return dashboard(write_every_kind(tmp_path_factory.mktemp("every") / "study"))


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of three methods with five seeds."""
    study = tmp_path_factory.mktemp("sweep") / "study"
    write_study(study, seeds=range(5))
    return dashboard(study)


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
    write_many(tmp_path / "study")
    start = time.process_time()  # whatever else the machine does
    page = dashboard(tmp_path / "study")
    assert time.process_time() - start < 30
    assert page.stat().st_size < 12 * MEGABYTE
    assert len(Page(page).report()["runs"]) == 1000


@pytest.mark.parametrize("text", ["</script><script>x()</script>", "<!--", "\u2028\u2029", "\ud800", "a & b", "é"])
def test_embedded_is_the_same_json_and_ends_no_element(text):
    made = embedded({text: [text]})
    assert json.loads(made) == {text: [text]}
    assert made.isascii()
    assert not set("<>&") & set(made)


def test_embedded_refuses_what_json_cannot_say():
    with pytest.raises(ValueError, match="not JSON compliant"):
        embedded({"loss": float("nan")})


def test_curves_average_each_epoch_over_the_seeds_that_reached_it(tmp_path):
    write_study(tmp_path, ["local_zo"], seeds=(0, 1), epochs=7)
    write_run(tmp_path, "local_zo", 2, epochs=9, status="running")
    write_run(tmp_path, "local_zo", 3, status="failed")
    (variant,) = compare(read_runs([tmp_path])).variants
    columns = [run.metrics["val/acc"] for run in variant.runs[:3]]
    assert [len(column) for column in columns] == [7, 7, 3]
    found = curves(variant, "acc", 100)
    assert found["x"]["epoch"] == list(range(1, 8))
    for epoch in range(7):
        there = [column[epoch] for column in columns if len(column) > epoch]
        expected = np.mean(there), np.min(there), np.max(there)
        np.testing.assert_allclose([part[epoch] for part in found["y"]["val/acc"]], expected, rtol=1e-4)
    seconds = [np.cumsum(run.timing["train_s"]) for run in variant.runs[:2]]
    np.testing.assert_allclose(found["x"]["seconds"][-1], np.mean([total[-1] for total in seconds]), rtol=1e-4)


def test_curves_of_one_seed_have_no_band_and_long_ones_are_thinned(tmp_path):
    write_run(tmp_path, epochs=200)
    (variant,) = compare(read_runs([tmp_path])).variants
    found = curves(variant, "acc", 11)
    assert found["y"]["val/acc"][1:] == (None, None)
    assert len(found["x"]["epoch"]) == 11
    assert (found["x"]["epoch"][0], found["x"]["epoch"][-1]) == (1, 200)


def test_prominence_puts_the_best_of_each_method_and_the_fronts_first(tmp_path):
    write_study(tmp_path, ["local_zo"], settings=[{"strategy.delta": delta} for delta in (0.02, 0.1, 0.2)])
    write_study(tmp_path, ["surrogate"])
    variants = compare(read_runs([tmp_path])).variants
    assert [variant.method for variant in variants] == ["local_zo", "local_zo", "local_zo", "surrogate"]
    assert prominence(variants, "digits", {"active": [[2]], "joules": [[2, 3]]}) == [0, 3, 2, 1]


def said(folder: Path) -> str:
    comparison = compare(read_runs([folder]))
    ranked = sorted(comparison.variants, key=lambda v: -(v.estimate("accuracy") or (0,))[0])
    return " ".join(headline.findings(comparison, ranked)).replace("\N{NO-BREAK SPACE}", " ")


def accuracies(folder: Path, **methods: list[float]) -> Path:
    for method, values in methods.items():
        for seed, value in enumerate(values):
            write_run(folder, method, seed, accuracy=value)
    return folder


def test_findings_of_a_clear_winner_name_the_price_of_the_cheapest(tmp_path):
    text = said(accuracies(tmp_path, surrogate=[0.9] * 10, local_zo=[0.8] * 10))
    assert "<strong>surrogate</strong> has the highest mean test accuracy of 2 variants: 90.0 %" in text
    assert "ahead of local_zo by 10.00 points (95 % interval 10.00 to 10.00, 10 seeds)" in text
    assert "not to be told apart" not in text
    assert "too narrow" not in text
    assert "<strong>local_zo</strong> took" in text
    assert "for 10.00 points less" in text


def test_findings_do_not_tell_apart_what_overlaps(tmp_path):
    text = said(accuracies(tmp_path, surrogate=[0.9, 0.8, 0.9], local_zo=[0.8, 0.9, 0.85]))
    assert "<strong>not to be told apart</strong> from local_zo (+1.67 points, 95 % interval" in text
    assert "Of these, <strong>local_zo</strong> took the least energy" in text
    assert "ahead" not in text


def test_findings_do_not_hide_that_the_highest_mean_is_behind_on_common_seeds(tmp_path):
    """Its mean is the higher one by a seed that the other has not run."""
    text = said(accuracies(tmp_path, local_zo=[0.80, 0.81, 0.80, 0.99], surrogate=[0.82, 0.84, 0.82]))
    assert "<strong>local_zo</strong> has the highest mean" in text
    assert "On the seeds that both have completed it is behind surrogate" in text
    assert "not to be told apart" not in text


def test_findings_of_few_seeds_warn(tmp_path):
    assert "With 2 seeds such an interval is easily too narrow" in said(
        accuracies(tmp_path, surrogate=[0.9, 0.9], local_zo=[0.8, 0.8])
    )


def test_findings_of_one_seed_claim_nothing(tmp_path):
    text = said(accuracies(tmp_path, surrogate=[0.9], local_zo=[0.5]))
    assert "(one seed, so no interval)" in text
    assert "Whether it is better than local_zo cannot be said from fewer than two common seeds (+40.00 points" in text
    assert "ahead" not in text
    assert "told apart" not in text


def test_findings_recommend_nothing_for_want_of_common_seeds(tmp_path):
    write_run(tmp_path, "surrogate", 0, accuracy=0.9)
    write_run(tmp_path, "local_zo", 1, accuracy=0.5)
    text = said(tmp_path)
    assert "(no seed in common)" in text
    assert "Of these" not in text


def test_findings_without_a_completed_run(tmp_path):
    write_run(tmp_path, status="queued")
    assert said(tmp_path) == "On digits no run is completed yet: there is nothing to compare."


@pytest.mark.parametrize("name", ["javascript:alert(1)", "a b#c?d", "..x", "100%", "q'\"<&"])
def test_link_is_a_relative_path(name, tmp_path):
    (run,) = read_runs([write_run(tmp_path / "study", name=name)])
    href = link(run, tmp_path / "elsewhere" / "report.html")
    assert href.startswith("./../study/")
    assert not set("\"'<>&#? ") & set(href)
    assert ":" not in href


def test_facts_say_what_differs(tmp_path):
    write_run(tmp_path, seed=0)
    write_run(tmp_path, seed=1)
    write_run(tmp_path, seed=2, hardware={"threads": 1})
    first, *others = provenance.facts(read_runs([tmp_path]))
    assert (first.name, first.values) == ("threads", [("4", 2), ("1", 1)])
    assert not any(fact.differs for fact in others)
    assert others[-1].values == [("snn_zo 0.1.0, torch 2.13.0+cpu, lightning 2.6.6, numpy 2.4.6", 3)]


def test_commands_are_one_line_each(tmp_path):
    path = write_run(tmp_path, name="two\nlines")
    (path / "overrides.yaml").write_text(json.dumps(["a=$(x)\nrm b"]))
    assert provenance.single_commands(read_runs([tmp_path])) == ["python train.py 'a=$(x) rm b'    # two lines"]


def test_commands_of_sweeps_and_of_single_runs(tmp_path):
    write_run(tmp_path / "study", "local_zo", 3, {"strategy.delta": 0.2})
    record = {"command": ["train.py", "sweeps=quick", "a=b c"], "started": "2026-01-02T03:04:05+00:00"}
    (tmp_path / "study" / "sweep.json").write_text(json.dumps(record))
    runs = read_runs([tmp_path])
    expected = "python train.py sweeps=quick 'a=b c'    # 2026-01-02T03:04:05+00:00"
    assert provenance.sweeps(runs) == [("study", expected)]
    (line,) = provenance.single_commands(runs)
    assert line.startswith("python train.py strategy=local_zo seed=3 strategy.delta=0.2    # local_zo-s3")


# ---- in a browser ----


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright (pip install 'snn_zo[dev]')")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("needs a chromium in PATH")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def visit(browser):
    """Opens a page; at the end nothing may have left the machine or gone wrong."""
    contexts, requests, errors = [], [], []

    def visit(path: Path, width: int = 1280, **settings):
        context = browser.new_context(viewport={"width": width, "height": 900}, accept_downloads=True, **settings)
        contexts.append(context)
        context.on("request", lambda request: requests.append(request.url))
        page = context.new_page()
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(path.as_uri())
        return page

    yield visit
    for context in contexts:
        context.close()
    assert errors == []
    assert [url for url in requests if not url.startswith(("file:", "blob:", "data:"))] == []


def draw_all(page) -> None:
    """Everything that is due, in view or not."""
    page.evaluate("drawAll()")


def drawn(page) -> list[str]:
    return page.evaluate("[...document.querySelectorAll('.plot')].filter(p => p.data).map(p => p.id)")


def test_page_draws_every_figure_and_runs_no_foreign_script(every_kind, visit):
    page = visit(every_kind)
    draw_all(page)
    figures = ["curves", "score-active", "score-energy", "operations", "energy", "times", "layers"]
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


def column(page, table: str, title: str) -> tuple[int, list[str]]:
    titles = page.locator(f"#{table} thead th").all_inner_texts()
    place = [" ".join(text.split()) for text in titles].index(title)
    return place, page.locator(f"#{table} tbody tr > :nth-child({place + 1})").all_inner_texts()


def number(text: str) -> float:
    return float(text.removesuffix(" %").removesuffix(" J"))


def test_tables_sort_by_number_in_both_directions_missing_last(every_kind, visit):
    page = visit(every_kind)
    place, before = column(page, "runs", "active")
    assert any(text == "\N{EN DASH}" for text in before)
    header = page.locator("#runs thead th").nth(place)
    for state, sign in (("ascending", 1), ("descending", -1)):
        header.locator("button").click()
        assert header.get_attribute("aria-sort") == state
        _, after = column(page, "runs", "active")
        values = [number(text) for text in after if text != "\N{EN DASH}"]
        assert values == sorted(values, key=lambda value: sign * value)
        assert after[len(values) :] == ["\N{EN DASH}"] * (len(before) - len(values))
        assert sorted(after) == sorted(before)
    assert page.locator("#runs th[aria-sort=descending], #runs th[aria-sort=ascending]").count() == 1


def test_tables_sort_words_with_the_keyboard(every_kind, visit):
    page = visit(every_kind)
    page.locator("#runs thead th button").nth(4).focus()
    page.keyboard.press("Enter")
    states = [text.split()[0] for text in column(page, "runs", "state")[1]]
    assert states == sorted(states)


def test_filter_by_text_method_and_state(every_kind, visit):
    page = visit(every_kind)
    rows, told = page.locator("#runs tbody tr:visible"), page.locator("#filtered")
    assert told.inner_text() == "21 of 21 runs"
    page.locator("#filter-status").select_option("failed")
    assert rows.count() == 2
    page.locator("#filter-status").select_option("dead")
    assert rows.count() == 1
    page.locator("#filter-status").select_option("")
    page.locator("#filter-method").select_option("surrogate")
    assert rows.count() == 5
    page.locator("#filter-text").fill("surrogate-s1 0")
    assert rows.count() == 1
    assert told.inner_text() == "1 of 21 runs"


def test_failed_run_leads_to_its_traceback(every_kind, visit):
    page = visit(every_kind)
    page.locator("#runs tr[data-status=failed] a[href^='#']").first.click()
    assert page.locator("details:has(p:target) pre").is_visible()


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


def test_paper_has_every_figure_in_black_on_white(sweep, visit):
    page = visit(sweep, color_scheme="dark")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert len(drawn(page)) == 9
    assert page.evaluate("[...new Set([...document.querySelectorAll('.plot')].map(p => p._fullLayout.width))]") == [690]
    assert page.evaluate("document.getElementById('curves').layout.paper_bgcolor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("#theme").is_visible()
    page.emulate_media(media="screen", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.getElementById('curves').layout.paper_bgcolor") != "rgb(255, 255, 255)"


def test_downloads_are_the_exports(sweep, visit):
    page = visit(sweep)
    for name, text in Page(sweep).report()["downloads"].items():
        with page.expect_download() as download:
            page.locator(f"button[data-download='{name}']").click()
        assert download.value.suggested_filename == name
        assert Path(download.value.path()).read_text() == text


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
    write_run(tmp_path / "study", status=status)
    page = visit(dashboard(tmp_path / "study"))
    draw_all(page)
    assert page.locator("#score-active p").inner_text().startswith("Nothing to draw")
    assert ("curves" in drawn(page)) == (status == "running")


def test_page_of_no_run_opens(tmp_path, visit):
    write_dashboard(compare([]), tmp_path / "report.html")
    draw_all(visit(tmp_path / "report.html"))
