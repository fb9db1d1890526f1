"""The bare spike, for use inside other libraries' neurons."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from snn_zo.ops.first_order import apply_first_order, first_order
from snn_zo.strategies import Draw, Strategy


def spike(u: Tensor, strategy: Strategy, draw: Draw | None = None) -> Tensor:
    """s = 1(u > 0) with the strategy's local derivative in its backward pass, and in forward-mode derivatives.

    As snnTorch's spike: `snntorch.Leaky(beta=0.9, spike_grad=functools.partial(snn_zo.spike, strategy=strategy))`.

    Args:
        u: [B, ...] membrane potential minus threshold, or a single number.
        strategy: its `gradient(u, draw)` replaces ds/du.
        draw: randomness for the B samples; without one, a fresh draw keyed by torch's global generator.

    Returns:
        Spikes, 0 or 1, of the shape and type of u.

    Raises:
        RuntimeError: a gradient through the spike is differentiated a second time.
    """
    wanted = (torch.is_grad_enabled() and u.requires_grad) or forward_ad.unpack_dual(u).tangent is not None
    return fire(u, local_derivative(strategy, u.detach(), draw)) if wanted else (u > 0).to(u.dtype)


def fire(u: Tensor, g: Tensor) -> Tensor:
    """s = 1(u > 0), ds/du = g."""
    return apply_first_order(_Fire, u, g)


def local_derivative(strategy: Strategy, u: Tensor, draw: Draw | None) -> Tensor:
    """`strategy.gradient(u, draw)`; where torch.compile traces it, random draws stay outside of the compiled code.

    Inductor makes no correct C++ of the 64-bit products of Philox, and has a random number generator of its own.
    """
    if strategy.stochastic and torch.compiler.is_compiling():
        return _outside(strategy, u, draw)
    return strategy.gradient(u, draw)


@torch.compiler.disable
def _outside(strategy: Strategy, u: Tensor, draw: Draw | None) -> Tensor:
    return strategy.gradient(u, draw)


class _Fire(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(u: Tensor, g: Tensor) -> Tensor:
        return (u > 0).to(u.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])
        ctx.save_for_forward(inputs[1])

    @staticmethod
    @first_order
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad * ctx.saved_tensors[0], None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        return tangent * ctx.saved_tensors[0]
