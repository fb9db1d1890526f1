"""Pages of data sets that are judged by other metrics than an accuracy, and by different ones."""

import json
import re

import pytest

from snn_zo.headline import Headline
from tests.report.dashboard.pages import Page, dashboard
from tests.report.synthetic import HOSTILE, write_run, write_study

R2 = Headline("r2", "R2")
ERROR = Headline("mae", "mean absolute error", "min", "rad")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """The page of an accuracy, an R2 and an error, each on a data set of its own."""
    folder = tmp_path_factory.mktemp("mixed")
    write_study(folder / "digits", seeds=range(3))
    write_study(folder / "waves", ["local_zo", "surrogate"], seeds=range(3), data="randman", headline=R2)
    for method, error in {"local_zo": 0.2, "surrogate": 0.5}.items():
        for seed in range(3):
            value = error + 0.01 * seed
            write_run(folder / "angles", method, seed, data="nmnist", accuracy=value, headline=ERROR)
    return dashboard(folder)


@pytest.fixture(scope="module")
def errors(tmp_path_factory):
    """The page of an error alone."""
    folder = tmp_path_factory.mktemp("errors")
    for method, error in {"local_zo": 0.2, "surrogate": 0.5}.items():
        for seed in range(3):
            write_run(folder, method, seed, accuracy=error + 0.01 * seed, headline=ERROR)
    return dashboard(folder)


def words(path) -> str:
    """What the page says, without its scripts."""
    text = re.sub(r"<(script|style)\b.*?</\1>", "", path.read_text(), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", text).split()).replace("\N{NO-BREAK SPACE}", " ")


def test_page_of_an_error_says_nothing_of_accuracies(errors):
    text = words(errors)
    assert "accura" not in text.lower()
    assert "accura" not in " ".join(
        value or "" for _, attributes, _ in Page(errors).elements for value in attributes.values()
    )
    for said in (
        "Mean absolute error and cost",
        "local_zo has the lowest mean test mean absolute error of 2 variants on digits: 0.21 rad (95 % interval",
        "that takes 5 seeds or more, and there are 3 (+0.3 rad, +0.3 to +0.3; about 5 seeds would show it)",
        "Values of mean absolute error include dead runs",
        "the better variant first",
    ):
        assert re.sub(r"\s+", " ", said) in text


def test_page_of_an_error_ranks_by_the_smallest(errors):
    report = Page(errors).report()
    assert [variant["label"] for variant in report["variants"]] == ["local_zo", "surrogate"]
    (dataset,) = report["datasets"]
    assert dataset["headline"] == {"name": "mae", "title": "mean absolute error", "direction": "min", "unit": "rad"}
    assert dataset["fronts"] == {"active": [[0]], "joules": [[0]]}
    (pair,) = report["pairs"]
    assert (pair["a"], pair["b"]) == (0, 1)
    assert pair["difference"][0] == pytest.approx(-0.3)
    assert pair["wins"] == pair["n"]
    assert {"val/mae", "train/mae", "val/loss", "train/loss"} <= set(report["variants"][0]["curves"]["y"])


def test_page_of_different_metrics_has_each_where_it_belongs(mixed):
    text = words(mixed)
    assert "3 Score and cost" in text
    assert "surrogate leads on digits: " in text
    assert "surrogate leads on randman: 0.9" in text
    assert "local_zo leads on nmnist: " in text
    assert "digits, by variant: means over the completed runs. Accuracies include dead runs" in text
    assert "randman, by variant: means over the completed runs. Values of R2 include dead runs" in text
    assert "Scores include" not in text
    titles = [heading["title"] for heading in Page(mixed).all("button") if heading.get("title")]
    assert "digits: accuracy, nmnist: mean absolute error, randman: R2" in titles
    assert re.search(r"\+\d\.\d\d points", text)
    assert re.search("\N{MINUS SIGN}0\\.3 rad", text)


@pytest.mark.parametrize(
    ("data", "curve", "cost", "pairs", "axis"),
    [
        ("digits", "validation accuracy", "test accuracy", "points of accuracy above surrogate", "accuracy"),
        ("randman", "validation R2", "test R2", "R2 above surrogate", "R2"),
        (
            "nmnist",
            "validation mean absolute error (less is better)",
            "test mean absolute error (less is better)",
            "mean absolute error, rad, above local_zo (less is better)",
            "mae, rad",
        ),
    ],
)
def test_figures_speak_of_the_metric_of_the_data_set(data, curve, cost, pairs, axis, mixed, visit):
    page = visit(mixed)
    page.locator("#dataset").select_option(label=data)
    page.evaluate("drawAll()")
    title = "document.getElementById('{}').layout.{}axis.title.text"
    assert page.evaluate(title.format("curves", "y")) == curve
    assert page.locator("#metric option").all_inner_texts() == [
        f"{stage} {what}" for stage in ("validation", "training") for what in (cost_title(cost), "loss")
    ]
    assert page.evaluate(title.format("score-active", "y")) == page.evaluate(title.format("score-energy", "y")) == cost
    assert page.evaluate(title.format("pairs", "x")) == pairs
    assert page.locator("#parallel g text").filter(has_not_text="%").all_inner_texts()
    grips = page.locator("#parallel .grip")
    assert grips.last.get_attribute("data-axis") == axis
    assert set(page.locator(".headline").all_inner_texts()) == {cost_title(cost)}


def cost_title(axis: str) -> str:
    return axis.removeprefix("test ").removesuffix(" (less is better)")


def test_parallel_coordinates_have_the_best_at_the_top(mixed, visit):
    page = visit(mixed)
    ends = (
        "[...document.querySelectorAll('#parallel path')].map(path => Number(path.getAttribute('d').split(' ').pop()))"
    )
    for data in ("digits", "randman", "nmnist"):
        page.locator("#dataset").select_option(label=data)
        page.evaluate("drawAll()")
        report = Page(mixed).report()
        place = [dataset["name"] for dataset in report["datasets"]].index(data)
        here = [run for run in report["runs"] if report["variants"][run["variant"]]["data"] == place]
        heights = dict(zip((run["score"] for run in here), page.evaluate(ends), strict=True))
        best = min(heights) if data == "nmnist" else max(heights)
        assert heights[best] == min(heights.values())


def test_title_of_a_stranger_is_text(tmp_path, visit):
    write_study(tmp_path / "study", seeds=(0, 1), headline=Headline("x", HOSTILE, "min", HOSTILE))
    page = visit(dashboard(tmp_path / "study"))
    page.evaluate("drawAll()")
    assert page.evaluate("window.hacked") is None
    assert page.evaluate("[...document.querySelectorAll('svg a, svg img, .plot b')].length") == 0


def test_page_of_runs_without_a_headline_draws_their_loss(tmp_path, visit):
    for path in write_study(tmp_path / "study", ["local_zo"], seeds=(0, 1)):
        summary = json.loads((path / "summary.json").read_text())
        del summary["headline"]
        (path / "summary.json").write_text(json.dumps(summary))
    page = visit(dashboard(tmp_path / "study"))
    page.evaluate("drawAll()")
    assert "test score" in " ".join(page.locator("thead").first.inner_text().split())
    assert page.locator("#metric option").all_inner_texts() == ["validation loss", "training loss"]
    assert page.evaluate("document.getElementById('curves').data.length") == 3
