"""The coefficient of determination."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


class R2(Metric):
    """1 - sum of squared errors / sum of squared distances to the mean target, the mean over K values.

    Where a target does not vary, 1 if every prediction is right, else 0. torchmetrics' own takes errors below 1e-4 for
    none whatever the scale of the targets, and fails on a single sample.

    Args:
        size: K.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    count: Tensor
    total: Tensor
    squares: Tensor
    errors: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        # squares of targets far from 0 say nothing of their variance in float32, which is all that MPS has; of one type
        # from the start, as a device without a sample sends its own
        self._wide = torch.float32 if torch.backends.mps.is_available() else torch.float64
        self.add_state("count", torch.zeros((), dtype=self._wide), dist_reduce_fx="sum")
        for name in ("total", "squares", "errors"):
            self.add_state(name, torch.zeros(size, dtype=self._wide), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Take in predictions and targets, both [B, K]."""
        prediction, target = prediction.to(self._wide), target.to(self._wide)
        self.count = self.count + len(target)
        self.total = self.total + target.sum(0)
        self.squares = self.squares + target.square().sum(0)
        self.errors = self.errors + (target - prediction).square().sum(0)

    def compute(self) -> Tensor:
        """Of everything taken in."""
        spread = self.squares - self.total.square() / self.count
        constant = spread <= self.squares * torch.finfo(self.squares.dtype).eps * self.count
        explained = 1 - self.errors / spread.where(~constant, torch.ones_like(spread))
        return explained.where(~constant, (self.errors == 0).to(spread.dtype)).mean()
