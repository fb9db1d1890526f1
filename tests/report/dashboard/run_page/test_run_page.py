"""The page of a single run."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from snn_zo.report.dashboard.run_page import figures, tables, write_run_page
from snn_zo.report.interval import wilson
from snn_zo.report.runs import Run, read_runs
from tests.report.dashboard.pages import Page, dashboard
from tests.report.synthetic import (
    ERROR,
    HOSTILE,
    R2,
    TESTED,
    write_confusion,
    write_every_kind,
    write_hostile,
    write_run,
)


def read(path: Path) -> Run:
    (run,) = read_runs([path])
    return run


def written(path: Path) -> Path:
    page = path / "report.html"
    write_run_page(read(path), page)
    return page


def words(page: Path) -> str:
    """What a page says, without its style."""
    text = re.sub(r"<style\b.*?</style>", "", page.read_text(), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


def change(path: Path, **entries: object) -> None:
    summary = json.loads((path / "summary.json").read_text()) | entries
    (path / "summary.json").write_text(json.dumps(summary))


def write_energy(path: Path) -> None:
    header = ["layer", "phase", "pattern", "operations J", "1 MB SRAM J", "DRAM bytes"]
    rows = [
        ["hidden1", "forward", "rows", 1e-3, 2e-3, 100],
        ["hidden1", "neuron", "update", 1e-3, 0, 0],
        ["all", "optimizer", "update", 2e-3, 4e-3, 100],
    ]
    with (path / "energy.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def test_dashboard_of_one_run_is_the_page_of_that_run(tmp_path):
    write_run(tmp_path / "study", seed=3)
    page = dashboard(tmp_path / "study")
    text = words(page)
    assert "local_zo on digits, seed 3" in text
    for comparison in ("compared", "P(improvement)", "Pareto", "Paired", "ahead", "Compared"):
        assert comparison not in text
    assert page.stat().st_size < 100_000


def test_page_has_the_curves_and_where_the_weights_are_from(tmp_path):
    path = write_run(tmp_path)
    change(path, checkpoint={"epoch": 29, "step": 600})
    found = {figure.title: figure for figure in [*figures.learning(read(path)), *figures.activity(read(path))]}
    assert list(found) == ["Loss", "Accuracy", "Learning rate", "Active fraction", "Spike rate", "Silent neurons"]
    assert found["Accuracy"].key == {"training": "c0", "validation": "c1"}
    assert found["Active fraction"].key == {"hidden1": "c0", "hidden2": "c1"}
    assert ">tested</text>" in found["Loss"].picture
    assert "with the weights of epoch 30" in words(written(path))


def test_page_says_how_sure_an_accuracy_is(tmp_path):
    path = write_run(tmp_path, accuracy=338 / TESTED)
    low, high = (f"{100 * end:.3g} %" for end in wilson(338, TESTED))
    text = words(written(path))
    assert f"Of 359 test recordings 338 are right: the 95 % interval over recordings is {low} to {high}." in text


def test_page_has_the_layers(tmp_path):
    table = tables.layers(read(write_run(tmp_path, dead=True)))
    assert [row[0] for row in table.rows] == ["hidden1", "hidden2", "all"]
    assert table.rows[0][1:] == ("0 %", "0 %", "100 %")
    assert "Dead in the last epoch, without a spike or without an active neuron: hidden1." in words(
        written(tmp_path / "local_zo-s0")
    )


def test_page_has_the_dead_channels_of_convolutional_layers(tmp_path):
    path = write_run(tmp_path)
    assert "dead channels" not in tables.layers(read(path)).columns
    summary = json.loads((path / "summary.json").read_text())
    summary["sparsity"]["layers"]["hidden1"] |= {"channels": 16, "dead_channels": 3}
    (path / "summary.json").write_text(json.dumps(summary))
    table = tables.layers(read(path))
    assert table.columns[-1] == "dead channels"
    assert [row[-1] for row in table.rows] == ["3 of 16", "", ""]


def test_page_has_the_energy_by_layer_and_phase(tmp_path):
    path = write_run(tmp_path)
    write_energy(path)
    hidden, weights, together, share, dense = tables.energy(read(path)).rows
    missing = "\N{EN DASH}"
    assert hidden == ("hidden1", "1 mJ", missing, missing, "1 mJ", missing, "2 mJ", "4 mJ")
    assert weights == ("all weights", missing, missing, missing, missing, "2 mJ", "4 mJ", "6 mJ")
    summary = json.loads((path / "summary.json").read_text())["energy"]
    assert (together[0], share[0], dense[0]) == ("together", "of dense products", "dense products")
    assert share[-1] == f"{100 * summary['modelled']['ratio']:.3g} %"
    (path / "energy.csv").write_text("layer,phase\nhidden1,forward\n")
    assert [row[0] for row in tables.energy(read(path)).rows] == ["together", "of dense products", "dense products"]


def test_page_has_times_that_add_up(tmp_path):
    path = write_run(tmp_path)
    timing = {"fit_s": 40.0, "train_s": 25.0, "val_s": 2.5, "compile_s": 10.0, "epoch_s": 0.6, "samples_per_s": 2000.4}
    change(path, timing=timing)
    assert [row[:2] for row in tables.times(read(path)).rows] == [
        ("training of all epochs", "25 s"),
        ("validations", "2.5 s"),
        ("compilation of kernels", "10 s"),
        ("the rest", "2.5 s"),
        ("together", "40 s"),
        ("an epoch", "0.6 s"),
        ("recordings a second", "2000"),
    ]
    change(path, timing=None)
    assert tables.times(read(path)) is None


def test_page_names_the_classes_of_its_confusion_matrix(tmp_path):
    path = write_run(tmp_path)
    write_confusion(path, [[3, 1], [0, 2]], ["left <b>", "right"])
    (figure,) = figures.tested(read(path))
    assert "left &lt;b&gt; as right: 1, 25 % of the class" in figure.picture
    assert figure.picture.count('class="number') == 3
    many = np.eye(30, dtype=int).tolist()
    write_confusion(path, many)
    (figure,) = figures.tested(read(path))
    assert 'class="number' not in figure.picture
    write_confusion(path, np.eye(300, dtype=int).tolist())
    assert figures.tested(read(path)) == []


def test_page_of_a_regression_has_predicted_and_true_values(tmp_path):
    path = write_run(tmp_path, headline=R2)
    (path / "confusion.csv").unlink()
    (path / "predictions.csv").write_text("sample,predicted,true\n4,0.5,0.4\n7,0.1,0.2\n9,nan,1\n")
    (figure,) = figures.tested(read(path))
    assert figure.picture.count("<circle") == 2
    rows = "".join(f"{i},{i},{-i},{i},{-i}\n" for i in range(5000))
    (path / "predictions.csv").write_text("sample,predicted_1,predicted_2,true_1,true_2\n" + rows)
    first, second = figures.tested(read(path))
    assert second.title == "Predicted and true values, target 2"
    assert first.picture.count("<circle") == 1500
    assert "1500 of 5000 are drawn" in first.note


def test_page_of_predictions_of_classes_draws_no_points(tmp_path):
    path = write_run(tmp_path)
    (path / "confusion.csv").unlink()
    (path / "predictions.csv").write_text("recording,label,prediction,score_0\n0,one,two,0.5\n")
    assert figures.tested(read(path)) == []


def test_page_of_an_error_says_its_unit_and_direction(tmp_path):
    text = words(written(write_run(tmp_path, accuracy=0.21, headline=ERROR)))
    assert "Test mean error 0.21 mV" in text
    assert "Mean error, less is better" in text
    assert "accura" not in text.lower()


def test_page_says_what_made_the_run(tmp_path):
    path = write_run(tmp_path, "ssg", 5, {"optim.lr": 0.5})
    text = words(written(path))
    assert "strategy=ssg seed=5 optim.lr=0.5" in text
    assert "python train.py strategy=ssg seed=5 optim.lr=0.5" in text
    assert "torch 2.13.0+cpu" in text
    assert "trained parameters 504,400" in text
    (path / "overrides.yaml").write_text("[]")
    assert "All settings are those of conf/." in words(written(path))


@pytest.mark.parametrize("status", ["queued", "running", "failed", "interrupted"])
def test_page_of_a_run_that_is_not_completed(status, tmp_path):
    path = write_run(tmp_path, status=status)
    text = words(written(path))
    reason = ": DivergedError: the loss is nan in epoch 11" if status in ("failed", "interrupted") else ""
    assert f"This run is {status}{reason}." in text
    assert ("Traceback (most recent call last)" in text) == (status == "failed")
    assert ("Validation accuracy so far" in text) == (status != "queued")
    assert "Test accuracy" not in text


def test_page_of_every_kind_of_folder_can_be_written(tmp_path):
    for run in read_runs([write_every_kind(tmp_path / "study")]):
        write_run_page(run, tmp_path / "page.html")
        assert Page(tmp_path / "page.html").all("h1")


def test_page_of_a_run_of_one_epoch_has_points(tmp_path):
    path = write_run(tmp_path, epochs=1)
    loss, accuracy = figures.learning(read(path))
    assert loss.picture.count('class="point"') == accuracy.picture.count('class="point"') == 2


def test_page_thins_long_curves(tmp_path):
    loss, *_ = figures.learning(read(write_run(tmp_path, epochs=2000)))
    assert loss.picture.count("L") < 2 * 401


def test_page_keeps_what_strangers_wrote_text(tmp_path, visit):
    write_hostile(tmp_path / "study")
    hostile = next(run for run in read_runs([tmp_path / "study"]) if run.seed == 8)
    write_confusion(hostile.path, [[3, 1], [0, 2]], [HOSTILE, "right"])
    page = written(hostile.path)
    found = Page(page)
    tags = {tag for tag, _, _ in found.elements}
    assert tags.isdisjoint({"script", "img", "iframe", "object", "embed", "link", "base", "form"})
    assert not [name for _, attributes, _ in found.elements for name in attributes if name.startswith("on")]
    assert all(attributes["href"].startswith("./") for attributes in found.all("a"))
    (policy,) = [about["content"] for about in found.all("meta") if "http-equiv" in about]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    assert visit(page).evaluate("window.hacked") is None


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_page_does_not_scroll_sideways(width, tmp_path, visit):
    path = write_run(tmp_path, settings={"optim.lr": 0.5})
    write_energy(path)
    page = visit(written(path), width)
    page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    sizes = page.evaluate(
        "[...document.querySelectorAll('.numbered .number')].map(text => text.getBoundingClientRect().height)"
    )
    assert min(sizes) >= 11


def test_page_is_dark_where_the_reader_is(tmp_path, visit):
    background = "getComputedStyle(document.body).backgroundColor"
    curve = "getComputedStyle(document.querySelector('.panels .line')).stroke"
    page = written(write_run(tmp_path))
    light, dark = (visit(page, color_scheme=scheme) for scheme in ("light", "dark"))
    assert light.evaluate(background) == "rgb(255, 255, 255)"
    assert dark.evaluate(background) == "rgb(21, 24, 26)"
    assert light.evaluate(curve) != dark.evaluate(curve)
