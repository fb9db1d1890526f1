import csv
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import lightning
import pytest
import torch
from torch.utils.data import DataLoader

from snn_zo.callbacks import RunRecord
from snn_zo.runs.folder import RunFolder

FORWARD_S, BACKWARD_S, UPDATE_S = 1.5, 0.25, 0.25
VAL_S, SIZE, BATCHES = 30.0, 4, 3
"""Seconds that a batch takes by part and that a validation takes, samples a batch, batches an epoch."""


class Batch(NamedTuple):
    x: torch.Tensor
    target: torch.Tensor


class Clock:
    """time.perf_counter that moves only when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def perf_counter(self) -> float:
        return self.now


class Timed(lightning.LightningModule):
    def __init__(self, clock: Clock, accuracies: list[float]) -> None:
        super().__init__()
        self.clock, self.accuracies = clock, accuracies
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        self.take(FORWARD_S)
        loss = self.weight - self.current_epoch
        self.log("loss", 7.0)
        self.log("train/loss", loss.detach(), on_step=False, on_epoch=True, batch_size=SIZE)
        return loss

    def backward(self, loss: torch.Tensor, *args: object, **kwargs: object) -> None:
        self.take(BACKWARD_S)
        super().backward(loss)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        self.take(UPDATE_S)

    def take(self, seconds: float) -> None:
        """The first epoch takes ten times as long as the others."""
        self.clock.now += seconds * (10 if self.current_epoch == 0 else 1)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.clock.now += VAL_S
        self.log("val/acc", self.accuracies[self.current_epoch], batch_size=SIZE)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.25)


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr("snn_zo.callbacks.record.time", made)
    monkeypatch.setattr("snn_zo.callbacks.step_clock.time", made)
    return made


class Compiling(lightning.Callback):
    """Takes for compilation 9 s of the first step, and 2 s of the first validation."""

    seconds = 0.0

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: object) -> None:
        self.seconds += 9 if trainer.global_step == 1 else 0

    def on_validation_epoch_end(self, trainer: lightning.Trainer, *_: object) -> None:
        self.seconds += 2 if trainer.current_epoch == 0 else 0


def fit(
    folder: Path,
    clock: Clock,
    epochs: int,
    resumed: Path | None = None,
    compiling: Compiling | None = None,
    **options: Any,
) -> RunRecord:
    """One session of a run; leaves a checkpoint `<epochs>.ckpt`."""
    record = RunRecord(RunFolder(folder), lambda: compiling.seconds if compiling else 0.0)
    trainer = lightning.Trainer(
        accelerator="cpu",
        callbacks=[record, *([compiling] if compiling else [])],
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
    batch = Batch(torch.zeros(SIZE), torch.zeros(SIZE))
    loaders = [DataLoader([batch] * count, batch_size=None) for count in (BATCHES, 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(Timed(clock, [0.1, 0.2, 0.3, 0.4, 0.5]), *loaders, ckpt_path=resumed, weights_only=True)
        trainer.save_checkpoint(folder / f"{epochs}.ckpt")
    return record


def table(path: Path) -> list[dict[str, float]]:
    with path.open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def column(path: Path, name: str) -> list[float]:
    return [row[name] for row in table(path)]


def test_record_metrics_have_a_row_an_epoch(tmp_path, clock):
    fit(tmp_path, clock, 3)
    rows = table(tmp_path / "metrics.csv")
    assert list(rows[0]) == ["epoch", "step", "lr", "train/loss", "val/acc"]
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert [row["step"] for row in rows] == [3, 6, 9]
    assert [row["val/acc"] for row in rows] == pytest.approx([0.1, 0.2, 0.3])
    assert {row["lr"] for row in rows} == {0.25}


def test_record_epoch_without_a_validation_has_no_value_of_one(tmp_path, clock, caplog):
    caplog.set_level("INFO")
    fit(tmp_path, clock, 5, check_val_every_n_epoch=2)
    with (tmp_path / "metrics.csv").open(newline="") as file:
        assert [row["val/acc"] for row in csv.DictReader(file)] == ["", "0.200000003", "", "0.400000006", ""]
    lines = [line for line in caplog.messages if line.startswith("epoch ")]
    assert ["val/acc" in line for line in lines] == [False, True, False, True, False]


def test_record_says_of_which_step_a_validation_within_an_epoch_is(tmp_path, clock):
    fit(tmp_path, clock, 2, val_check_interval=2)
    rows = table(tmp_path / "metrics.csv")
    assert [(row["step"], row["val/step"]) for row in rows] == [(3, 2), (6, 5)]


def test_record_timing_is_apart_from_validation(tmp_path, clock):
    fit(tmp_path, clock, 3)
    rows = table(tmp_path / "timing.csv")
    assert list(rows[0]) == ["epoch", "step", "train_s", "val_s", "samples_per_s", "forward_s", "backward_s"]
    assert [row["train_s"] for row in rows] == [60, 6, 6]
    assert [row["val_s"] for row in rows] == [VAL_S] * 3
    assert [row["samples_per_s"] for row in rows] == pytest.approx([0.2, 2, 2])
    assert [row["forward_s"] for row in rows] == [45, 4.5, 4.5]
    assert [row["backward_s"] for row in rows] == [7.5, 0.75, 0.75]


def test_record_summary_leaves_out_the_first_epoch(tmp_path, clock):
    sums = {"fit_s": 60 + 6 + 6 + 3 * VAL_S, "train_s": 72, "val_s": 3 * VAL_S, "compile_s": 0}
    expected = sums | {"epoch_s": 6, "samples_per_s": 2}
    assert fit(tmp_path, clock, 3).summary() == expected | {"forward_s": 4.5, "backward_s": 0.75}


def test_record_summary_of_one_epoch(tmp_path, clock):
    summary = fit(tmp_path, clock, 1).summary()
    sums = {"fit_s": 60 + VAL_S, "train_s": 60, "val_s": VAL_S, "compile_s": 0}
    expected = sums | {"epoch_s": 60, "samples_per_s": pytest.approx(0.2)}
    assert summary == expected | {"forward_s": 45, "backward_s": 7.5}


def test_record_summary_of_no_epoch(tmp_path):
    sums = dict.fromkeys(("fit_s", "train_s", "val_s", "compile_s"), 0)
    expected = sums | dict.fromkeys(("epoch_s", "forward_s", "backward_s", "samples_per_s"))
    assert RunRecord(RunFolder(tmp_path)).summary() == expected


def test_record_compilation_is_apart(tmp_path, clock):
    """Also where the run is resumed by a process that has compiled nothing."""
    first = fit(tmp_path, clock, 2, compiling=Compiling())
    with (tmp_path / "timing.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    times = [tuple(row[name] for name in ("train_s", "val_s", "compile_s", "forward_s", "backward_s")) for row in rows]
    # passes in which something was compiled say nothing of others
    assert times == [("51", "28", "11", "", ""), ("6", "30", "", "4.5", "0.75")]
    record = fit(tmp_path, clock, 3, tmp_path / "2.ckpt")
    timing = record.summary()
    assert (timing["compile_s"], timing["train_s"], timing["val_s"]) == (11, 72 - 9, 3 * VAL_S - 2)
    assert timing["fit_s"] == timing["train_s"] + timing["val_s"] + timing["compile_s"]
    assert first.summary()["epoch_s"] == 6


def test_record_summary_medians(tmp_path):
    """An even number of epochs after the first, one of which was held up by something else."""
    record = RunRecord(RunFolder(tmp_path))
    for epoch, seconds in enumerate([500, 3, 1, 90, 2]):
        record.timing.append({"epoch": epoch, "train_s": float(seconds), "samples_per_s": 60 / seconds})
    assert record.summary()["epoch_s"] == 2.5
    assert record.summary()["samples_per_s"] == 25


def test_record_resumed_drops_rows_of_epochs_done_again(tmp_path, clock):
    """Stopped after four epochs, gone on with from a checkpoint after two: each epoch has its row once, in order."""
    fit(tmp_path, clock, 2)
    fit(tmp_path, clock, 4, tmp_path / "2.ckpt")
    before = (tmp_path / "metrics.csv").read_text()
    assert column(tmp_path / "metrics.csv", "epoch") == [0, 1, 2, 3]
    clock.now += 5000
    fit(tmp_path, clock, 5, tmp_path / "2.ckpt")
    assert column(tmp_path / "metrics.csv", "epoch") == column(tmp_path / "timing.csv", "epoch") == [0, 1, 2, 3, 4]
    assert (tmp_path / "metrics.csv").read_text().startswith(before)


def test_record_new_run_begins_with_empty_tables(tmp_path, clock):
    """Rows without a checkpoint to go on from belong to epochs that are done again."""
    fit(tmp_path, clock, 2)
    fit(tmp_path, clock, 1)
    assert column(tmp_path / "metrics.csv", "epoch") == [0]


def test_record_fit_s_adds_up_over_sessions(tmp_path, clock):
    first = fit(tmp_path, clock, 2)
    assert first.fit_s == 60 + 6 + 2 * VAL_S
    clock.now += 5000
    assert first.fit_s == 60 + 6 + 2 * VAL_S
    second = fit(tmp_path, clock, 4, tmp_path / "2.ckpt")
    assert second.fit_s == second.summary()["fit_s"] == 60 + 3 * 6 + 4 * VAL_S
    third = fit(tmp_path, clock, 5, tmp_path / "4.ckpt")
    assert third.fit_s == 60 + 4 * 6 + 5 * VAL_S


def test_record_state(tmp_path, clock):
    """What a checkpoint of the middle of a session holds."""
    record = RunRecord(RunFolder(tmp_path))
    record.load_state_dict({"fit_s": 100.0})
    assert record.state_dict() == {"fit_s": 100.0}
    record.on_fit_start(SimpleNamespace(), None)
    clock.now += 7
    assert record.state_dict() == {"fit_s": 107.0}
    record.on_fit_end(SimpleNamespace(), None)
    clock.now += 7
    assert record.state_dict() == {"fit_s": 107.0}


def test_record_says_the_epoch_in_the_log(tmp_path, clock, caplog):
    with caplog.at_level("INFO", logger="snn_zo"):
        fit(tmp_path, clock, 2)
    lines = [record.getMessage() for record in caplog.records if record.name == "snn_zo.callbacks.record"]
    assert [line.split(":")[0] for line in lines] == ["epoch 1", "epoch 2"]
    assert "val/acc=0.2" in lines[1]
