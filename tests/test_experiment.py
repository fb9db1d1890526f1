import csv
import json
import logging
import os
import shutil
import subprocess
import sys
from itertools import chain
from pathlib import Path

import lightning
import numpy as np
import pytest
import torch
import yaml
from omegaconf import OmegaConf

from snn_zo import load_run
from snn_zo.config import ConfigError
from snn_zo.config.monitors import logged_names
from snn_zo.experiment import evaluate, resume, write_page
from snn_zo.runs.folder import RunFolder
from snn_zo.runs.table_file import TableFile
from snn_zo.tasks import Classification

TRAIN = [sys.executable, str(Path(__file__).parents[1] / "train.py")]
EVALUATE = [sys.executable, "-c", "from snn_zo.cli import evaluate; evaluate()"]
QUICK = ("trainer.max_epochs=2", "trainer.limit_train_batches=3", "model.hidden=[30,20]", "name=run")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a short run with offline wandb."""
    return trained(tmp_path_factory.mktemp("run"), *QUICK, WANDB_MODE="offline")


def trained(folder: Path, *overrides: str, **environment: str) -> Path:
    folder.mkdir(exist_ok=True)
    command = [*TRAIN, *overrides]
    variables = os.environ | {"SNN_ZO_OUTPUTS": str(folder)} | environment
    result = subprocess.run(command, env=variables, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    (made,) = folder.glob("*/*/summary.json")
    (made.parent / "stdout").write_text(result.stdout)
    (made.parent / "stderr").write_text(result.stderr)
    return made.parent


def test_run_folder_is_complete(run):
    names = {path.name for path in run.iterdir()}
    assert names >= {
        *("config.yaml", "overrides.yaml", "env.json", "metrics.csv", "timing.csv", "energy.csv", "confusion.csv"),
        *("run.log", "summary.json", "checkpoints", "wandb"),
    }
    assert {path.name for path in (run / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}


def test_run_of_a_convolution_says_what_its_channels_did(tmp_path):
    few = [f"trainer.limit_{part}_batches=1" for part in ("train", "val", "test")]
    made = trained(
        tmp_path, "model=conv", "model.network=[4c3,p2,6c3]", "backend=reference", "trainer.max_epochs=1", *few
    )
    rows = TableFile(made / "sparsity_channels.csv").rows()
    assert [(row["layer"], row["channel"]) for row in rows] == [
        *(("conv1", str(channel)) for channel in range(4)), *(("conv2", str(channel)) for channel in range(6)),
    ]  # fmt: skip
    layers = json.loads((made / "summary.json").read_text())["sparsity"]["layers"]
    for name, values in layers.items():
        of_channels = [float(row["spike_rate"]) for row in rows if row["layer"] == name]
        assert sum(of_channels) / len(of_channels) == pytest.approx(values["spike_rate"])
        assert values["channels"] == len(of_channels)
    with (made / "energy.csv").open() as file:
        assert {row["layer"] for row in csv.DictReader(file)} == {"conv1", "conv2", "readout", "all"}


def test_run_says_only_what_concerns_the_user(run):
    assert (run / "stderr").read_text() == ""
    lines = (run / "stdout").read_text().splitlines()
    assert lines[0].startswith("local_zo on digits, seed 0 -> ")
    assert lines[1].startswith("epoch   1/2   loss ")
    assert lines[-2:] == [f"everything in  {run}", f"to look at     {run / 'report.html'}"]


def test_run_ends_with_a_page_of_itself(run):
    text = (run / "report.html").read_text()
    assert "local_zo on digits, seed 0" in text
    assert text.count("<svg") > 6
    assert (run / "report.html").stat().st_size < 100_000


def test_run_outlasts_a_page_that_cannot_be_written(run, tmp_path, capsys):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    (copy / "report.html").unlink()
    (copy / "report.html").mkdir()
    write_page(RunFolder(copy))
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"no page of the run (snn-zo report {copy} writes it): Is a directory: {copy / 'report.html'}\n"


def test_run_summary(run):
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "completed"
    assert (summary["method"], summary["data"], summary["seed"], summary["backend"]) == (
        "local_zo",
        "digits",
        0,
        "cpu",
    )
    assert summary["strategy"]["delta"] == 0.05
    assert summary["objective"] == summary["metrics"]["val/acc"]
    assert set(summary["metrics"]) >= {"test/acc", "test/loss", "val/acc"}
    value = summary["metrics"]["test/acc"]
    assert summary["headline"] == {
        "name": "acc", "title": "accuracy", "value": value, "direction": "max", "unit": "%"
    }  # fmt: skip
    assert 0 < summary["sparsity"]["active"] < 0.1
    assert list(summary["sparsity"]["layers"]) == ["hidden1", "hidden2"]
    timing = summary["timing"]
    sums, medians = ("fit_s", "train_s", "val_s", "compile_s"), ("epoch_s", "forward_s", "backward_s", "samples_per_s")
    assert set(timing) == {*sums, *medians}
    assert 0 <= timing["train_s"] + timing["val_s"] + timing["compile_s"] < timing["fit_s"]
    assert 0 < summary["timing"]["forward_s"] + summary["timing"]["backward_s"] < summary["timing"]["epoch_s"]
    assert summary["dead"] is False
    assert summary["wandb_id"]
    modelled = summary["energy"]["modelled"]
    assert modelled["table"] == "45nm_fp32"
    assert 0 < modelled["ratio"] < 1
    assert modelled["total"] < modelled["dense_total"]
    assert summary["energy"]["measured"] == "not measured" or summary["energy"]["measured"] > 0
    assert summary["energy"]["inference"]["footprint"] == 4 * summary["parameters"]
    assert summary["parameters"] == 2312 * 30 + 30 * 20 + 20 * 10


def test_run_metrics_have_a_row_an_epoch_and_no_clock(run):
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    with (run / "energy.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert {"train/loss", "val/acc", "sparsity/active", "sparsity/hidden2/spike_rate"} <= set(rows[0])
    assert not any(name.endswith("_s") for name in rows[0])
    summary = json.loads((run / "summary.json").read_text())
    total = summary["energy"]["modelled"]["total"]
    assert sum(float(row["energy/total"]) for row in rows) == pytest.approx(total, rel=1e-6)
    joules = sum(float(value) for line in lines for name, value in line.items() if name.endswith(" J"))
    assert joules == pytest.approx(total)
    assert float(rows[-1]["sparsity/active"]) == pytest.approx(summary["sparsity"]["active"], rel=1e-6)
    assert max(float(row["val/acc"]) for row in rows) == pytest.approx(summary["objective"])


def test_run_confusion_agrees_with_accuracy(run):
    with (run / "confusion.csv").open() as file:
        classes, *rows = csv.reader(file)
    assert classes == ["label\\predicted", *map(str, range(10))]
    assert [row[0] for row in rows] == classes[1:]
    matrix = [[int(value) for value in row[1:]] for row in rows]
    total = sum(map(sum, matrix))
    assert total == 359
    summary = json.loads((run / "summary.json").read_text())
    assert sum(matrix[i][i] for i in range(10)) / total == pytest.approx(summary["metrics"]["test/acc"])


def test_run_config_is_resolved(run):
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["model"]["neuron"]["dt"] == config["data"]["dt"] == 5.0
    assert config["name"] == "run"
    assert config["study"] == "digits"
    assert yaml.safe_load((run / "overrides.yaml").read_text()) == list(QUICK)


def test_run_checkpoints_load_with_weights_only(run):
    for name in ("best", "last"):
        checkpoint = torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)
        assert checkpoint["state_dict"]["model.layers.0.weight"].shape == (30, 2312)


def test_run_environment(run):
    environment = json.loads((run / "env.json").read_text())
    assert environment["backend"] == "cpu"
    assert environment["packages"]["torch"]
    assert environment["hardware"]["cores"] == os.cpu_count()


def test_run_same_seed_same_metrics(tmp_path):
    text = []
    for name, seed in (("one", 7), ("two", 7), ("other", 8)):
        (tmp_path / name).mkdir()
        folder = trained(tmp_path / name, *QUICK, f"seed={seed}")
        text.append((folder / "metrics.csv").read_bytes())
    assert text[0] == text[1]
    assert text[0] != text[2]


def test_run_records_failure(tmp_path, train):
    """What goes wrong when the run has begun is in its folder."""
    result = train(*QUICK, "optim=sgd", "optim.lr=1e38")
    assert result.returncode == 1
    (path,) = tmp_path.glob("outputs/*/*/summary.json")
    summary = json.loads(path.read_text())
    assert summary["status"] == "failed"
    assert "optim.lr" in summary["reason"]
    assert "Traceback" in (path.parent / "run.log").read_text()


def test_run_stops_early(tmp_path):
    folder = trained(
        tmp_path, "callbacks.early_stopping.patience=1", "optim.lr=1e-12", "trainer.max_epochs=9", *QUICK[1:]
    )
    assert json.loads((folder / "summary.json").read_text())["epochs"] <= 3


def test_run_reports_a_dead_network(tmp_path):
    folder = trained(tmp_path, "model.gain=1e-3", *QUICK)
    assert json.loads((folder / "summary.json").read_text())["dead"] is True
    assert "hidden1 is dead: no spike in epoch 1" in (folder / "stderr").read_text()


# ---- the data of a run


def test_run_knows_its_data(run):
    summary = json.loads((run / "summary.json").read_text())
    content = summary["data_content"]
    assert [content[part]["recordings"] for part in ("train", "val", "test")] == [1258, 180, 359]
    assert [content[part]["classes"] for part in ("train", "val", "test")] == [10, 10, 10]
    assert summary["identity"].endswith(f"-{content['fingerprint']}")


@pytest.fixture
def recordings(tmp_path):
    """Files of 100 training and 20 test recordings."""
    rng = np.random.default_rng(0)
    for part, size in (("Train", 100), ("Test", 20)):
        for i in range(size):
            path = tmp_path / f"data/NMNIST/{part}/{i % 10}/{i:03}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"".join(bytes([*rng.integers(0, 34, 2).tolist(), 128, t, 0]) for t in range(250)))
    return tmp_path / "data/NMNIST"


def test_run_goes_on_with_its_own_data_only(tmp_path, recordings, caplog):
    small = ("data=nmnist", f"data.root={recordings.parent}", "logger=none", "model.hidden=[9]")
    folder = trained(tmp_path / "out", *small, "trainer.max_epochs=1", "data.steps=30")
    summary = json.loads((folder / "summary.json").read_text()) | {"status": "interrupted"}
    (folder / "summary.json").write_text(json.dumps(summary))
    removed = recordings / "Train/3/013.bin"
    content = removed.read_bytes()
    removed.unlink()
    before = (folder / "summary.json").read_bytes()
    with pytest.raises(ConfigError, match=r"on other data, and now there are 1 recording fewer in train \(89, "):
        resume(folder)
    assert (folder / "summary.json").read_bytes() == before
    with caplog.at_level(logging.WARNING):
        evaluate(folder)
    assert "not the data that the run was trained and tested on: 1 recording fewer in train" in caplog.text
    removed.write_bytes(content)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        evaluate(folder)
    assert "not the data" not in caplog.text


def test_run_says_how_many_events_are_dropped(tmp_path, recordings):
    small = ("data=nmnist", f"data.root={recordings.parent}", "logger=none", "model.hidden=[9]", "trainer.max_epochs=1")
    folder = trained(tmp_path / "out", *small, "data.dt=1", "data.steps=50")
    (line,) = [line for line in (folder / "stderr").read_text().splitlines() if "data." in line]
    assert line.startswith("warning: 2")
    assert "lie outside the 50 steps from 0 to 50 ms (data.start, data.steps, data.dt): data.steps=64 or " in line
    assert line.removeprefix("warning: ") in (folder / "run.log").read_text()


def test_run_chosen_by_its_loss_says_so(tmp_path):
    """The objective is the loss, under its own name, and all metrics are those of the tested weights."""
    folder = trained(tmp_path, *QUICK, "callbacks.checkpoint.monitor=val/loss", "callbacks.checkpoint.mode=min")
    summary = json.loads((folder / "summary.json").read_text())
    with (folder / "metrics.csv").open() as file:
        best = min(csv.DictReader(file), key=lambda row: float(row["val/loss"]))
    assert (summary["monitor"], summary["mode"]) == ("val/loss", "min")
    assert summary["checkpoint"] == {"epoch": int(best["epoch"]), "step": int(best["step"])}
    for name in ("val/loss", "val/acc", "val/top3"):
        assert summary["metrics"][name] == pytest.approx(float(best[name]))
    assert summary["objective"] == summary["metrics"]["val/loss"]
    shown = f"(validation {100 * summary['metrics']['val/acc']:.1f} %, chosen by val/loss {summary['objective']:.4g})"
    assert shown in (folder / "stdout").read_text()


def test_run_without_validation_in_an_epoch_does_not_repeat_it(tmp_path):
    """Reported are the weights that were validated, and a line of progress says nothing of an epoch that was not."""
    folder = trained(tmp_path, *QUICK, "trainer.max_epochs=3", "+trainer.check_val_every_n_epoch=2")
    loaded = load_run(folder)
    off = dict.fromkeys(("logger", "enable_checkpointing", "enable_model_summary", "enable_progress_bar"), False)
    (found,) = lightning.Trainer(devices=1, **off).validate(loaded.module, loaded.data, verbose=False)
    assert found["val/acc"] == loaded.summary["objective"] == loaded.summary["metrics"]["val/acc"]
    assert loaded.summary["checkpoint"]["epoch"] == 1
    lines = [line for line in (folder / "stdout").read_text().splitlines() if line.startswith("epoch")]
    assert ["val/acc" in line for line in lines] == [False, True, False]
    reached = [each for each in loaded.summary["energy"]["to_reach"].values() if each]
    assert {each["epoch"] for each in reached} <= {1}


def test_run_that_ends_before_a_validation_is_due_is_validated(tmp_path):
    folder = trained(
        tmp_path, *QUICK, "trainer.max_epochs=5", "+trainer.max_steps=4", "+trainer.check_val_every_n_epoch=4"
    )
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["checkpoint"] == {"epoch": 1, "step": 4}
    assert summary["objective"] == summary["metrics"]["val/acc"]


def test_run_without_test_has_no_test_metrics(tmp_path):
    folder = trained(tmp_path, *QUICK, "trainer.limit_test_batches=0")
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["status"] == "completed"
    assert all(name.startswith("val/") for name in summary["metrics"])
    assert summary["headline"]["value"] is None
    assert "test accuracy  not tested (trainer.limit_test_batches=0)" in (folder / "stdout").read_text()
    assert not (folder / "confusion.csv").exists()
    report = subprocess.run(
        [sys.executable, "-c", "from snn_zo.cli import report; report()", str(tmp_path)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert report.returncode == 0, report.stderr


@pytest.mark.parametrize("name", ["checkpoint", "early_stopping"])
def test_run_that_goes_by_what_is_not_logged_says_so(train, tmp_path, name):
    result = train(*QUICK, f"callbacks.{name}.monitor=val/accc", f"callbacks.{name}.mode=max")
    assert result.returncode == 1
    line = f"error: callbacks.{name}.monitor=val/accc is not logged: choose from val/acc, val/loss, val/top3\n"
    assert result.stderr == line
    assert not (tmp_path / "outputs").exists(), "it is said before there is a run"


def test_run_logs_the_names_that_callbacks_may_go_by(run):
    """All of them, and no others: a monitor is checked against these before there is a run."""
    config = OmegaConf.load(run / "config.yaml")
    metrics = [*Classification.directions, "penalty"]
    known = logged_names(config.callbacks, metrics, ["hidden1", "hidden2"])
    rows = [TableFile(run / name).columns() for name in ("metrics.csv", "timing.csv")]
    logged = {name for name in chain.from_iterable(rows) if "/" in name}
    assert logged | {"loss", "active", "measured/energy"} == known


def test_run_without_a_checkpoint_in_its_config_has_ours(tmp_path):
    folder = trained(tmp_path, *QUICK, "callbacks.checkpoint=null", "callbacks.progress=null")
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert "Epoch" not in (folder / "stdout").read_text(), "no bar of Lightning's"
