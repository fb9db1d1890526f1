import math
from itertools import chain

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from torch.utils.data import DataLoader, TensorDataset

from snn_zo.config import ConfigError
from snn_zo.training.schedules import constant, cosine, one_cycle, optimizer_steps


def rates(make, total_steps: int = 100, **options: object) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    schedule = make(optimizer, total_steps=total_steps, **options)
    values = []
    for _ in range(total_steps):
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


@pytest.mark.parametrize(("make", "later"), [(constant, 0.1), (cosine, None)])
@pytest.mark.parametrize(("warmup", "steps"), [(10, 10), (0.1, 10), (1, 1), (0, 0), (0.0, 0), (99, 99)])
def test_warmup_follows_its_closed_form(make, later, warmup, steps):
    """Step k of n has (k + 1) / (n + 1) of the rate; what comes after begins at the full one."""
    values = rates(make, warmup=warmup)
    expected = [0.1 * (k + 1) / (steps + 1) for k in range(steps)]
    expected += [later or 0.05 * (1 + math.cos(math.pi * k / (100 - steps))) for k in range(100 - steps)]
    assert values == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("warmup", [20, 0.2])
def test_one_cycle_takes_steps_or_a_share(warmup):
    values = rates(one_cycle, warmup=warmup)
    assert values == rates(one_cycle, warmup=0.2)
    peak = 19  # the last of 20 steps
    low, rise = 0.1 / 25, 0.1 - 0.1 / 25
    assert values[: peak + 1] == pytest.approx(
        [low + rise * (1 - math.cos(math.pi * k / peak)) / 2 for k in range(peak + 1)]
    )


@pytest.mark.parametrize("make", [constant, cosine, one_cycle])
@pytest.mark.parametrize("warmup", [100, 250, 0.999])
def test_warmup_as_long_as_the_training_is_refused(make, warmup):
    with pytest.raises(
        ConfigError, match=f"schedule.warmup={warmup} takes as many steps as the training, which has 100"
    ):
        rates(make, warmup=warmup)


@pytest.mark.parametrize("make", [cosine, one_cycle])
def test_restarts_are_as_trainings_of_their_own(make):
    once = chain.from_iterable(rates(make, total_steps=steps, warmup=0.25) for steps in (20, 48, 32))
    assert rates(make, warmup=0.25, restarts=[20, 68]) == pytest.approx(list(once), abs=1e-12)


@pytest.mark.parametrize("restarts", [[100], [120], [0], [40, 40], [60, 20], [-5]])
def test_restarts_outside_the_training_are_refused(restarts):
    with pytest.raises(ConfigError, match=r"schedule.restarts=.* must rise, within the 100 optimizer steps"):
        rates(cosine, restarts=restarts)


@pytest.mark.parametrize("warmup", [1, 0.01])
def test_one_cycle_of_one_step_up_is_refused(warmup):
    with pytest.raises(ConfigError, match="0 or more than one step"):
        rates(one_cycle, warmup=warmup)


def test_warmup_of_a_rate_on_a_device():
    """A captured step reads the rate from a tensor, which schedules change in place."""
    rate = torch.tensor(0.1)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    schedule = cosine(optimizer, total_steps=10, warmup=3)
    seen = []
    for _ in range(5):
        seen.append(float(rate))
        optimizer.step()
        schedule.step()
    assert seen == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1 * (1 + math.cos(math.pi / 7)) / 2])


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
