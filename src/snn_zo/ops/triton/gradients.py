"""Gradients of a layer of neurons from errors at a few elements, in chunks of time side by side.

`docs/engine.md` has the equations. A chunk needs to know what enters it from the chunks beside it: lambda from the
later ones, the trace x_bar from the earlier ones. Both decay by beta a step, so that a first kernel sums each chunk by
itself, and the kernels that do the work begin by adding up these sums.

Weight gradients are summed by atomic additions, in an order that changes from run to run, unless
`torch.use_deterministic_algorithms` (Lightning's `trainer.deterministic`) asks for one that does not.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from snn_zo.neuron import RESETS, Neuron
from snn_zo.ops.spikes import EVERYWHERE, Rows, Spikes
from snn_zo.ops.triton.lanes import add_entries, lanes_for, warps_for

CHUNK = 32
"""Time steps of a program: enough programs side by side to fill a GPU, few enough that adding up what enters a chunk
from the others costs little."""

PARTS = 64
"""Partial sums of a deterministic weight gradient; fixed, as the order of a sum is part of its result."""

GEMM_DENSITY = 0.05
"""Share of spiking inputs from which a matrix product takes less time than rows, by the bytes that either moves."""

GROUP = 4
"""Entries of a row that are worked on together: rows of active elements hold few."""

WIDEST_BLOCK = 256
"""Neurons of a program where a layer may be cut into blocks of neurons; narrower ones where each lane holds more."""

_SOFT, _HARD = tl.constexpr(RESETS.index("soft")), tl.constexpr(RESETS.index("hard"))


class Entries(NamedTuple):
    """A sparse [B, T, N]: the values at the entries of rows (b, t), in compressed sparse rows; None stands for ones."""

    ptr: Tensor
    col: Tensor
    value: Tensor | None


class Errors(NamedTuple):
    """Where eps is not 0, and its values; the two parts add up.

    Attributes:
        active: at the active elements.
        reset: at the layer's own spikes, for a hard reset.
    """

    active: Entries
    reset: Entries | None = None


class Requested(NamedTuple):
    """What `adjoint` is asked for.

    Attributes:
        at: rows of the input's active set, to have the gradient there.
        events: rows of the input's events, to have the weight's gradient in the adjoint form.
        bias: whether to have the bias's gradient.
        everywhere: whether to have lambda itself.
    """

    at: Rows | None = None
    events: Rows | None = None
    bias: bool = False
    everywhere: bool = False


class Adjoint(NamedTuple):
    """What follows from lambda; what was not requested is empty.

    Attributes:
        at: [K'] gradient at the input's active elements.
        weight: [N_in, N] gradient of the weight.
        bias: [N] gradient of the bias.
        everywhere: lambda, [B, T, N].
    """

    at: Tensor
    weight: Tensor
    bias: Tensor
    everywhere: Tensor


def errors(
    shape: tuple[int, int, int], active: Rows, ds: Tensor, g: Tensor, u: Tensor, events: Rows, neuron: Neuron
) -> Errors:
    """The errors that enter the adjoint.

    Args:
        shape: (B, T, N).
        active: rows of the active set.
        ds: [K] g times the gradient at the active elements.
        g: [K] local derivative; u: [K] distance to threshold, both read for an attached reset only.
        events: rows of the layer's own spikes, read for a hard reset only.
        neuron: leak, threshold and reset.
    """
    if neuron.reset == "none" or (neuron.reset == "soft" and neuron.detach_reset):
        return Errors(Entries(*active, ds))
    b, t, n = shape
    hard = neuron.reset == "hard"
    eps, eps_reset = torch.empty_like(ds), ds.new_empty(len(events.col) if hard else 0)
    lanes = min(WIDEST_BLOCK, lanes_for(n))
    _errors[(b, triton.cdiv(n, lanes))](
        active, ds, g, u, events, _settings(neuron, CHUNK, ds.dtype, ds.device), eps, eps_reset, t, n, HARD=hard,
        ATTACHED=not neuron.detach_reset, LANES=lanes, G=GROUP, num_warps=warps_for(lanes),
    )  # fmt: skip
    return Errors(Entries(*active, eps), Entries(*events, eps_reset) if hard else None)


def adjoint(
    shape: tuple[int, int, int], found: Errors | Tensor, weight: Tensor, neuron: Neuron, request: Requested
) -> Adjoint:
    """Sweep lambda backward over time, and take from it what is requested.

    Args:
        shape: (B, T, N) of the layer.
        found: errors; or lambda itself, [B, T, N] contiguous.
        weight: [N_in, N] contiguous.
        neuron: for its leak.
        request: the results to have.
    """
    b, t, n = shape
    at, events = request.at, request.events
    # a gradient at an input is a sum over all neurons, so that one program needs all of them
    lanes = lanes_for(n) if at is not None else min(WIDEST_BLOCK, lanes_for(n))
    chunks = triton.cdiv(t, CHUNK)
    if isinstance(found, Errors):
        (active, reset), given, carry = found, None, _chunk_sums_of(shape, *found, neuron, weight)
    else:
        active, reset, given, carry = None, None, found, None
    out = Adjoint(
        at=weight.new_empty(0 if at is None else len(at.col)),
        weight=weight.new_zeros((0, n) if events is None else weight.shape),
        bias=weight.new_empty((b * chunks if request.bias else 0, n)),
        everywhere=weight.new_empty(shape if request.everywhere else (0,)),
    )
    _adjoint[(b, chunks, triton.cdiv(n, lanes))](
        active, reset, given, carry, _settings(neuron, CHUNK, weight.dtype, weight.device), at, events, weight, out,
        t, n, BIAS=request.bias, EVERYWHERE=request.everywhere, CHUNK=CHUNK, LANES=lanes, G=GROUP,
        num_warps=warps_for(lanes),
    )  # fmt: skip
    return out._replace(bias=out.bias.sum(0))


def from_dense_adjoint(
    adjoint_all: Tensor, x: Spikes, weight: Tensor, neuron: Neuron, wanted: tuple[bool, ...]
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Gradients of x.handle, weight and bias from lambda, [B, T, N] contiguous.

    Args:
        adjoint_all: lambda.
        x: the input.
        weight: [N, N_in].
        neuron: of the layer.
        wanted: which of the three.
    """
    gemm = weight_by_product(x)
    at = x.active if wanted[0] and x.active is not EVERYWHERE else None
    request = Requested(at=at, events=x.events if wanted[1] and not gemm else None)
    columns = weight.T.contiguous()
    b, t, n = adjoint_all.shape
    swept = adjoint((b, t, n), adjoint_all, columns, neuron, request) if any(request) else None
    grad_x = grad_weight = None
    if wanted[0]:
        grad_x = (adjoint_all @ weight).flatten() if swept is None or x.active is EVERYWHERE else swept.at
    if wanted[1]:
        if swept is None or gemm:
            grad_weight = adjoint_all.flatten(0, 1).T @ x.to_dense().to(weight.dtype).flatten(0, 1)
        else:
            grad_weight = swept.weight.T
    return grad_x, grad_weight, adjoint_all.sum((0, 1)) if wanted[2] else None


def is_dense(x: Spikes) -> bool:
    """Whether spikes are so many that a matrix product is faster than adding rows."""
    b, t, n = x.shape
    return len(x.events.col) > GEMM_DENSITY * b * t * n


def weight_by_product(x: Spikes) -> bool:
    """Whether lambda, where it is there for every element, gives the weight's gradient by a matrix product."""
    return is_dense(x) or torch.are_deterministic_algorithms_enabled()


def weight_by_trace(shape: tuple[int, int, int], x: Rows, features: int, found: Errors, neuron: Neuron) -> Tensor:
    """[N, N_in] gradient of the weight in the trace form: |A| * N_in multiply-adds."""
    b, t, n = shape
    eps = found.active.value
    assert eps is not None
    repeatable = torch.are_deterministic_algorithms_enabled()
    lanes = min(64 if repeatable else WIDEST_BLOCK, lanes_for(features))
    blocks, chunks = triton.cdiv(features, lanes), triton.cdiv(t, CHUNK)
    parts = min(PARTS, b) if repeatable else 1
    gradient = eps.new_zeros(parts, n, features)
    # a program has a chunk of a sample to itself; or, for a sum in order, all chunks of several samples
    grid, samples = ((parts, 1), triton.cdiv(b, parts)) if repeatable else ((b, chunks), 1)
    events = Entries(*x, None)
    carry = None if repeatable else _chunk_sums_of((b, t, features), events, None, neuron, eps)
    _trace[(*grid, blocks)](
        events, *found, carry, _settings(neuron, CHUNK, eps.dtype, eps.device), gradient, b, t, n, features, samples,
        CHUNK=CHUNK, LANES=lanes, G=GROUP, num_warps=warps_for(lanes),
    )  # fmt: skip
    return gradient.sum(0) if repeatable else gradient[0]


def adjoint_in_place(ds: Tensor, g: Tensor, u: Tensor, neuron: Neuron) -> None:
    """Turn g * dL/ds, [B, T, N] contiguous, into lambda.

    Args:
        ds: overwritten.
        g: [B, T, N], read for an attached reset only.
        u: [B, T, N], read for a hard reset only.
        neuron: leak, threshold and reset.
    """
    b, t, n = ds.shape
    lanes = min(128, lanes_for(n))
    _adjoint_in_place[(b, triton.cdiv(n, lanes))](
        ds, g, u, _settings(neuron, CHUNK, ds.dtype, ds.device), t, n, RESET=RESETS.index(neuron.reset),
        ATTACHED=not neuron.detach_reset, LANES=lanes, num_warps=warps_for(lanes),
    )  # fmt: skip


def _chunk_sums_of(
    shape: tuple[int, int, int], entries: Entries, more: Entries | None, neuron: Neuron, like: Tensor
) -> Tensor:
    """[B, C, N] what each chunk hands on: lambda at its first step, or the trace of entries of 1 at its last one."""
    b, t, n = shape
    chunks, lanes = triton.cdiv(t, CHUNK), min(WIDEST_BLOCK, lanes_for(n))
    carry = like.new_empty(b, chunks, n)
    _chunk_sums[(b, chunks, triton.cdiv(n, lanes))](
        entries, more, _settings(neuron, CHUNK, carry.dtype, carry.device), carry, t, n, CHUNK=CHUNK, LANES=lanes,
        G=GROUP, num_warps=warps_for(lanes),
    )  # fmt: skip
    return carry


@cache
def _settings(neuron: Neuron, chunk: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """beta, beta^chunk and v_th, as a tensor: kernels take Python numbers as float32."""
    return torch.tensor([neuron.beta, neuron.beta**chunk, neuron.v_th], dtype=dtype, device=device)


@triton.jit
def _chunk_sums(
    entries, more, settings, carry, steps, width, CHUNK: tl.constexpr, LANES: tl.constexpr, G: tl.constexpr
):
    b, c = tl.program_id(0).to(tl.int64), tl.program_id(1)
    n = tl.program_id(2) * LANES + tl.arange(0, LANES)
    beta = tl.load(settings)
    total = tl.zeros([LANES], beta.dtype)
    begin = c * CHUNK
    end = tl.minimum(begin + CHUNK, steps)
    for i in range(end - begin):
        # the trace runs forward in time, lambda backward
        t = begin + i if entries.value is None else end - 1 - i
        total = add_entries(total * beta, entries, b * steps + t, n, G)
        if more is not None:
            total = add_entries(total, more, b * steps + t, n, G)
    tl.store(carry + (b * tl.num_programs(1) + c) * width + n, total, mask=n < width)


@triton.jit
def _add_chunks(total, carry, first, step, count, beta_chunk, n, real, width):
    """total + what `count` chunks hand on, the first of them decayed most; they lie `step` apart."""
    for i in range(count):
        total = total * beta_chunk + tl.load(carry + (first + i * step) * width + n, mask=real, other=0)
    return total


@triton.jit
def _multiply_rows(now, rows, row, weight, gradient, n, real, width, G: tl.constexpr):
    """gradient = weight[col] * now, summed over the lanes, at the indices of a row."""
    last = tl.load(rows.ptr + row + 1)
    for k in range(tl.load(rows.ptr + row), last, G):
        entry = k + tl.arange(0, G)
        there = entry < last
        source = tl.load(rows.col + entry, mask=there, other=0).to(tl.int64)
        place = weight + source[:, None] * width + n[None, :]
        values = tl.load(place, mask=there[:, None] & real[None, :], other=0)
        tl.store(gradient + entry, tl.sum(values * now[None, :], 1), mask=there)


@triton.jit
def _add_to_rows(now, rows, row, gradient, n, real, width, LANES: tl.constexpr, G: tl.constexpr):
    """gradient[col] += now at the indices of a row; atomically, as other samples and chunks add to the same rows."""
    last = tl.load(rows.ptr + row + 1)
    for k in range(tl.load(rows.ptr + row), last, G):
        entry = k + tl.arange(0, G)
        there = entry < last
        target = tl.load(rows.col + entry, mask=there, other=0).to(tl.int64)
        values = tl.zeros([G, LANES], now.dtype) + now[None, :]
        place = gradient + target[:, None] * width + n[None, :]
        tl.atomic_add(place, values, mask=there[:, None] & real[None, :], sem="relaxed")


@triton.jit
def _adjoint(
    active, reset, given, carry, settings, at, events, weight, out, steps, width, BIAS: tl.constexpr,
    EVERYWHERE: tl.constexpr, CHUNK: tl.constexpr, LANES: tl.constexpr, G: tl.constexpr,
):  # fmt: skip
    """lambda of one chunk of a sample, from its errors or as given, and from it what is requested; see `adjoint`."""
    b, c, chunks = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.num_programs(1)
    n = tl.program_id(2) * LANES + tl.arange(0, LANES)
    real = n < width
    beta, beta_chunk = tl.load(settings), tl.load(settings + 1)
    now = tl.zeros([LANES], beta.dtype)  # lambda
    total = now
    if given is None:
        last = b * chunks + chunks - 1
        now = _add_chunks(now, carry, last, -1, chunks - 1 - c, beta_chunk, n, real, width)
    begin = c * CHUNK
    end = tl.minimum(begin + CHUNK, steps)
    for i in range(end - begin):
        row = b * steps + end - 1 - i
        if given is not None:
            now = tl.load(given + row * width + n, mask=real, other=0)
        else:
            now = add_entries(now * beta, active, row, n, G)
            if reset is not None:
                now = add_entries(now, reset, row, n, G)
        if at is not None:
            _multiply_rows(now, at, row, weight, out.at, n, real, width, G)
        if events is not None:
            _add_to_rows(now, events, row, out.weight, n, real, width, LANES, G)
        if BIAS:
            total += now
        if EVERYWHERE:
            tl.store(out.everywhere + row * width + n, now, mask=real)
    if BIAS:
        tl.store(out.bias + (b * chunks + c) * width + n, total, mask=real)


@triton.jit
def _add_outer(gradient, errors, row, x_bar, n, real, features, ATOMIC: tl.constexpr, G: tl.constexpr):
    """gradient[col] += eps * x_bar for the errors of a row, whose columns differ."""
    last = tl.load(errors.ptr + row + 1)
    for k in range(tl.load(errors.ptr + row), last, G):
        entry = k + tl.arange(0, G)
        there = entry < last
        target = tl.load(errors.col + entry, mask=there, other=0).to(tl.int64)
        values = tl.load(errors.value + entry, mask=there, other=0)[:, None] * x_bar[None, :]
        place, mask = gradient + target[:, None] * features + n[None, :], there[:, None] & real[None, :]
        if ATOMIC:
            tl.atomic_add(place, values, mask=mask, sem="relaxed")
        else:
            tl.store(place, tl.load(place, mask=mask, other=0) + values, mask=mask)


@triton.jit
def _trace(
    x, active, reset, carry, settings, gradient, batch, steps, width, features, samples, CHUNK: tl.constexpr,
    LANES: tl.constexpr, G: tl.constexpr,
):  # fmt: skip
    """x_bar of one chunk of a sample, or, in a sum in order, of all chunks of a few; see `weight_by_trace`."""
    p, c, chunks = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.num_programs(1)
    n = tl.program_id(2) * LANES + tl.arange(0, LANES)
    real = n < features
    beta, beta_chunk = tl.load(settings), tl.load(settings + 1)
    begin, end = 0, steps
    atomic: tl.constexpr = carry is not None
    if atomic:
        begin = c * CHUNK
        end = tl.minimum(begin + CHUNK, steps)
    else:
        gradient += p * width * features
    for b in range(p * samples, tl.minimum((p + 1) * samples, batch)):
        x_bar = tl.zeros([LANES], beta.dtype)
        if atomic:
            x_bar = _add_chunks(x_bar, carry, b * chunks, 1, c, beta_chunk, n, real, features)
        for t in range(begin, end):
            row = b * steps + t
            x_bar = add_entries(x_bar * beta, x, row, n, G)
            _add_outer(gradient, active, row, x_bar, n, real, features, atomic, G)
            if reset is not None:
                if not atomic:
                    # a neuron may be in both lists: what was stored has to be there before it is loaded again
                    tl.debug_barrier()
                _add_outer(gradient, reset, row, x_bar, n, real, features, atomic, G)
            if not atomic:
                tl.debug_barrier()


@triton.jit
def _at_lanes(now, column, n):
    """now at each of a few columns, by comparing: lanes cannot be read by number."""
    return tl.sum(tl.where(column[:, None] == n[None, :], now[None, :], 0), 1)


@triton.jit
def _add_at_columns(total, column, values, n):
    """total + the values, each at the lane of its column."""
    return total + tl.sum(tl.where(column[:, None] == n[None, :], values[:, None], 0), 0)


@triton.jit
def _errors(
    active, ds, g, u, events, settings, eps, eps_reset, steps, width, HARD: tl.constexpr, ATTACHED: tl.constexpr,
    LANES: tl.constexpr, G: tl.constexpr,
):  # fmt: skip
    """Errors of a block of neurons of one sample, from the last step to the first; see `errors`."""
    b, base = tl.program_id(0).to(tl.int64), tl.program_id(1) * LANES
    n = base + tl.arange(0, LANES)
    beta, v_th = tl.load(settings), tl.load(settings + 2)
    later = tl.zeros([LANES], beta.dtype)  # lambda[t + 1]
    for i in range(steps):
        row = b * steps + steps - 1 - i
        now = later * beta
        last = tl.load(active.ptr + row + 1)
        for k in range(tl.load(active.ptr + row), last, G):
            entry = k + tl.arange(0, G)
            column = tl.load(active.col + entry, mask=entry < last, other=-1)
            own = (column >= base) & (column < base + LANES)
            error = tl.load(ds + entry, mask=own, other=0)
            if ATTACHED:
                slope = tl.load(g + entry, mask=own, other=0)
                if HARD:
                    slope *= beta * (tl.load(u + entry, mask=own, other=0) + v_th)
                else:
                    slope *= v_th
                error -= slope * _at_lanes(later, column, n)
            tl.store(eps + entry, error, mask=own)
            now = _add_at_columns(now, column, error, n)
        if HARD:
            last = tl.load(events.ptr + row + 1)
            for k in range(tl.load(events.ptr + row), last, G):
                entry = k + tl.arange(0, G)
                column = tl.load(events.col + entry, mask=entry < last, other=-1)
                error = -beta * _at_lanes(later, column, n)
                tl.store(eps_reset + entry, error, mask=(column >= base) & (column < base + LANES))
                now = _add_at_columns(now, column, error, n)
        later = now


@triton.jit
def _adjoint_in_place(
    ds, g, u, settings, steps, width, RESET: tl.constexpr, ATTACHED: tl.constexpr,
    LANES: tl.constexpr,
):  # fmt: skip
    """lambda of a block of neurons of one sample; loads run ahead of the recursion by a few steps (num_stages)."""
    b, n = tl.program_id(0).to(tl.int64), tl.program_id(1) * LANES + tl.arange(0, LANES)
    real = n < width
    beta, v_th = tl.load(settings), tl.load(settings + 2)
    later = tl.zeros([LANES], beta.dtype)
    for i in tl.range(0, steps, num_stages=4):
        place = (b * steps + steps - 1 - i) * width + n
        now = tl.load(ds + place, mask=real, other=0)
        keep = tl.zeros([LANES], beta.dtype) + beta
        if RESET == _HARD:
            distance = tl.load(u + place, mask=real, other=0)
            keep = tl.where(distance > 0, 0, keep)
            if ATTACHED:
                keep -= tl.load(g + place, mask=real, other=0) * beta * (distance + v_th)
        elif (RESET == _SOFT) & ATTACHED:
            keep -= tl.load(g + place, mask=real, other=0) * v_th
        later = now + keep * later
        tl.store(ds + place, later, mask=real)
