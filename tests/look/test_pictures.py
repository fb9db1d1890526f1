import json
import shutil
import sys

import pytest

from snn_zo import cli, experiment
from snn_zo.config import Composed
from snn_zo.look import pictures
from snn_zo.look.settings import LookSettings
from tests.config.test_build import composed


@pytest.fixture
def copy(folder, tmp_path):
    """A run folder of one's own."""
    return shutil.copytree(folder, tmp_path / "out" / "digits" / "seen")


def test_run_writes_a_page_and_a_picture(copy, capfd):
    pictures.run(LookSettings(str(copy), sample=3))
    assert {path.name for path in (copy / "look").iterdir()} == {"test-3.html", "test-3.png"}
    printed = capfd.readouterr().out
    assert printed.startswith("Test recording 3 (number 34 in the data set). The network says ")
    assert printed.splitlines()[-2:] == [str(copy / "look" / f"test-3.{kind}") for kind in ("png", "html")]
    assert (copy / "look" / "test-3.png").read_bytes().startswith(b"\x89PNG")
    assert '<a href="././look/test-3.html">test-3</a>' in (copy / "report.html").read_text()
    assert '<a href="../report.html">' in (copy / "look" / "test-3.html").read_text()


def test_run_says_the_prediction_of_the_test(copy, capfd):
    """The same as predictions.csv has for the recording."""
    recording, label, prediction, *_ = (copy / "predictions.csv").read_text().splitlines()[3].split(",")
    pictures.run(LookSettings(str(copy), recording=int(recording)))
    truth = "which is right" if prediction == label else f"but it is {label}"
    assert f"The network says {prediction}, {truth}." in capfd.readouterr().out


def test_run_of_the_last_weights_is_kept_beside_that_of_the_best(copy):
    for checkpoint in ("best", "last"):
        pictures.run(LookSettings(str(copy), part="val", checkpoint=checkpoint))
    names = {path.name for path in (copy / "look").glob("*.html")}
    assert names == {"val-0.html", "val-0-last.html"}
    assert "with the last weights" in (copy / "look" / "val-0-last.html").read_text()


def test_run_without_matplotlib_has_a_page(copy, capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "snn_zo.look.figure", None)  # as if what it imports were not there
    pictures.run(LookSettings(str(copy)))
    assert [path.name for path in (copy / "look").iterdir()] == ["test-0.html"]
    assert "no PNG: matplotlib is not installed (pip install 'snn_zo[plots]')" in capfd.readouterr().out


def test_run_page_links_to_pages_of_looks_only(copy):
    (copy / "look").mkdir()
    for name in ("test-10.html", "test-9.html", "evil.html", "test-1.png", "train-2-last.html"):
        (copy / "look" / name).touch()
    pictures.run(LookSettings(str(copy)))
    section = (copy / "report.html").read_text().split("Recordings looked at")[1].split("</section>")[0]
    places = [f"././look/{name}.html" for name in ("test-0", "test-9", "test-10", "train-2-last")]
    assert [part.partition('"')[0] for part in section.split('href="')[1:]] == places


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["rnu={run}"], "rnu is not a setting; did you mean run?"),
        (["run={run}", "smple=3"], "smple is not a setting; did you mean sample?"),
        (["run={run}", "sample=x"], "sample must be of type int, got 'x'"),
        (["run={run}", "sample=2.5"], "sample must be of type int, got '2.5'"),
        (["run={run}", "sample=1", "sample=2"], "sample is given twice"),
        (["run={run}", "sample=1", "recording=2"], "recording and sample name the same thing in two ways: give one"),
        (["run={run}", "part=tset"], "part must be one of test, val, train, got 'tset'"),
        (["run={run}", "order=x"], "order must be one of number, spikes, active, got 'x'"),
        (["run={run}", "slices=13"], "slices must lie in 1 to 12, got 13"),
        (["run={run}", "channels=0"], "channels must lie in 1 to 512, got 0"),
        (["run={run}", "x"], "'x' is not understood: settings are given as key=value"),
        (["sample=1"], "run is missing"),
        (["run={run}/${{x}}"], "{run}/${{x}} is not a run folder: it holds no config.yaml"),
        (
            ["run={run}", "sample=359"],
            "sample=359 is none of the 359 recordings of the part test: choose from 0 to 358",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_look_mistake_is_one_line(folder, capfd, monkeypatch, arguments, line):
    monkeypatch.setattr("sys.argv", ["snn-zo-look", *(each.format(run=folder) for each in arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.look()
    printed = capfd.readouterr()
    assert (ended.value.code, printed.out) == (1, "")
    assert printed.err.startswith(f"error: {line.format(run=folder)}")
    assert len(printed.err.splitlines()) == 1


def test_look_without_a_checkpoint_is_one_line(copy, capfd, monkeypatch):
    (copy / "checkpoints" / "last.ckpt").unlink()
    monkeypatch.setattr("sys.argv", ["snn-zo-look", f"run={copy}", "checkpoint=last"])
    with pytest.raises(SystemExit):
        cli.look()
    missing = copy / "checkpoints" / "last.ckpt"
    assert capfd.readouterr().err == f"error: {missing} is missing: the run wrote no checkpoint\n"


def test_look_into_a_folder_that_leads_elsewhere_is_refused(copy, tmp_path, capfd, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    (copy / "look").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setattr("sys.argv", ["snn-zo-look", f"run={copy}"])
    with pytest.raises(SystemExit):
        cli.look()
    assert "is a link, which a run folder may not hold" in capfd.readouterr().err
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("factor", [1e308, "x", -1, float("nan")])
def test_look_at_a_width_that_makes_no_sense(copy, factor, capfd, monkeypatch):
    summary = json.loads((copy / "summary.json").read_text()) | {"width_factor": factor}
    (copy / "summary.json").write_text(json.dumps(summary))
    monkeypatch.setattr("sys.argv", ["snn-zo-look", f"run={copy}"])
    with pytest.raises(SystemExit):
        cli.look()
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("error: active=0.02: summary.json does not say")


def test_run_of_images_as_they_are(tmp_path):
    """Direct coding: the input is no spikes, and what its layers do is shown all the same."""
    limits = [f"trainer.{name}=1" for name in ("max_epochs", *(f"limit_{s}_batches" for s in ("train", "val", "test")))]
    overrides = ["model.hidden=[9]", "logger=none", "data.code=direct", "data.steps=8", "name=direct"]
    composed_ = composed(*limits, *overrides, "trainer.accelerator=cpu", f"outputs={tmp_path}")
    experiment.run(Composed.of(composed_), "digits", [])
    run = tmp_path / "digits" / "direct"
    pictures.run(LookSettings(str(run)))
    shown = (run / "look" / "test-0.html").read_text()
    assert "Input, 1 x 28 x 28" in shown
    assert "hidden1, 9" in shown
    assert (run / "look" / "test-0.png").is_file()
