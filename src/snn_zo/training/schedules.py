"""Learning-rate schedules over the whole training, stepped once an optimizer step.

`warmup` is the same in all of them: a whole number of optimizer steps, or, as a fraction, a share of those of the
training.
"""

from __future__ import annotations

import math

import lightning
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LinearLR, LRScheduler, OneCycleLR, SequentialLR

from snn_zo.config import ConfigError


def constant(optimizer: Optimizer, total_steps: int, warmup: int | float = 0) -> LRScheduler:
    """The optimizer's learning rate, after a linear warm-up.

    Raises:
        ConfigError: the warm-up is as long as the training.
    """
    steps = _steps(warmup, total_steps)
    return _warmed_up(optimizer, ConstantLR(optimizer, factor=1.0, total_iters=0), steps)


def cosine(optimizer: Optimizer, total_steps: int, final: float = 0.0, warmup: int | float = 0) -> LRScheduler:
    """From the optimizer's learning rate down to `final` times it, along half a cosine, after a linear warm-up.

    Raises:
        ConfigError: the warm-up is as long as the training.
    """
    steps = _steps(warmup, total_steps)
    lowest = final * max(float(group["lr"]) for group in optimizer.param_groups)
    return _warmed_up(optimizer, CosineAnnealingLR(optimizer, T_max=total_steps - steps, eta_min=lowest), steps)


def one_cycle(optimizer: Optimizer, total_steps: int, warmup: int | float = 0.3) -> LRScheduler:
    """Up to the optimizer's learning rate during `warmup`, along half a cosine, then down to almost 0.

    Raises:
        ConfigError: the warm-up is as long as the training, or of one step.
    """
    steps = _steps(warmup, total_steps)
    share = steps / total_steps if isinstance(warmup, int) else warmup
    if share * total_steps == 1:  # where torch divides by zero
        raise ConfigError("schedule.warmup of schedule=one_cycle is 0 or more than one step")
    highest = [group["lr"] for group in optimizer.param_groups]
    return OneCycleLR(optimizer, max_lr=highest, total_steps=total_steps, pct_start=share)


def _steps(warmup: int | float, total_steps: int) -> int:
    steps = warmup if isinstance(warmup, int) else round(warmup * total_steps)
    if steps >= total_steps:
        raise ConfigError(f"schedule.warmup={warmup} takes as many steps as the training, which has {total_steps}")
    return steps


def _warmed_up(optimizer: Optimizer, schedule: LRScheduler, steps: int) -> LRScheduler:
    """The schedule after steps 0 to `steps` - 1, of which step k has (k + 1) / (steps + 1) of the learning rate."""
    if not steps:
        return schedule
    rising = LinearLR(optimizer, start_factor=1 / (steps + 1), total_iters=steps)
    return SequentialLR(optimizer, [rising, schedule], milestones=[steps])


def optimizer_steps(trainer: lightning.Trainer) -> float:
    """Optimizer steps of a whole training; infinite where it has no end in epochs or steps.

    Lightning's own number takes the accumulation of gradients in the first epoch for that of all.
    """
    total = trainer.estimated_stepping_batches
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, GradientAccumulationScheduler) and math.isfinite(total) and trainer.max_epochs:
            factors = map(callback.get_accumulate_grad_batches, range(trainer.max_epochs))
            steps = sum(math.ceil(trainer.num_training_batches / factor) for factor in factors)
            return min(steps, trainer.max_steps) if trainer.max_steps > 0 else steps
    return total
