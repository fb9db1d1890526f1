"""Learning-rate schedules over the whole training, stepped once an optimizer step.

`warmup` is the same in all of them: a whole number of optimizer steps, or, as a fraction, a share of those of the
training. `restarts` are the optimizer steps at which a schedule begins anew, to end with the next of them or with the
training: what lies between two of them is as a training of that many steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise

import lightning
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LinearLR, LRScheduler, OneCycleLR, SequentialLR

from snn_zo.config import ConfigError

Part = tuple[LRScheduler, int]
"""A schedule, and its number of steps."""


def constant(optimizer: Optimizer, total_steps: int, warmup: int | float = 0) -> LRScheduler:
    """The optimizer's learning rate, after a linear warm-up.

    Raises:
        ConfigError: the warm-up is as long as the training.
    """
    steps = _steps(warmup, total_steps)
    rest = ConstantLR(optimizer, factor=1.0, total_iters=0)
    return _in_turn(optimizer, [*_rise(optimizer, steps), (rest, total_steps - steps)])


def cosine(
    optimizer: Optimizer,
    total_steps: int,
    final: float = 0.0,
    warmup: int | float = 0,
    restarts: Sequence[int] = (),
) -> LRScheduler:
    """From the optimizer's learning rate down to `final` times it, along half a cosine, after a linear warm-up.

    Raises:
        ConfigError: the warm-up is as long as the training, or a restart does not lie in it.
    """
    lowest = final * max(float(group["lr"]) for group in optimizer.param_groups)
    parts: list[Part] = []
    for length in _lengths(total_steps, restarts):
        steps = _steps(warmup, length)
        fall = CosineAnnealingLR(optimizer, T_max=length - steps, eta_min=lowest)
        parts += [*_rise(optimizer, steps), (fall, length - steps)]
    return _in_turn(optimizer, parts)


def one_cycle(
    optimizer: Optimizer, total_steps: int, warmup: int | float = 0.3, restarts: Sequence[int] = ()
) -> LRScheduler:
    """Up to the optimizer's learning rate during `warmup`, along half a cosine, then down to almost 0.

    Raises:
        ConfigError: the warm-up is as long as the training, or of one step, or a restart does not lie in the training.
    """
    highest = [group["lr"] for group in optimizer.param_groups]
    parts: list[Part] = []
    for length in _lengths(total_steps, restarts):
        steps = _steps(warmup, length)
        share = steps / length if isinstance(warmup, int) else warmup
        if share * length == 1:  # where torch divides by zero
            raise ConfigError("schedule.warmup of schedule=one_cycle is 0 or more than one step")
        parts.append((OneCycleLR(optimizer, max_lr=highest, total_steps=length, pct_start=share), length))
    return _in_turn(optimizer, parts)


def _steps(warmup: int | float, total_steps: int) -> int:
    steps = warmup if isinstance(warmup, int) else round(warmup * total_steps)
    if steps >= total_steps:
        raise ConfigError(f"schedule.warmup={warmup} takes as many steps as the training, which has {total_steps}")
    return steps


def _lengths(total_steps: int, restarts: Iterable[int]) -> list[int]:
    """Steps from each beginning of a schedule to the next one, or to the end."""
    lengths = [end - begin for begin, end in pairwise([0, *restarts, total_steps])]
    if min(lengths) < 1:
        raise ConfigError(
            f"schedule.restarts={list(restarts)} must rise, within the {total_steps} optimizer steps of the training"
        )
    return lengths


def _rise(optimizer: Optimizer, steps: int) -> list[Part]:
    """A warm-up, of which step k has (k + 1) / (steps + 1) of the learning rate; nothing where it has no steps."""
    return [(LinearLR(optimizer, start_factor=1 / (steps + 1), total_iters=steps), steps)] if steps else []


def _in_turn(optimizer: Optimizer, parts: Sequence[Part]) -> LRScheduler:
    schedules = [schedule for schedule, _ in parts]
    ends = list(accumulate(steps for _, steps in parts))
    return schedules[0] if len(parts) == 1 else SequentialLR(optimizer, schedules, milestones=ends[:-1])


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
