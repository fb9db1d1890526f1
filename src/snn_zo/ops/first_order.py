"""Autograd functions that can be differentiated once: a strategy defines ds/du and nothing beyond it.

`torch.autograd.function.once_differentiable` refuses a second derivative only where the engine happens to pass through
the first backward again; `torch.autograd.grad` with given inputs goes around it, and leaves the spike's part out.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


def apply_first_order(function: type[Function], *inputs: Any) -> Tensor:
    """`function.apply(*inputs)`, whose gradient can be computed but not differentiated again.

    Args:
        function: its backward is decorated with `first_order`.
        inputs: of its forward.

    Raises:
        RuntimeError: later, where a gradient that was made with `create_graph=True` is differentiated.
    """
    output: Tensor = function.apply(*inputs)
    if output.grad_fn is not None and not torch.compiler.is_compiling():
        sources = [each for each in inputs if isinstance(each, Tensor) and each.requires_grad]
        # the node is the `ctx` of the backward; an empty tensor keeps the way back to the inputs, and no memory
        output.grad_fn.refusal = _Refusal.apply(*sources)  # type: ignore[attr-defined]
    return output


def first_order(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator of a backward pass: its results refuse to be differentiated."""

    @wraps(backward)
    def wrapper(ctx: Any, *grads: Tensor) -> Any:
        with torch.no_grad():
            found = backward(ctx, *grads)
        if not torch.is_grad_enabled():
            return found
        refusal = _Refusal.apply(*grads).sum()
        if getattr(ctx, "refusal", None) is not None:
            refusal = refusal + ctx.refusal.sum()
        results = found if isinstance(found, tuple) else (found,)
        return tuple(None if each is None else each + refusal.to(each.dtype) for each in results)

    return wrapper


SECOND = "a spike has no second derivative: gradients through it cannot be differentiated again (create_graph=True)"


class _Refusal(Function):
    """An empty tensor that depends on others, and raises where anything is differentiated with respect to them."""

    generate_vmap_rule = True

    @staticmethod
    def forward(*sources: Tensor) -> Tensor:
        return sources[0].new_empty(0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> Any:
        raise RuntimeError(SECOND)

    @staticmethod
    def jvp(ctx: Any, *_: Tensor) -> Any:
        raise RuntimeError(SECOND)
