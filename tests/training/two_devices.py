"""Trainings on one device or on two; as a script with a folder, all of `CASES` in two processes.

Each process saves what it found as `<case>-<rank>.pt`, and has a folder for its run, `<case>-<rank>`.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from snn_zo.callbacks import Checkpoint, EnergyMonitor, FiniteLoss, RunRecord, SparsityMonitor
from snn_zo.data.datamodule import EventDataModule
from snn_zo.data.randman import Randman
from snn_zo.models import FeedForward
from snn_zo.neuron import Neuron, Readout
from snn_zo.regularizer import SpikeCount
from snn_zo.runs.folder import RunFolder
from snn_zo.strategies import LocalZO, SparseSurrogate, Strategy, Surrogate
from snn_zo.target import Classes
from snn_zo.tasks import CrossEntropy, make_task
from snn_zo.tasks.tested import TestedValues
from snn_zo.training import DivergedError, SpikingModule
from snn_zo.training.devices import ending_together, of_all_devices
from snn_zo.training.schedules import cosine

TABLE = instantiate(OmegaConf.load(Path(__file__).parents[2] / "conf" / "energy" / "45nm_fp32.yaml"))
BATCH = 8
RARE = LocalZO(delta=0.4, samples=2)
CASES: dict[str, tuple[Strategy, str, str]] = {
    "local_zo": (RARE, "cpu", "64-true"),
    "surrogate": (Surrogate("sigmoid", slope=5.0), "cpu", "64-true"),
    "window": (SparseSurrogate(Surrogate("sigmoid", slope=5.0), b_th=0.4), "reference", "64-true"),
    "float32": (RARE, "cpu", "32-true"),
    "clipped": (RARE, "cpu", "64-true"),
    "accumulated": (RARE, "cpu", "64-true"),
}
"""Strategy, backend and precision."""
SETTINGS: dict[str, dict[str, Any]] = {
    "clipped": {"gradient_clip_val": 0.01},
    "accumulated": {"accumulate_grad_batches": 2},
}
WAIT_S = 6.0
"""Lightning looks after its processes every 5 s."""


class Witness(lightning.Callback):
    """The gradient of each optimizer step, as a vector, before it is clipped; live values; samples of each batch.

    Args:
        last: epoch at whose end the training is interrupted.
    """

    def __init__(self, last: int = 99) -> None:
        self.last = last
        self.gradients: list[torch.Tensor] = []
        self.live: list[list[float]] = []
        self.samples: dict[str, list[list[int]]] = {"train": [], "val": [], "test": []}

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        self.gradients.append(torch.cat([parameter.grad.flatten() for parameter in pl_module.model.parameters()]))

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.samples["train"].append(batch.sample.tolist())
        self.live.append([float(trainer.callback_metrics[name]) for name in ("loss", "active")])

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.current_epoch > self.last:
            raise InterruptedError

    def on_validation_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.samples["val"].append(batch.sample.tolist())

    def on_test_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.samples["test"].append(batch.sample.tolist())


class Diverging(SpikingModule):
    """The loss of one device becomes nan in the third step."""

    def compute(self, batch: Any, step: Any) -> Any:
        result = super().compute(batch, step)
        bad = step == 2 and self.global_rank == self.trainer.world_size - 1
        return result._replace(loss=result.loss * float("nan")) if bad else result


def make_data() -> EventDataModule:
    """33 recordings to train on: the last batch is one."""
    cache = os.environ["SNN_ZO_CACHE"]
    return EventDataModule(
        Randman(
            classes=5, units=23, steps=31, samples=11, batch_size=BATCH, val_fraction=0.2, test_fraction=0.2,
            cache_dir=cache,
        ),
        seed=3,
    )  # fmt: skip


def make_module(case: str, kind: type[SpikingModule] = SpikingModule) -> SpikingModule:
    strategy, backend, _ = CASES[case]
    torch.manual_seed(0)
    model = FeedForward((23,), 5, strategy, [13, 11], Neuron(tau=5.0, v_th=0.5), Readout(), gain=5.0, backend=backend)
    return kind(
        model,
        make_task(Classes(5), CrossEntropy()),
        seed=3,
        optimizer=functools.partial(torch.optim.Adam, lr=0.01),
        schedule=cosine,
        regularizer=SpikeCount(upper=0.06, at_most=1.0, lower=0.1, at_least=2.0),
        backend=backend,
    )


def make_trainer(case: str, devices: int, *callbacks: lightning.Callback) -> lightning.Trainer:
    return lightning.Trainer(
        accelerator="cpu",
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        use_distributed_sampler=False,
        max_epochs=2,
        precision=CASES[case][2],  # type: ignore[arg-type]
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        **SETTINGS.get(case, {}),
    )


def train(folder: Path, case: str, devices: int, last: int = 1, name: str = "", resumed: str = "") -> Any:
    """Fit and test; saves what this process found, and returns its trainer."""
    name = name or case
    rank = int(os.environ.get("LOCAL_RANK", 0))
    run = RunFolder(folder / f"{resumed or name}-{rank}")
    witness, sparsity, energy = Witness(last), SparsityMonitor(), EnergyMonitor(TABLE, "val/acc", measure=False)
    checkpoint = Checkpoint("val/acc", dirpath=folder / f"{resumed or name}-0" / "checkpoints")
    trainer = make_trainer(case, devices, sparsity, energy, FiniteLoss(), checkpoint, RunRecord(run), witness)
    module, data = make_module(case), make_data()
    start = str(Path(str(checkpoint.dirpath)) / "last.ckpt") if resumed else None
    trainer.fit(module, data, ckpt_path=start, weights_only=True)
    tested = dict(trainer.test(module, data, verbose=False)[0])
    found = {
        "gradients": torch.stack(witness.gradients),
        "live": torch.tensor(witness.live),
        "samples": witness.samples,
        "steps": trainer.global_step,
        "weights": module.model.state_dict(),
        "tested": tested,
        "predictions": module.tested.compute(),
        "sparsity": sparsity.fractions,
        "energy": energy.summary(),
        "threads": torch.get_num_threads(),
    }
    torch.save(found, folder / f"{name}-{trainer.global_rank}.pt")
    return trainer


def diverge(folder: Path, devices: int) -> None:
    """A loss that is nan on one device stops every one; saves the message and the number of steps."""
    witness = Witness()
    trainer = make_trainer("local_zo", devices, SparsityMonitor(), FiniteLoss(), witness)
    message = ""
    try:
        trainer.fit(make_module("local_zo", Diverging), make_data())
    except DivergedError as error:
        message = str(error)
    torch.save({"message": message, "steps": len(witness.gradients)}, folder / f"diverged-{trainer.global_rank}.pt")


def predict(folder: Path) -> None:
    """The table of a regression's test, of which the second device has one batch without a recording and one of two."""
    rank, size = int(os.environ.get("LOCAL_RANK", 0)), 2
    tested = TestedValues()
    for sample in ([0, 4, 2], [6]) if rank == 0 else ([], [5, 1]):
        values = torch.tensor(sample, dtype=torch.float32)[:, None].expand(-1, size)
        tested.update(values, -values, torch.tensor(sample, dtype=torch.int64))
    torch.save(tested.tables()["predictions"], folder / f"predicted-{rank}.pt")


def main(folder: Path) -> None:
    """Everything on two devices; at last the first process fails alone."""
    trainers = [train(folder, case, 2) for case in CASES]
    with suppress(InterruptedError):
        train(folder, "float32", 2, last=0, name="halfway")
    train(folder, "float32", 2, name="resumed", resumed="halfway")
    diverge(folder, 2)
    predict(folder)
    of_all_devices("everything is saved")
    try:
        with ending_together(trainers[0]):
            if trainers[0].is_global_zero:
                raise RuntimeError("this process has failed")
            of_all_devices("waiting for the first one")
    except RuntimeError:
        time.sleep(WAIT_S)
        (folder / "alive").touch()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
