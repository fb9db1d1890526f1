"""Runs of other tasks and losses than the default one, from train.py to their summary."""

import csv
import json

import numpy as np
import pytest
from sklearn.metrics import r2_score

from snn_zo.experiment import evaluate

QUICK = ("logger=none", "model.hidden=[30]", "trainer.max_epochs=2", "name=run")


def trained(train, tmp_path, *overrides):
    """A run's folder, summary and what was shown."""
    result = train(*QUICK, *overrides)
    assert result.returncode == 0, result.stderr
    (folder,) = tmp_path.glob("outputs/*/run")
    return folder, json.loads((folder / "summary.json").read_text()), result.stdout


def test_run_of_a_regression(train, tmp_path):
    overrides = ("experiment=randman_regression", "data.samples=500", "data.batch_size=16", "trainer.max_epochs=8")
    folder, summary, shown = trained(train, tmp_path, *overrides, "model.hidden=[50]", "strategy.delta=0.2")
    value = summary["metrics"]["test/r2"]
    assert summary["headline"] == {"name": "r2", "title": "R2", "value": value, "direction": "max", "unit": ""}
    assert (summary["monitor"], summary["mode"]) == ("val/r2", "max")
    assert summary["objective"] == summary["metrics"]["val/r2"]
    assert not (folder / "confusion.csv").exists()
    with (folder / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 100
    assert list(rows[0]) == ["recording", "predicted", "true"]
    predicted, true = (np.array([float(row[name]) for row in rows]) for name in ("predicted", "true"))
    assert value == pytest.approx(r2_score(true, predicted), abs=1e-5)
    assert value > 0.8
    assert {"val/r2", "val/mae", "val/rmse", "train/r2"} <= set(
        (folder / "metrics.csv").read_text().partition("\n")[0].split(",")
    )
    assert "val/r2 " in shown
    assert evaluate(folder)["test/r2"] == pytest.approx(value)


@pytest.mark.parametrize(
    "overrides",
    [
        ("loss=tet",),
        ("loss=mse_count", "model/readout=count"),
        ("loss.class_weights=balanced",),
        ("loss.label_smoothing=0.1",),
    ],
    ids=lambda overrides: overrides[0],
)
def test_run_of_another_loss(train, tmp_path, overrides):
    folder, summary, _ = trained(train, tmp_path, *overrides)
    assert summary["headline"]["name"] == "acc"
    assert (folder / "confusion.csv").exists()
    found = evaluate(folder)
    for name in ("test/acc", "test/loss"):
        assert found[name] == pytest.approx(summary["metrics"][name])


def test_run_without_callbacks_goes_by_the_headline(train, tmp_path):
    _, summary, _ = trained(train, tmp_path, "callbacks=null")
    assert (summary["monitor"], summary["mode"]) == ("val/acc", "max")


def test_run_whose_loss_does_not_fit_is_refused_before_there_is_a_run(train, tmp_path):
    result = train("loss=mae")
    assert result.returncode == 1
    assert result.stderr == (
        "error: loss=mae is for real numbers, and the data's targets are classes: "
        "choose from cross_entropy, tet, mse_count\n"
    )
    assert not (tmp_path / "outputs").exists()
