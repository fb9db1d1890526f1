import lightning
import pytest
import torch
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from torch.utils.data import DataLoader, TensorDataset

from snn_zo.training.schedules import cosine, one_cycle, optimizer_steps


def rates(make, **options: float) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    schedule = make(optimizer, total_steps=100, **options)
    values = []
    for _ in range(100):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return values


def test_cosine_goes_from_lr_to_final():
    values = rates(cosine, final=0.1)
    assert values[0] == pytest.approx(0.1)
    assert values[50] == pytest.approx(0.055)
    assert values[-1] == pytest.approx(0.01, rel=0.01)


def test_one_cycle_peaks_after_warmup():
    values = rates(one_cycle, warmup=0.2)
    assert max(values) == pytest.approx(0.1)
    assert values.index(max(values)) == pytest.approx(20, abs=1)
    assert values[-1] < 1e-4


def training(**options: object) -> lightning.Trainer:
    """A trainer that has done a training of 7 batches an epoch."""
    off = dict.fromkeys(("logger", "enable_checkpointing", "enable_model_summary", "enable_progress_bar"), False)
    trainer = lightning.Trainer(accelerator="cpu", max_epochs=4, **off, **options)
    trainer.fit(Scheduled(), DataLoader(TensorDataset(torch.zeros(7, 1))))
    return trainer


class Scheduled(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch: list[torch.Tensor]) -> torch.Tensor:
        return (self.weight + batch[0]).sum()

    def configure_optimizers(self) -> object:
        optimizer = torch.optim.SGD([self.weight], lr=0.1)
        schedule = cosine(optimizer, total_steps=int(optimizer_steps(self.trainer)))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({}, 28),
        ({"accumulate_grad_batches": 3}, 12),
        ({"callbacks": GradientAccumulationScheduler({0: 1, 2: 4})}, 18),
        ({"callbacks": GradientAccumulationScheduler({1: 2}), "max_steps": 10}, 10),
        ({"callbacks": GradientAccumulationScheduler({1: 7}), "limit_train_batches": 2}, 5),
    ],
)
def test_optimizer_steps_are_those_of_the_training(options, steps):
    """However gradients are accumulated, the schedule comes to its end with the training."""
    trainer = training(**options)
    assert trainer.global_step == steps
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)
