"""Training in two processes against training in one."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning
import pytest
import torch

from snn_zo.training import DivergedError
from snn_zo.training.devices import OwnTermination, ending_together
from tests.training import two_devices
from tests.training.two_devices import BATCH, CASES

STEPS = 5
"""Batches an epoch, the last of one recording."""

cases = pytest.mark.parametrize("case", CASES)


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> Path:
    """What two processes found."""
    folder = tmp_path_factory.mktemp("two")
    two_devices.make_data().prepare_data()
    command = [sys.executable, two_devices.__file__, str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def one(tmp_path_factory) -> Path:
    """What one process found."""
    folder = tmp_path_factory.mktemp("one")
    for case in CASES:
        two_devices.train(folder, case, 1)
    return folder


def load(folder: Path, name: str, rank: int = 0) -> dict[str, Any]:
    return torch.load(folder / f"{name}-{rank}.pt", weights_only=False)


def rows(folder: Path, case: str) -> list[dict[str, float]]:
    with (folder / f"{case}-0" / "metrics.csv").open() as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """Largest difference in each row, over the row's largest element; the largest of these."""
    return float(((a - b).abs().amax(1) / a.abs().amax(1)).max())


@cases
def test_devices_gradients(one, two, case):
    """Of every step of two epochs, also of those in which the second device has no recording.

    Sums over a batch are taken in another order: that is worth a few roundings of the type.
    """
    alone, together = load(one, case)["gradients"], load(two, case)["gradients"]
    steps = 2 * -(-STEPS // two_devices.SETTINGS.get(case, {}).get("accumulate_grad_batches", 1))
    assert len(alone) == len(together) == steps
    assert float(alone.abs().amax(1).min()) > 1e-3
    assert distance(alone, together) < (2e-6 if case == "float32" else 1e-13)


@pytest.mark.parametrize("rank", [0, 1])
def test_devices_put_predictions_together(two, rank):
    header, *lines = load(two, "predicted", rank)
    assert header == ["recording", "predicted_1", "predicted_2", "true_1", "true_2"]
    assert lines == [[i, f"{i}", f"{i}", f"{-i if i else '-0'}", f"{-i if i else '-0'}"] for i in (0, 1, 2, 4, 5, 6)]


@cases
def test_devices_agree(two, case):
    """Bit for bit: gradients, weights, and everything that is said of all devices."""
    first, second = load(two, case, 0), load(two, case, 1)
    for name in ("gradients", "live"):
        assert torch.equal(first[name], second[name]), name
    assert all(map(torch.equal, first["predictions"], second["predictions"]))
    for name in ("steps", "tested", "sparsity", "energy", "threads"):
        assert first[name] == second[name], name
    assert all(torch.equal(weight, second["weights"][name]) for name, weight in first["weights"].items())


@cases
def test_devices_share_out_every_batch(one, two, case):
    alone, first, second = (load(*where)["samples"] for where in ((one, case), (two, case), (two, case, 1)))
    for stage, batches in alone.items():
        pairs = list(zip(first[stage], second[stage], strict=True))
        assert [sorted(a + b) for a, b in pairs] == [sorted(batch) for batch in batches]
        assert all(len(a) - len(b) in (0, 1) for a, b in pairs)
    assert [len(a) for a in first["train"][:STEPS]] == [BATCH // 2] * 4 + [1]
    assert [len(b) for b in second["train"][:STEPS]] == [BATCH // 2] * 4 + [0]


@cases
def test_devices_metrics(one, two, case):
    """Only what the devices spend on the update, and how they go about their own shares, may be another."""
    tolerance = 1e-6 if case == "float32" else 1e-8
    for alone, together in zip(rows(one, case), rows(two, case), strict=True):
        assert alone.keys() == together.keys()
        for name in alone:
            if not name.startswith("energy/"):
                assert together[name] == pytest.approx(alone[name], rel=tolerance), name
            elif name in ("energy/forward", "energy/neuron"):
                assert together[name] == pytest.approx(alone[name], rel=1e-6), name
        assert together["energy/optimizer"] == pytest.approx(2 * alone["energy/optimizer"], rel=1e-6)


@cases
def test_devices_live_values(one, two, case):
    """Loss and active fraction of a step, as progress shows them, are the whole batch's."""
    torch.testing.assert_close(load(two, case)["live"], load(one, case)["live"], rtol=1e-6, atol=0)


@cases
def test_devices_sparsity_and_test(one, two, case):
    alone, together = load(one, case), load(two, case)
    assert together["sparsity"] == alone["sparsity"]
    assert together["tested"] == pytest.approx(alone["tested"], rel=1e-6)
    for expected, found in zip(alone["predictions"], together["predictions"], strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert together["energy"]["inference"] == alone["energy"]["inference"]
    assert alone["predictions"][0].tolist() == sorted(two_devices.make_data().splits.test.sample)


def test_devices_first_one_writes(two):
    names = {path.name for path in two.iterdir() if path.is_dir()}
    assert names == {f"{case}-0" for case in (*CASES, "halfway")}
    assert {path.name for path in (two / "local_zo-0" / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}


def test_devices_count_samples_of_all(two):
    with (two / "local_zo-0" / "timing.csv").open() as file:
        for row in csv.DictReader(file):
            assert float(row["samples_per_s"]) * float(row["train_s"]) == pytest.approx(4 * BATCH + 1)


def test_devices_resumed(two):
    """Stopped after the first of two epochs and gone on with: the same numbers, bit for bit."""
    resumed, whole = load(two, "resumed"), load(two, "float32")
    assert torch.equal(resumed["gradients"], whole["gradients"][STEPS:])
    assert resumed["tested"] == whole["tested"]
    metrics = [(two / f"{name}-0" / "metrics.csv").read_text() for name in ("halfway", "float32")]
    assert metrics[0] == metrics[1]


def test_devices_stop_together(two):
    """The loss became nan on the second one only."""
    for rank in (0, 1):
        diverged = load(two, "diverged", rank)
        assert diverged["message"].startswith("the loss is nan in epoch 1, step 3; ")
        assert diverged["steps"] == 2


def test_first_process_outlives_the_others(two):
    """It failed while the second one waited for it, and was left the time to say so."""
    assert (two / "alive").exists()


def test_own_termination_stays_in_place():
    """While a training or a test runs, and after it."""
    seen = []

    def own(*_: Any) -> None: ...

    class Look(lightning.Callback):
        def on_train_batch_end(self, *_: Any) -> None:
            seen.append(signal.getsignal(signal.SIGTERM))

        on_test_batch_end = on_train_batch_end

    before = signal.signal(signal.SIGTERM, own)
    try:
        trainer = two_devices.make_trainer("float32", 1, OwnTermination(), Look())
        module, data = two_devices.make_module("float32"), two_devices.make_data()
        trainer.fit(module, data)
        trainer.test(module, data, verbose=False)
    finally:
        after = signal.signal(signal.SIGTERM, before)
    assert set(seen) == {own} == {after}


@pytest.mark.parametrize(
    ("error", "code", "raised"),
    [
        (RuntimeError("Connection reset by peer"), "exit 3", "process 2 of the run ended with exit code 3"),
        (RuntimeError("its own"), "exec sleep 99", "its own"),
        (DivergedError("nan"), "exit 3", "nan"),
        (KeyboardInterrupt("told to"), "exit 3", "told to"),
    ],
)
def test_ending_together_names_the_lost_process(error, code, raised):
    """Where a connection broke because a process is gone; and none is left behind."""
    process = subprocess.Popen(["sh", "-c", code])
    if code == "exit 3":
        process.wait()
    launcher = SimpleNamespace(procs=[process])
    with (
        pytest.raises(BaseException, match=f"^{raised}$"),
        ending_together(SimpleNamespace(strategy=SimpleNamespace(launcher=launcher))),
    ):
        raise error
    assert process.wait(5) is not None
    assert launcher.procs == []
