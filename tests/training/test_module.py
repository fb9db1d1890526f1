"""The LightningModule with the tasks that it may have."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import lightning
import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from snn_zo.config import ConfigError
from snn_zo.data.arrays import ArrayDataset
from snn_zo.data.datamodule import EventDataModule
from snn_zo.data.errors import DataError
from snn_zo.data.store import Batch
from snn_zo.layers import ThresholdBatchNorm
from snn_zo.models import FeedForward
from snn_zo.neuron import Neuron, Readout
from snn_zo.ops import Spikes
from snn_zo.regularizer import SpikeCount
from snn_zo.strategies import LocalZO, Surrogate
from snn_zo.target import Classes, Continuous
from snn_zo.tasks import MAE, MSE, TET, CrossEntropy, Task, make_task
from snn_zo.training import SpikingModule

B, T, N = 4, 6, 5
OFF = dict.fromkeys(("logger", "enable_checkpointing", "enable_model_summary", "enable_progress_bar"), False)


def make_module(task: Task, strategy=None, inputs: int = N, lr: float = 0.01, **settings) -> SpikingModule:
    torch.manual_seed(0)
    arguments = (
        (inputs,),
        task.target.outputs,
        strategy or LocalZO(delta=0.5),
        [20],
        Neuron(tau=5.0),
        Readout(tau=5.0),
    )
    model = FeedForward(*arguments, gain=4.0, bias=True, every_step=task.criterion.every_step)
    return SpikingModule(model, task, 0, partial(torch.optim.Adam, lr=lr), **settings)


def make_batch(target: torch.Tensor, seed: int = 0) -> Batch:
    x = (torch.rand(len(target), T, N, generator=torch.Generator().manual_seed(seed)) < 0.4).float()
    return Batch(Spikes.from_dense(x), target, torch.arange(len(target)))


def fit(module: SpikingModule, data: EventDataModule, epochs: int) -> dict[str, float]:
    """Train and test; what the test logged."""
    trainer = lightning.Trainer(max_epochs=epochs, accelerator="cpu", default_root_dir="nowhere", **OFF)
    trainer.fit(module, data)
    return dict(trainer.test(module, data, verbose=False)[0])


def test_module_loss_of_a_classification_is_cross_entropy_bit_for_bit():
    module = make_module(make_task(Classes(3), CrossEntropy()), regularizer=SpikeCount(upper=0, lower=0))
    batch = make_batch(torch.tensor([0, 2, 1, 1]))
    step = module.compute(batch, 0)
    assert torch.equal(step.fit, cross_entropy(step.readout, batch.target))
    assert torch.equal(step.loss, step.fit)


@pytest.mark.parametrize(
    ("task", "target"),
    [
        (make_task(Classes(3), TET()), torch.tensor([0, 2, 1, 1])),
        (make_task(Continuous(2), MSE()), torch.randn(B, 2)),
        (make_task(Continuous(1), MAE()), torch.randn(B, 1)),
    ],
    ids=["tet", "mse", "mae"],
)
def test_module_gradients_reach_every_parameter(task, target):
    module = make_module(task, Surrogate(slope=2.0))
    step = module.compute(make_batch(target), 0)
    step.loss.backward()
    assert step.readout.shape == (B, task.target.outputs)
    assert all(parameter.grad.abs().sum() > 0 for parameter in module.parameters())


def test_module_of_a_device_without_a_share():
    module = make_module(make_task(Continuous(2), MSE()))
    step = module.compute(make_batch(torch.zeros(0, 2)), 0)
    assert step.readout.shape == (0, 2)
    assert float(step.loss.detach()) == 0


def imbalanced(tmp_path: Path) -> ArrayDataset:
    """Two classes that overlap, the second of which is one in ten."""
    rng = np.random.default_rng(0)
    y = (np.arange(600) % 10 == 0).astype(np.int64)
    rate = np.where(y[:, None, None] == 1, [0.3, 0.3, 0.5, 0.5], [0.4, 0.4, 0.4, 0.4])
    x = (rng.random((600, 20, 4)) < rate).astype(np.int64)
    return ArrayDataset(x, y, val_fraction=0.1, test_fraction=0.4, cache_dir=str(tmp_path))


def test_module_balanced_weights_raise_the_recall_of_the_rare_class(tmp_path):
    recall, logged = {}, {}
    for weights in (None, "balanced"):
        dataset = imbalanced(tmp_path)
        data = EventDataModule(dataset, seed=0)
        module = make_module(make_task(Classes(2), CrossEntropy(class_weights=weights)), inputs=4)
        logged[weights] = fit(module, data, epochs=6)
        matrix = torch.tensor([row[1:] for row in module.tested.tables()["confusion"][1:]])
        recall[weights] = float(matrix[1, 1] / matrix[1].sum())
    assert module.task.criterion.class_weights == pytest.approx([300 / (2 * 270), 300 / (2 * 30)])
    assert recall[None] < 0.2
    assert recall["balanced"] > 0.5
    assert logged[None].keys() == logged["balanced"].keys() == {"test/acc", "test/loss"}


def test_module_balanced_weights_need_the_data():
    module = make_module(make_task(Classes(3), CrossEntropy(class_weights="balanced")))
    trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", default_root_dir="nowhere", **OFF)
    loader = torch.utils.data.DataLoader([make_batch(torch.tensor([0, 2, 1, 1]))], batch_size=None)
    with pytest.raises(DataError, match="train and test with an EventDataModule"):
        trainer.fit(module, loader)


def test_module_with_statistics_of_batches_trains_on_one_device(monkeypatch):
    module = make_module(make_task(Classes(3), CrossEntropy()))
    module.model.layers[0].norm = ThresholdBatchNorm(20, 1.0)
    module.trainer = lightning.Trainer(accelerator="cpu", default_root_dir="nowhere", **OFF)
    module.setup("fit")
    monkeypatch.setattr(type(module.trainer), "world_size", 2)
    module.setup("test")
    with pytest.raises(ConfigError, match=r"norm=tdbn takes statistics of whole batches, .*: trainer\.devices=1"):
        module.setup("fit")


def test_module_learns_a_regression():
    """Two sums of spike counts; logs the metrics of a regression, and lists predictions by sample."""
    weights = torch.tensor([[0.5, -0.5, 0.0, 0.0, 0.0], [0.0, 0.0, 0.3, 0.3, -0.3]])
    batches = []
    for i in range(8):
        batch = make_batch(torch.zeros(32, 2), seed=i)
        batches.append(batch._replace(target=batch.spikes.count() @ weights.T, sample=batch.sample + 32 * i))
    module = make_module(make_task(Continuous(2), MSE()), Surrogate(slope=2.0), lr=0.01)
    trainer = lightning.Trainer(max_epochs=60, accelerator="cpu", default_root_dir="nowhere", **OFF)
    loader = torch.utils.data.DataLoader(batches, batch_size=None)
    trainer.fit(module, loader, loader)
    assert {f"{stage}/{name}" for stage in ("train", "val") for name in ("loss", "r2", "mae", "rmse")} <= set(
        trainer.callback_metrics
    )
    (tested,) = trainer.test(module, loader, verbose=False)
    assert tested["test/r2"] > 0.8
    assert tested["test/rmse"] ** 2 == pytest.approx(tested["test/loss"], rel=1e-4)
    header, *rows = module.tested.tables()["predictions"]
    assert header == ["recording", "predicted_1", "predicted_2", "true_1", "true_2"]
    assert [row[0] for row in rows] == list(range(256))
    values = np.array(rows, np.float64)
    residual = ((values[:, 1:3] - values[:, 3:]) ** 2).sum(0) / ((values[:, 3:] - values[:, 3:].mean(0)) ** 2).sum(0)
    assert 1 - residual.mean() == pytest.approx(tested["test/r2"], abs=1e-5)
