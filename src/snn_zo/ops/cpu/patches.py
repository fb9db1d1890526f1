"""Convolution from events and from errors: patches of maps whose places are in tables, without a check of any border.

A layer's current and its gradients need four passes over patches (`snn_zo.ops.cpu.gradients` has the formulas):

    forward  an event adds the part of the kernel that it reaches to the map of outputs
    adjoint  an event adds the part of the map of lambda that it reaches to the gradient of that part of the kernel
    trace    an error adds its patch of the map of input traces to the gradient of its channel's kernel
    scan     an error adds its channel's kernel to its patch of the map of input gradients, read at the active inputs
    gather   an active input sums the product of the part of the kernel that it reaches and that of lambda

What is kept from step to step is kept relative to its decay, as in `snn_zo.ops.cpu.gradients`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from snn_zo.ops.convolution import Convolution
from snn_zo.ops.cpu.gradients import SMALL, absorb
from snn_zo.ops.cpu.rows import RowArrays
from snn_zo.ops.cpu.threads import over_ranges, width_for

PIECES = 8
"""Most parts that a batch is cut into for the gradient of a weight; fixed, as the order of a sum is part of its
result."""

ROOM = 2**24
"""Numbers that the parts of a weight's gradient may have together, beyond one part."""

SEGMENT = 24
"""Time to begin a segment, in numbers of it."""

# columns of `Patches.by_input`
PLACE, WEIGHT, OUTPUT, ROWS, SEGMENTS, LENGTH, REGION = range(7)


class Steps(NamedTuple):
    """Distances between what follows each other in a patch, in numbers.

    A patch has rows, a row segments, and a segment consecutive numbers: without groups, a row is one segment.

    Attributes:
        weight_row, weight_segment: in the weight by input.
        output_row, output_segment: in the map of outputs.
        input_row, input_segment: in the padded map of inputs.
        rows, segments, length: of the patch of an output.
    """

    weight_row: int = 0
    weight_segment: int = 0
    output_row: int = 0
    output_segment: int = 0
    input_row: int = 0
    input_segment: int = 0
    rows: int = 0
    segments: int = 0
    length: int = 0


class Patches(NamedTuple):
    """Where the patches of a convolution are.

    Attributes:
        by_input: [N_in, 7] int32, of each input its place in the padded map of pooled inputs, the places of the first
            weight and of the first output that it reaches, how many rows, segments a row and numbers a segment these
            are, and a number that inputs share which reach the same outputs; no row where it reaches nothing. [0, 7]
            for a fully connected layer.
        by_output: [N, 2] int32, of each output the place of its patch in the padded map, and that of its channel's
            kernel in the weight by output.
        steps: between what follows each other.
        inputs: numbers in the padded map of pooled inputs.
    """

    by_input: NDArray[np.int32]
    by_output: NDArray[np.int32]
    steps: Steps
    inputs: int

    @classmethod
    def none(cls) -> Patches:
        """Those of a fully connected layer, which needs none."""
        return cls(np.zeros((0, 7), np.int32), np.zeros((0, 2), np.int32), Steps(), 0)

    @property
    def reached_time(self) -> float:
        """Time for the outputs that an input reaches, in the mean over inputs, in numbers of a long segment."""
        _, _, _, rows, segments, length, _ = self.by_input.astype(np.float64).T
        return float((rows * segments * (length + SEGMENT)).mean())

    @property
    def patch_time(self) -> float:
        """The same for the inputs that an output sees."""
        return self.steps.rows * self.steps.segments * (self.steps.length + SEGMENT)


def _taps(made: Convolution) -> tuple[int, int]:
    """Most outputs that an input reaches in each direction."""
    return tuple(-(-kernel // stride) for kernel, stride in zip(made.kernel, made.stride, strict=True))  # type: ignore[return-value]


@lru_cache(maxsize=64)
def patches_of(made: Convolution, channels_last: bool) -> Patches:
    """The tables of a convolution of inputs in either order."""
    (channels, height, width), (out_channels, out_height, out_width) = made.in_shape, made.out_shape
    _, pooled_height, pooled_width = made.pooled_shape
    taps, grouped = _taps(made), made.groups > 1
    in_group, out_group = channels // made.groups, out_channels // made.groups
    padded_width = pooled_width + 2 * made.padding[1]

    c, y, x = np.meshgrid(np.arange(channels), np.arange(height), np.arange(width), indexing="ij")
    py, px = y // made.pool[0], x // made.pool[1]
    inside = (py < pooled_height) & (px < pooled_width)
    row = _reach(py + made.padding[0], made.kernel[0], made.stride[0], out_height)
    column = _reach(px + made.padding[1], made.kernel[1], made.stride[1], out_width)
    group = c // in_group
    rows, columns = (np.where(inside, each.count, 0) for each in (row, column))
    weight = c
    for offset, size in (
        (row.phase, made.stride[0]), (column.phase, made.stride[1]), (row.tap, taps[0]), (column.tap, taps[1]),
    ):  # fmt: skip
        weight = weight * size + offset
    by_input = np.stack(
        [
            ((py + made.padding[0]) * padded_width + px + made.padding[1]) * channels + c,
            weight * out_group,
            (row.first * out_width + column.first) * out_channels + group * out_group,
            np.where(columns > 0, rows, 0),
            columns if grouped else np.ones_like(columns),
            np.full_like(columns, out_group) if grouped else columns * out_group,
        ],
        axis=-1,
    )
    by_input[~inside] = 0
    region = np.unique(by_input[..., OUTPUT:].reshape(-1, 4), axis=0, return_inverse=True)[1]
    by_input = np.concatenate([by_input, region.reshape(*c.shape, 1)], axis=-1)
    if channels_last:
        by_input = by_input.transpose(1, 2, 0, 3)

    oy, ox, o = np.meshgrid(np.arange(out_height), np.arange(out_width), np.arange(out_channels), indexing="ij")
    start = (oy * made.stride[0] * padded_width + ox * made.stride[1]) * channels + o // out_group * in_group
    kernel = o * (made.kernel[0] * made.kernel[1] * in_group)
    steps = Steps(
        weight_row=taps[1] * out_group,
        weight_segment=out_group,
        output_row=out_width * out_channels,
        output_segment=out_channels,
        input_row=padded_width * channels,
        input_segment=channels,
        rows=made.kernel[0],
        segments=made.kernel[1] if grouped else 1,
        length=in_group if grouped else made.kernel[1] * channels,
    )
    return Patches(
        np.ascontiguousarray(by_input.reshape(-1, 7), np.int32),
        np.ascontiguousarray(np.stack([start, kernel], axis=-1).reshape(-1, 2), np.int32),
        steps,
        (pooled_height + 2 * made.padding[0]) * padded_width * channels,
    )


class _Reach(NamedTuple):
    """In one direction: which outputs an input at a padded place reaches, and by which taps.

    Taps that differ by a multiple of the stride reach consecutive outputs: their first number modulo the stride is
    their phase, and they are counted in the order of the outputs, from the last tap of the phase down.
    """

    first: Any
    count: Any
    phase: Any
    tap: Any


def _reach(place: Any, kernel: int, stride: int, outputs: int) -> _Reach:
    last, phase = np.divmod(place, stride)
    taps = -(-(kernel - phase) // stride)  # of the phase; none where it has no tap
    first = np.maximum(0, last - taps + 1)
    count = np.maximum(0, np.minimum(outputs - 1, last) - first + 1)
    most = -(-kernel // stride)
    return _Reach(np.where(count > 0, first, 0), count, phase, np.where(count > 0, most - 1 - last + first, 0))


def by_input(weight: Tensor, made: Convolution) -> Tensor:
    """[C_in * phases * taps, C_out / groups] contiguous: the weight in the order in which events read it."""
    (sy, sx), (ty, tx), (ky, kx) = made.stride, _taps(made), made.kernel
    out_group, in_group = made.channels // made.groups, weight.shape[1]
    whole = pad(weight, (0, tx * sx - kx, 0, ty * sy - ky))
    parts = whole.reshape(made.groups, out_group, in_group, ty, sy, tx, sx).flip(3, 5)
    return parts.permute(0, 2, 4, 6, 3, 5, 1).reshape(-1, out_group)


def from_by_input(gradient: Tensor, made: Convolution) -> Tensor:
    """The inverse of `by_input`: [C_out, C_in / groups, rows, columns]."""
    (sy, sx), (ty, tx), (ky, kx) = made.stride, _taps(made), made.kernel
    out_group, in_group = made.channels // made.groups, made.in_shape[0] // made.groups
    parts = gradient.view(made.groups, in_group, sy, sx, ty, tx, out_group).permute(0, 6, 1, 4, 2, 5, 3).flip(3, 5)
    return parts.reshape(made.channels, in_group, ty * sy, tx * sx)[:, :, :ky, :kx].contiguous()


def by_output(weight: Tensor) -> Tensor:
    """[C_out * rows * columns * C_in / groups] contiguous: the weight in the order in which errors read it."""
    return weight.permute(0, 2, 3, 1).flatten()


def weight_by_trace(
    shape: tuple[int, int, int], x: RowArrays, patches: Patches, rows: RowArrays, eps: NDArray[Any], beta: float,
    made: Convolution,
) -> Tensor:  # fmt: skip
    """[C_out, C_in / groups, rows, columns] gradient of the weight: |A| * patch multiply-adds.

    Args:
        shape: (B, T, N).
        x: rows of input events.
        patches: of the convolution.
        rows, eps: errors.
        beta: leak.
        made: the convolution.
    """
    channels, in_group, ky, kx = made.weight_shape
    leak, steps = eps.dtype.type(beta), shape[1]

    def run(first: int, last: int, gradient: NDArray[Any]) -> None:
        _trace(x, patches, rows, eps, leak, steps, first, last, gradient)

    gradient = summed(run, shape[0], channels * ky * kx * in_group, eps.dtype)
    return torch.from_numpy(gradient).view(channels, ky, kx, in_group).permute(0, 3, 1, 2).contiguous()


def weight_by_adjoint(
    shape: tuple[int, int, int], x: RowArrays, patches: Patches, rows: RowArrays, eps: NDArray[Any], beta: float,
    made: Convolution,
) -> Tensor:  # fmt: skip
    """The same by events * reached multiply-adds; where `rows` has none, eps is lambda, [B * T * N]."""
    leak, (_, steps, n) = eps.dtype.type(beta), shape
    (ty, tx), (sy, sx) = _taps(made), made.stride
    size = made.in_shape[0] * ty * sy * tx * sx * made.channels // made.groups

    def run(first: int, last: int, gradient: NDArray[Any]) -> None:
        _adjoint(x, patches, rows, eps, leak, steps, n, first, last, gradient)

    return from_by_input(torch.from_numpy(summed(run, shape[0], size, eps.dtype)), made)


def input_by_scan(
    shape: tuple[int, int, int], patches: Patches, rows: RowArrays, eps: NDArray[Any], weight: Tensor,
    active: RowArrays | None, beta: float,
) -> NDArray[Any]:  # fmt: skip
    """[K] gradient at the input's active elements (None: at all B * T * N_in): |A| * patch multiply-adds.

    Args:
        shape: (B, T, N).
        patches: of the convolution.
        rows, eps: errors.
        weight: [C_out, C_in / groups, rows, columns].
        active: of the input.
        beta: leak.
    """
    (b, t, _), kernel, leak = shape, by_output(weight).numpy(), eps.dtype.type(beta)
    gradient = np.zeros(len(active.col) if active else b * t * len(patches.by_input), eps.dtype)
    at = active or RowArrays.none()

    def run(first: int, last: int) -> None:
        _scan(patches, rows, eps, kernel, at, leak, t, first, last, gradient)

    over_ranges(run, b, width_for(b, 1))
    return gradient


def input_by_gather(
    shape: tuple[int, int, int], patches: Patches, rows: RowArrays, eps: NDArray[Any], weight: Tensor,
    active: RowArrays, beta: float, made: Convolution,
) -> NDArray[Any]:  # fmt: skip
    """The same by |A_x| * reached multiply-adds; where `rows` has none, eps is lambda, [B * T * N]."""
    (b, t, n), kernel, leak = shape, by_input(weight, made).flatten().numpy(), eps.dtype.type(beta)
    gradient = np.zeros(len(active.col), eps.dtype)

    def run(first: int, last: int) -> None:
        _gather(patches, rows, eps, kernel, active, leak, t, n, first, last, gradient)

    over_ranges(run, b, width_for(b, 1))
    return gradient


def summed(run: Any, batch: int, size: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """[size] sum of what `run(first, last, into)` adds up for the parts of a batch."""
    pieces = max(1, min(batch, PIECES, ROOM // size + 1))
    width = -(-batch // pieces) or 1
    parts = np.zeros((-(-batch // width) or 1, size), dtype)
    over_ranges(lambda first, last: run(first, last, parts[first // width]), batch, width)
    for part in parts[1:]:
        parts[0] += part
    return parts[0]


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def add_events(v: Any, weight: Any, table: Any, steps: Any, col: Any, first: int, last: int) -> None:
    """v += the part of the kernel that each of the events first to last reaches.

    Four at a time where they reach the same outputs, as those of one pixel do, to spare v's loads and stores. Places
    are unsigned here and below, so that the compiler need not think of negative ones.
    """
    weight_row, output_row = np.uint64(steps.weight_row), np.uint64(steps.output_row)
    weight_segment, output_segment = np.uint64(steps.weight_segment), np.uint64(steps.output_segment)
    e = first
    while e < last:
        i = col[e]
        w, o = np.uint64(table[i, WEIGHT]), np.uint64(table[i, OUTPUT])
        segments, length, region = table[i, SEGMENTS], np.uint64(table[i, LENGTH]), table[i, REGION]
        if segments > 1:
            for _ in range(table[i, ROWS]):
                to, start = o, w
                for _ in range(segments):
                    for j in range(length):
                        v[to + j] += weight[start + j]
                    to += output_segment
                    start += weight_segment
                w += weight_row
                o += output_row
            e += 1
        elif (
            e + 3 < last
            and table[col[e + 1], REGION] == region
            and table[col[e + 2], REGION] == region
            and table[col[e + 3], REGION] == region
        ):
            w1, w2 = np.uint64(table[col[e + 1], WEIGHT]), np.uint64(table[col[e + 2], WEIGHT])
            w3 = np.uint64(table[col[e + 3], WEIGHT])
            for _ in range(table[i, ROWS]):
                for j in range(length):
                    v[o + j] += (weight[w + j] + weight[w1 + j]) + (weight[w2 + j] + weight[w3 + j])
                w += weight_row
                w1 += weight_row
                w2 += weight_row
                w3 += weight_row
                o += output_row
            e += 4
        else:
            for _ in range(table[i, ROWS]):
                for j in range(length):
                    v[o + j] += weight[w + j]
                w += weight_row
                o += output_row
            e += 1


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def add_reached(
    gradient: Any, source: Any, factor: Any, table: Any, steps: Any, col: Any, first: int, last: int
) -> None:
    """Add factor * the part of a map of outputs that each of the events first to last reaches to that of the kernel."""
    weight_row, output_row = np.uint64(steps.weight_row), np.uint64(steps.output_row)
    weight_segment, output_segment = np.uint64(steps.weight_segment), np.uint64(steps.output_segment)
    for e in range(first, last):
        i = col[e]
        w, o = np.uint64(table[i, WEIGHT]), np.uint64(table[i, OUTPUT])
        length = np.uint64(table[i, LENGTH])
        for _ in range(table[i, ROWS]):
            to, start = w, o
            for _ in range(table[i, SEGMENTS]):
                for j in range(length):
                    gradient[to + j] += factor * source[start + j]
                to += weight_segment
                start += output_segment
            w += weight_row
            o += output_row


# a sum whose order is left to the compiler, which then adds up several parts of it at once
@numba.njit(nogil=True, cache=True, fastmath={"contract", "reassoc"})
def reached_product(source: Any, weight: Any, table: Any, steps: Any, i: int) -> Any:
    """Product of the part of the kernel that input i reaches and of that of a map of outputs."""
    weight_row, output_row = np.uint64(steps.weight_row), np.uint64(steps.output_row)
    weight_segment, output_segment = np.uint64(steps.weight_segment), np.uint64(steps.output_segment)
    w, o = np.uint64(table[i, WEIGHT]), np.uint64(table[i, OUTPUT])
    length, total = np.uint64(table[i, LENGTH]), source.dtype.type(0)
    for _ in range(table[i, ROWS]):
        to, start = o, w
        for _ in range(table[i, SEGMENTS]):
            for j in range(length):
                total += source[to + j] * weight[start + j]
            to += output_segment
            start += weight_segment
        w += weight_row
        o += output_row
    return total


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _trace(
    x: Any, patches: Any, rows: Any, eps: Any, beta: Any, steps: int, first: int, last: int, gradient: Any
) -> None:
    """Samples first to last of `weight_by_trace`, added to the gradient by output."""
    (x_ptr, x_col), (table, outputs, between, size), (ptr, col) = x, patches, rows
    one, row_step, segment_step = eps.dtype.type(1), np.uint64(between.input_row), np.uint64(between.input_segment)
    length = np.uint64(between.length)
    x_bar = np.empty(size, eps.dtype)  # relative to `decay`
    for b in range(first, last):
        end = (b + 1) * steps
        if ptr[b * steps] == ptr[end]:
            continue
        x_bar[:] = 0
        decay = one
        for row in range(b * steps, end):
            decay *= beta
            if decay < SMALL:
                absorb(x_bar, decay)
                decay = one
            spike = one / decay
            for e in range(x_ptr[row], x_ptr[row + 1]):
                if table[x_col[e], ROWS] > 0:
                    x_bar[table[x_col[e], PLACE]] += spike
            for k in range(ptr[row], ptr[row + 1]):
                error, start = eps[k] * decay, np.uint64(outputs[col[k], 0])
                to = np.uint64(outputs[col[k], 1])
                for _ in range(between.rows):
                    segment = start
                    for _ in range(between.segments):
                        for j in range(length):
                            gradient[to + j] += error * x_bar[segment + j]
                        to += length
                        segment += segment_step
                    start += row_step
            # no error follows: nothing will read the trace
            if ptr[row + 1] == ptr[end]:
                break


@numba.njit(nogil=True, cache=True, inline="always")
def _take_in(adjoint: Any, rows: Any, eps: Any, row: int, decay: Any, beta: Any) -> Any:
    """Go back a step to a row: sums that are kept relative to a decay decay, and take its errors in; the decay now."""
    ptr, col = rows
    one = eps.dtype.type(1)
    decay *= beta
    if decay < SMALL:
        absorb(adjoint, decay)
        decay = one
    inverse = one / decay
    for k in range(ptr[row], ptr[row + 1]):
        adjoint[col[k]] += eps[k] * inverse
    return decay


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _adjoint(
    x: Any, patches: Any, rows: Any, eps: Any, beta: Any, steps: int, n: int, first: int, last: int, gradient: Any
) -> None:
    """Samples first to last of `weight_by_adjoint`, added to the gradient by input."""
    (x_ptr, x_col), (table, _, between, _), (ptr, _) = x, patches, rows
    one, given = eps.dtype.type(1), len(ptr) == 0
    adjoint = np.empty(n, eps.dtype)  # lambda, relative to `decay`
    for b in range(first, last):
        if not given and ptr[b * steps] == ptr[(b + 1) * steps]:
            continue
        adjoint[:] = 0
        decay = one
        for row in range((b + 1) * steps - 1, b * steps - 1, -1):
            if not given and ptr[row] == ptr[(b + 1) * steps]:
                continue  # no error enters here or later
            if given:
                source = eps[row * n : (row + 1) * n]
            else:
                decay = _take_in(adjoint, rows, eps, row, decay, beta)
                source = adjoint
            add_reached(gradient, source, decay, table, between, x_col, x_ptr[row], x_ptr[row + 1])


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _scan(
    patches: Any, rows: Any, eps: Any, weight: Any, at: Any, beta: Any, steps: int, first: int, last: int, gradient: Any
) -> None:
    """Samples first to last of `input_by_scan`, `at` all inputs where it has no rows."""
    (table, outputs, between, size), (ptr, col), (at_ptr, at_col) = patches, rows, at
    inputs, everywhere = len(table), len(at_ptr) == 0
    zero, one = eps.dtype.type(0), eps.dtype.type(1)
    row_step, segment_step = np.uint64(between.input_row), np.uint64(between.input_segment)
    length = np.uint64(between.length)
    sums = np.empty(size, eps.dtype)  # weight^T lambda, relative to `decay`
    for b in range(first, last):
        sums[:] = 0
        decay = one
        for row in range((b + 1) * steps - 1, b * steps - 1, -1):
            if ptr[row] == ptr[(b + 1) * steps]:
                continue  # no error enters here or later
            decay *= beta
            if decay < SMALL:
                absorb(sums, decay)
                decay = one
            k, end = ptr[row], ptr[row + 1]
            while k < end:
                error, to = eps[k] / decay, np.uint64(outputs[col[k], 0])
                start = np.uint64(outputs[col[k], 1])
                # four errors of one pixel have the same patch
                four = between.segments == 1 and k + 3 < end and outputs[col[k + 3], 0] == outputs[col[k], 0]
                if four:
                    e1, e2, e3 = eps[k + 1] / decay, eps[k + 2] / decay, eps[k + 3] / decay
                    s1, s2 = np.uint64(outputs[col[k + 1], 1]), np.uint64(outputs[col[k + 2], 1])
                    s3 = np.uint64(outputs[col[k + 3], 1])
                    for _ in range(between.rows):
                        for j in range(length):
                            sums[to + j] += (error * weight[start + j] + e1 * weight[s1 + j]) + (
                                e2 * weight[s2 + j] + e3 * weight[s3 + j]
                            )
                        start += length
                        s1 += length
                        s2 += length
                        s3 += length
                        to += row_step
                    k += 4
                    continue
                for _ in range(between.rows):
                    segment = to
                    for _ in range(between.segments):
                        for j in range(length):
                            sums[segment + j] += error * weight[start + j]
                        start += length
                        segment += segment_step
                    to += row_step
                k += 1
            if everywhere:
                for i in range(inputs):
                    found = sums[table[i, PLACE]] * decay
                    gradient[row * inputs + i] = found if table[i, ROWS] > 0 else zero
            else:
                for k in range(at_ptr[row], at_ptr[row + 1]):
                    i = at_col[k]
                    gradient[k] = sums[table[i, PLACE]] * decay if table[i, ROWS] > 0 else zero


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _gather(
    patches: Any, rows: Any, eps: Any, weight: Any, at: Any, beta: Any, steps: int, n: int, first: int, last: int,
    gradient: Any,
) -> None:  # fmt: skip
    """Samples first to last of `input_by_gather`."""
    (table, _, between, _), (ptr, _), (at_ptr, at_col) = patches, rows, at
    one, given = eps.dtype.type(1), len(ptr) == 0
    adjoint = np.empty(n, eps.dtype)  # lambda, relative to `decay`
    for b in range(first, last):
        adjoint[:] = 0
        decay = one
        for row in range((b + 1) * steps - 1, b * steps - 1, -1):
            if not given and ptr[row] == ptr[(b + 1) * steps]:
                continue  # no error enters here or later
            if given:
                source = eps[row * n : (row + 1) * n]
            else:
                decay = _take_in(adjoint, rows, eps, row, decay, beta)
                source = adjoint
            for k in range(at_ptr[row], at_ptr[row + 1]):
                gradient[k] = reached_product(source, weight, table, between, at_col[k]) * decay
