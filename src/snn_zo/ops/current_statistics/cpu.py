"""Currents of one time step of one sample at a time, from events; none is kept.

Events counted by input give the mean. One pass over the currents then gives the variance and the sum, over all outputs,
of (I - mean) times their patches of the input, which is all that the gradient of the weight needs. The gradient at the
active inputs takes one more pass over the currents, of those rows that have any.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from snn_zo.ops.convolution import Convolution
from snn_zo.ops.cpu.patches import (
    add_events,
    add_reached,
    by_input,
    from_by_input,
    patches_of,
    reached_product,
    summed,
)
from snn_zo.ops.cpu.rows import RowArrays
from snn_zo.ops.cpu.threads import over_ranges, width_for
from snn_zo.ops.first_order import first_order
from snn_zo.ops.spikes import EVERYWHERE, Spikes


def current_statistics(x: Spikes, weight: Tensor, convolution: Convolution | None) -> tuple[Tensor, Tensor]:
    """See `snn_zo.ops.current_statistics.current_statistics`."""
    if convolution is None:  # of a single pixel
        convolution, weight = Convolution((x.shape[2], 1, 1), len(weight), (1, 1)), weight[:, :, None, None]
    taken: tuple[Tensor, Tensor] = _Statistics.apply(x.handle, weight, x, convolution)
    return taken


class _Saved(NamedTuple):
    """What the backward pass needs besides the weight.

    Attributes:
        x: the input.
        made: the convolution.
        mean: [C_out].
        patch: sum of all patches of the input, and products: that of (I - mean) times them; both of the weight's shape.
    """

    x: Spikes
    made: Convolution
    mean: Tensor
    patch: Tensor
    products: Tensor


class _Statistics(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, handle: Tensor, weight: Tensor, x: Spikes, made: Convolution) -> tuple[Tensor, Tensor]:
        with torch.autocast("cpu", enabled=False):
            patch = _patch_sum(x, made)
            mean = (weight.double() * patch).flatten(1).sum(1) / _values(x, made)
            squares, products = _moments(x, made, weight, mean, any(ctx.needs_input_grad))
        ctx.save_for_backward(weight)
        ctx.saved = _Saved(x, made, mean, patch, products)
        return mean.to(weight.dtype), (squares / _values(x, made)).to(weight.dtype)

    @staticmethod
    @first_order
    def backward(ctx: Any, of_mean: Tensor, of_variance: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        (weight,), saved = ctx.saved_tensors, ctx.saved
        values = _values(saved.x, saved.made)
        # dL/dI = slope * (I - mean) + offset
        slope, offset = 2 / values * of_variance, of_mean / values
        grad_x = grad_weight = None
        if ctx.needs_input_grad[0]:
            grad_x = _input_gradient(saved, weight, slope, offset).to(saved.x.handle.dtype)
        if ctx.needs_input_grad[1]:
            slopes, offsets = slope.view(-1, 1, 1, 1), offset.view(-1, 1, 1, 1)
            grad_weight = slopes * saved.products + offsets * saved.patch.to(weight.dtype)
        return grad_x, grad_weight, None, None


def _values(x: Spikes, made: Convolution) -> int:
    """Currents of a channel."""
    _, height, width = made.out_shape
    return x.shape[0] * x.shape[1] * height * width


def _patch_sum(x: Spikes, made: Convolution) -> Tensor:
    """Sum of the patches of all outputs, float64 [groups * channels of a group, C_in / groups, rows, columns]."""
    # one channel in each group, as all channels of a group see the same
    one = replace(made, channels=made.groups)
    table, between = patches_of(one, x.channels_last)[::2]
    count = np.bincount(x.events.col.numpy(), minlength=x.shape[2]).astype(np.float64)
    patch = by_input(torch.zeros(one.weight_shape, dtype=torch.float64), one).flatten().numpy()
    _add_counted(count, table, between, np.ones(math.prod(one.out_shape)), patch)
    return from_by_input(torch.from_numpy(patch), one).repeat_interleave(made.channels // made.groups, 0)


def _moments(x: Spikes, made: Convolution, weight: Tensor, mean: Tensor, wanted: bool) -> tuple[Tensor, Tensor]:
    """Float64 [C_out] sum of (I - mean)^2, and the sum of (I - mean) times the patches; empty if it is not wanted."""
    b, t, _ = x.shape
    patches, start = patches_of(made, x.channels_last), _per_output(-mean.to(weight.dtype), made)
    kernel, events = by_input(weight.detach(), made).numpy().ravel(), RowArrays.of(x.events)
    squares = np.zeros((b, made.channels))

    def run(first: int, last: int, products: NDArray[Any]) -> None:
        _scan(events, patches, kernel, start, t, first, last, squares, products)

    if not wanted:
        over_ranges(lambda first, last: run(first, last, kernel[:0]), b, width_for(b, 1))
        return torch.from_numpy(squares.sum(0)), weight.new_empty(0)
    products = torch.from_numpy(summed(run, b, len(kernel), kernel.dtype))
    return torch.from_numpy(squares.sum(0)), from_by_input(products, made)


def _input_gradient(saved: _Saved, weight: Tensor, slope: Tensor, offset: Tensor) -> Tensor:
    """[K] gradient at the input's active elements."""
    x, made = saved.x, saved.made
    b, t, n_in = x.shape
    active = RowArrays.none() if x.active is EVERYWHERE else RowArrays.of(x.active)
    # dL/dI are the currents of scaled weights
    start = _per_output((offset - slope * saved.mean).to(weight.dtype), made)
    kernel, scaled = (by_input(each, made).numpy().ravel() for each in (weight, slope.view(-1, 1, 1, 1) * weight))
    events = RowArrays.of(x.events)
    gradient = np.zeros(b * t * n_in if x.active is EVERYWHERE else len(active.col), kernel.dtype)
    patches = patches_of(made, x.channels_last)

    def run(first: int, last: int) -> None:
        _gather(events, patches, kernel, scaled, start, active, t, first, last, gradient)

    over_ranges(run, b, width_for(b, 1))
    return torch.from_numpy(gradient)


def _per_output(values: Tensor, made: Convolution) -> NDArray[Any]:
    """[N] of [C_out]."""
    return values.repeat(math.prod(made.out_shape) // made.channels).numpy()


@numba.njit(nogil=True, cache=True)
def _add_counted(count: Any, table: Any, between: Any, ones: Any, patch: Any) -> None:
    """Add the number of events of each input to the part of the kernel that it reaches; `ones` has all outputs."""
    index = np.arange(len(table))
    for i in range(len(table)):
        if count[i] > 0:
            add_reached(patch, ones, count[i], table, between, index, i, i + 1)


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _scan(
    x: Any, patches: Any, kernel: Any, start: Any, steps: int, first: int, last: int, squares: Any, products: Any
) -> None:
    """Samples first to last of `_moments`, where the current of no event is `start`."""
    (ptr, col), (table, _, between, _) = x, patches
    one, positions = kernel.dtype.type(1), len(start) // squares.shape[1]
    current = np.empty_like(start)
    for b in range(first, last):
        silent = 0
        for row in range(b * steps, (b + 1) * steps):
            if ptr[row] == ptr[row + 1]:
                silent += 1
                continue
            current[:] = start
            add_events(current, kernel, table, between, col, ptr[row], ptr[row + 1])
            _add_squares(current, squares[b])
            if len(products) > 0:
                add_reached(products, current, one, table, between, col, ptr[row], ptr[row + 1])
        for c in range(squares.shape[1]):
            squares[b, c] += silent * positions * np.float64(start[c]) ** 2


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _add_squares(values: Any, squares: Any) -> None:
    """Add squares of [N] values to [C], channels last."""
    channels = len(squares)
    # of one row in the type of the values, and of all rows in float64
    own = np.zeros(channels, values.dtype)
    for first in range(0, len(values), channels):
        row = values[first : first + channels]
        for c in range(channels):
            own[c] += row[c] * row[c]
    for c in range(channels):
        squares[c] += own[c]


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _gather(
    x: Any, patches: Any, kernel: Any, scaled: Any, start: Any, at: Any, steps: int, first: int, last: int,
    gradient: Any,
) -> None:  # fmt: skip
    """Samples first to last of `_input_gradient`, `at` all inputs where it has no rows."""
    (ptr, col), (table, _, between, _), (at_ptr, at_col) = x, patches, at
    inputs, everywhere = len(table), len(at_ptr) == 0
    current = np.empty_like(start)
    for row in range(first * steps, last * steps):
        if not everywhere and at_ptr[row] == at_ptr[row + 1]:
            continue
        current[:] = start
        add_events(current, scaled, table, between, col, ptr[row], ptr[row + 1])
        if everywhere:
            for i in range(inputs):
                gradient[row * inputs + i] = reached_product(current, kernel, table, between, i)
        else:
            for k in range(at_ptr[row], at_ptr[row + 1]):
                gradient[k] = reached_product(current, kernel, table, between, at_col[k])
