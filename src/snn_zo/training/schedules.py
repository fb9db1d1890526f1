"""Learning-rate schedules over the whole training, stepped once an optimizer step."""

from __future__ import annotations

import math

import lightning
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR


def cosine(optimizer: Optimizer, total_steps: int, final: float = 0.0) -> LRScheduler:
    """From the optimizer's learning rate down to `final` times it, along half a cosine."""
    lowest = final * max(group["lr"] for group in optimizer.param_groups)
    return CosineAnnealingLR(optimizer, T_max=total_steps, eta_min=lowest)


def one_cycle(optimizer: Optimizer, total_steps: int, warmup: float = 0.3) -> LRScheduler:
    """Up to the optimizer's learning rate during the first share `warmup`, then down to almost 0."""
    highest = [group["lr"] for group in optimizer.param_groups]
    return OneCycleLR(optimizer, max_lr=highest, total_steps=total_steps, pct_start=warmup)


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
