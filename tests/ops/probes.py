"""What the tests put above and inside a layer to see what it asks for."""

import torch

from snn_zo.strategies import LocalZO


class Silent(LocalZO):
    """A strategy that must not be asked."""

    def gradient(self, u, draw=None):
        raise AssertionError("a gradient was made")


class Poison(torch.autograd.Function):
    """Identity whose gradient is NaN off the mask."""

    @staticmethod
    def forward(ctx, x, mask):
        ctx.save_for_backward(mask)
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        (mask,) = ctx.saved_tensors
        return grad.masked_fill(~mask, float("nan")), None
