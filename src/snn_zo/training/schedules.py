"""Learning-rate schedules over the whole training, stepped once an optimizer step."""

from __future__ import annotations

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
