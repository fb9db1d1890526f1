"""The bare spike, for use inside other libraries' neurons."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from snn_zo.strategies import Draw, Strategy


def spike(u: Tensor, strategy: Strategy, draw: Draw | None = None) -> Tensor:
    """s = 1(u > 0) with the strategy's local derivative in its backward pass.

    As snnTorch's spike: `snntorch.Leaky(beta=0.9, spike_grad=functools.partial(snn_zo.spike, strategy=strategy))`.

    Args:
        u: [B, ...] membrane potential minus threshold.
        strategy: its `gradient(u, draw)` replaces ds/du.
        draw: randomness for the B samples; without one, a fresh draw keyed by torch's global generator.

    Returns:
        Spikes, 0 or 1, of the shape and type of u.
    """
    if not (torch.is_grad_enabled() and u.requires_grad):
        return (u > 0).to(u.dtype)
    return fire(u, strategy.gradient(u.detach(), draw))


def fire(u: Tensor, g: Tensor) -> Tensor:
    """s = 1(u > 0), ds/du = g. The forward does not read g: it may be filled in until the backward runs."""
    return _Fire.apply(u, g)


class _Fire(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, g: Tensor) -> Tensor:
        # kept off save_for_backward, whose version check would refuse a g that is filled in later
        ctx.g = g
        return (u > 0).to(u.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad * ctx.g, None
