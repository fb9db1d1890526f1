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
from snn_zo.ops.spikes import Rows, Spikes
from snn_zo.ops.triton.lanes import add_values, lanes_for, warps_for

CHUNK = 32
"""Time steps of a program."""

PARTS = 64
"""Partial sums of a deterministic weight gradient; fixed, as the order of a sum is part of its result."""

GEMM_DENSITY = 0.05
"""Share of spiking inputs from which a matrix product takes less time than rows, by the bytes that either moves."""

GROUP = 4
"""Entries of a row that are worked on together."""

_SOFT, _HARD = tl.constexpr(RESETS.index("soft")), tl.constexpr(RESETS.index("hard"))


class Entries(NamedTuple):
    """A sparse [B, T, N]: the values at the entries of rows (b, t), in compressed sparse rows."""

    ptr: Tensor
    col: Tensor
    value: Tensor


class Errors(NamedTuple):
    """Where eps is not 0, and its values; the two parts add up.

    Attributes:
        active: at the active elements.
        reset: at the layer's own spikes, for a hard reset.
    """

    active: Entries
    reset: Entries | None = None


class Wanted(NamedTuple):
    """What `adjoint` is to give.

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
    """What follows from lambda; what was not wanted is empty.

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
    lanes = min(256, lanes_for(n))
    _errors[(b, triton.cdiv(n, lanes))](
        *active, ds, g, u, *events, _settings(neuron, CHUNK, ds.dtype, ds.device), eps, eps_reset, t, n, HARD=hard,
        ATTACHED=not neuron.detach_reset, LANES=lanes, G=GROUP, num_warps=warps_for(lanes),
    )  # fmt: skip
    return Errors(Entries(*active, eps), Entries(*events, eps_reset) if hard else None)


def adjoint(
    shape: tuple[int, int, int], found: Errors | Tensor, weight: Tensor, neuron: Neuron, wanted: Wanted
) -> Adjoint:
    """Sweep lambda backward over time, and take from it what is wanted.

    Args:
        shape: (B, T, N) of the layer.
        found: errors; or lambda itself, [B, T, N] contiguous.
        weight: [N_in, N] contiguous.
        neuron: for its leak.
        wanted: the results to have.
    """
    b, t, n = shape
    # a gradient at an input is a sum over all neurons
    chunks, lanes = triton.cdiv(t, CHUNK), lanes_for(n) if wanted.at is not None else min(256, lanes_for(n))
    absent = weight.new_empty(0)
    nowhere = Entries(absent, absent, absent)
    if isinstance(found, Errors):
        given, active, reset = absent, found.active, found.reset
        carry = _chunk_sums_of(shape, active, reset, neuron, trace=False)
    else:
        given, active, reset, carry = found, nowhere, None, absent
    grad_x = weight.new_empty(0 if wanted.at is None else len(wanted.at.col))
    grad_weight = weight.new_zeros((0, n) if wanted.events is None else weight.shape)
    parts = weight.new_empty((b * chunks if wanted.bias else 0, n))
    everywhere = weight.new_empty(shape if wanted.everywhere else (0,))
    _adjoint[(b, chunks, triton.cdiv(n, lanes))](
        *active, *(reset or nowhere), given, carry, _settings(neuron, CHUNK, weight.dtype, weight.device),
        *(wanted.at or (absent, absent)), *(wanted.events or (absent, absent)), weight, grad_x, grad_weight, parts,
        everywhere, t, n, GIVEN=given is found, RESET=reset is not None, AT=wanted.at is not None,
        WEIGHT=wanted.events is not None, BIAS=wanted.bias, EVERYWHERE=wanted.everywhere, CHUNK=CHUNK, LANES=lanes,
        G=GROUP, num_warps=warps_for(lanes),
    )  # fmt: skip
    return Adjoint(grad_x, grad_weight, parts.sum(0), everywhere)


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
    want = Wanted(at=x.active if wanted[0] else None, events=x.events if wanted[1] and not gemm else None)
    columns = weight.T.contiguous()
    b, t, n = adjoint_all.shape
    swept = adjoint((b, t, n), adjoint_all, columns, neuron, want) if any(want) else None
    grad_x = grad_weight = None
    if wanted[0]:
        grad_x = (adjoint_all @ weight).flatten() if swept is None or x.active is None else swept.at
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
    repeatable = torch.are_deterministic_algorithms_enabled()
    lanes = min(64 if repeatable else 256, lanes_for(features))
    blocks, chunks = triton.cdiv(features, lanes), triton.cdiv(t, CHUNK)
    parts = min(PARTS, b) if repeatable else 1
    gradient = eps.new_zeros(parts, n, features)
    # a program has a chunk of a sample to itself; or, for a sum in order, all chunks of several samples
    grid, samples = ((parts, 1), triton.cdiv(b, parts)) if repeatable else ((b, chunks), 1)
    events = Entries(*x, eps.new_empty(0))
    carry = eps.new_empty(0) if repeatable else _chunk_sums_of((b, t, features), events, None, neuron, trace=True)
    _trace[(*grid, blocks)](
        *x, *found.active, *(found.reset or found.active), carry, _settings(neuron, CHUNK, eps.dtype, eps.device),
        gradient, b, t, n, features, samples, RESET=found.reset is not None, ATOMIC=not repeatable, CHUNK=CHUNK,
        LANES=lanes, G=GROUP, num_warps=warps_for(lanes),
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
    shape: tuple[int, int, int], first: Entries, second: Entries | None, neuron: Neuron, trace: bool
) -> Tensor:
    """[B, C, N] what each chunk hands on: lambda at its first step, or the trace of entries of 1 at its last one."""
    b, t, n = shape
    chunks, lanes = triton.cdiv(t, CHUNK), min(256, lanes_for(n))
    carry = first.value.new_empty(b, chunks, n)
    _chunk_sums[(b, chunks, triton.cdiv(n, lanes))](
        *first, *(second or first), _settings(neuron, CHUNK, carry.dtype, carry.device), carry, t, n, TRACE=trace,
        RESET=second is not None, CHUNK=CHUNK, LANES=lanes, G=GROUP, num_warps=warps_for(lanes),
    )  # fmt: skip
    return carry


@cache
def _settings(neuron: Neuron, chunk: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """beta, beta^chunk and v_th, as a tensor: kernels take Python numbers as float32."""
    return torch.tensor([neuron.beta, neuron.beta**chunk, neuron.v_th], dtype=dtype, device=device)


@triton.jit
def _chunk_sums(
    ptr, col, value, ptr_2, col_2, value_2, settings, carry, steps,
    width, TRACE: tl.constexpr, RESET: tl.constexpr, CHUNK: tl.constexpr, LANES: tl.constexpr, G: tl.constexpr,
):  # fmt: skip
    b, c = tl.program_id(0).to(tl.int64), tl.program_id(1)
    n = tl.program_id(2) * LANES + tl.arange(0, LANES)
    beta = tl.load(settings)
    total = tl.zeros([LANES], beta.dtype)
    begin = c * CHUNK
    end = tl.minimum(begin + CHUNK, steps)
    for i in range(end - begin):
        t = begin + i if TRACE else end - 1 - i
        row = b * steps + t
        total = add_values(total * beta, col, value, tl.load(ptr + row), tl.load(ptr + row + 1), n, TRACE, G)
        if RESET:
            first, last = tl.load(ptr_2 + row), tl.load(ptr_2 + row + 1)
            total = add_values(total, col_2, value_2, first, last, n, False, G)
    tl.store(carry + (b * tl.num_programs(1) + c) * width + n, total, mask=n < width)


@triton.jit
def _adjoint(
    ptr, col, eps, reset_ptr, reset_col, reset_eps, given, carry, settings,
    at_ptr, at_col, x_ptr, x_col, weight, grad_x, grad_weight, bias_parts,
    everywhere, steps, width, GIVEN: tl.constexpr, RESET: tl.constexpr, AT: tl.constexpr,
    WEIGHT: tl.constexpr, BIAS: tl.constexpr, EVERYWHERE: tl.constexpr, CHUNK: tl.constexpr, LANES: tl.constexpr,
    G: tl.constexpr,
):  # fmt: skip
    b, c, chunks = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.num_programs(1)
    n = tl.program_id(2) * LANES + tl.arange(0, LANES)
    real = n < width
    beta, beta_chunk = tl.load(settings), tl.load(settings + 1)
    now = tl.zeros([LANES], beta.dtype)  # lambda
    total = now
    if not GIVEN:
        for later in range(chunks - 1 - c):
            other = (b * chunks + chunks - 1 - later) * width
            now = now * beta_chunk + tl.load(carry + other + n, mask=real, other=0)
    begin = c * CHUNK
    end = tl.minimum(begin + CHUNK, steps)
    for i in range(end - begin):
        row = b * steps + end - 1 - i
        if GIVEN:
            now = tl.load(given + row * width + n, mask=real, other=0)
        else:
            now = add_values(now * beta, col, eps, tl.load(ptr + row), tl.load(ptr + row + 1), n, False, G)
            if RESET:
                first, last = tl.load(reset_ptr + row), tl.load(reset_ptr + row + 1)
                now = add_values(now, reset_col, reset_eps, first, last, n, False, G)
        if AT:
            last = tl.load(at_ptr + row + 1)
            for k in range(tl.load(at_ptr + row), last, G):
                entry = k + tl.arange(0, G)
                there = entry < last
                source = tl.load(at_col + entry, mask=there, other=0).to(tl.int64)
                rows = tl.load(
                    weight + source[:, None] * width + n[None, :], mask=there[:, None] & real[None, :], other=0
                )
                tl.store(grad_x + entry, tl.sum(rows * now[None, :], 1), mask=there)
        if WEIGHT:
            last = tl.load(x_ptr + row + 1)
            for k in range(tl.load(x_ptr + row), last, G):
                entry = k + tl.arange(0, G)
                there = entry < last
                source = tl.load(x_col + entry, mask=there, other=0).to(tl.int64)
                values = tl.zeros([G, LANES], now.dtype) + now[None, :]
                tl.atomic_add(
                    grad_weight + source[:, None] * width + n[None, :], values,
                    mask=there[:, None] & real[None, :], sem="relaxed",
                )  # fmt: skip
        if BIAS:
            total += now
        if EVERYWHERE:
            tl.store(everywhere + row * width + n, now, mask=real)
    if BIAS:
        tl.store(bias_parts + (b * chunks + c) * width + n, total, mask=real)


@triton.jit
def _add_outer(
    gradient, col, eps, first, last, x_bar, n, real, features,
    ATOMIC: tl.constexpr, LANES: tl.constexpr, G: tl.constexpr,
):  # fmt: skip
    """gradient[col] += eps * x_bar for the entries first to last of a row, whose columns differ."""
    for k in range(first, last, G):
        entry = k + tl.arange(0, G)
        there = entry < last
        row = tl.load(col + entry, mask=there, other=0).to(tl.int64)
        values = tl.load(eps + entry, mask=there, other=0)[:, None] * x_bar[None, :]
        target, mask = gradient + row[:, None] * features + n[None, :], there[:, None] & real[None, :]
        if ATOMIC:
            tl.atomic_add(target, values, mask=mask, sem="relaxed")
        else:
            tl.store(target, tl.load(target, mask=mask, other=0) + values, mask=mask)


@triton.jit
def _trace(
    x_ptr, x_col, ptr, col, eps, reset_ptr, reset_col, reset_eps, carry,
    settings, gradient, batch, steps, width, features, samples, RESET: tl.constexpr,
    ATOMIC: tl.constexpr, CHUNK: tl.constexpr, LANES: tl.constexpr, G: tl.constexpr,
):  # fmt: skip
    p, c, chunks = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.num_programs(1)
    n = tl.program_id(2) * LANES + tl.arange(0, LANES)
    real = n < features
    beta, beta_chunk = tl.load(settings), tl.load(settings + 1)
    begin, end = 0, steps
    if ATOMIC:
        begin = c * CHUNK
        end = tl.minimum(begin + CHUNK, steps)
    else:
        gradient += p * width * features
    for b in range(p * samples, tl.minimum((p + 1) * samples, batch)):
        x_bar = tl.zeros([LANES], beta.dtype)
        if ATOMIC:
            for earlier in range(c):
                x_bar = x_bar * beta_chunk + tl.load(carry + (b * chunks + earlier) * features + n, mask=real, other=0)
        for t in range(begin, end):
            row = b * steps + t
            first, last = tl.load(x_ptr + row), tl.load(x_ptr + row + 1)
            x_bar = add_values(x_bar * beta, x_col, eps, first, last, n, True, G)
            first, last = tl.load(ptr + row), tl.load(ptr + row + 1)
            _add_outer(gradient, col, eps, first, last, x_bar, n, real, features, ATOMIC, LANES, G)
            if RESET:
                if not ATOMIC:
                    # a neuron may be in both lists
                    tl.debug_barrier()
                first, last = tl.load(reset_ptr + row), tl.load(reset_ptr + row + 1)
                _add_outer(gradient, reset_col, reset_eps, first, last, x_bar, n, real, features, ATOMIC, LANES, G)
            if not ATOMIC:
                tl.debug_barrier()


@triton.jit
def _at_lanes(now, column, n):
    """now at each of a few columns."""
    return tl.sum(tl.where(column[:, None] == n[None, :], now[None, :], 0), 1)


@triton.jit
def _errors(
    ptr, col, ds, g, u, s_ptr, s_col, settings, eps, eps_reset,
    steps, width, HARD: tl.constexpr, ATTACHED: tl.constexpr, LANES: tl.constexpr, G: tl.constexpr,
):  # fmt: skip
    b, base = tl.program_id(0).to(tl.int64), tl.program_id(1) * LANES
    n = base + tl.arange(0, LANES)
    beta, v_th = tl.load(settings), tl.load(settings + 2)
    later = tl.zeros([LANES], beta.dtype)  # lambda[t + 1]
    for i in range(steps):
        row = b * steps + steps - 1 - i
        now = later * beta
        last = tl.load(ptr + row + 1)
        for k in range(tl.load(ptr + row), last, G):
            entry = k + tl.arange(0, G)
            column = tl.load(col + entry, mask=entry < last, other=-1)
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
            now += tl.sum(tl.where(column[:, None] == n[None, :], error[:, None], 0), 0)
        if HARD:
            last = tl.load(s_ptr + row + 1)
            for k in range(tl.load(s_ptr + row), last, G):
                entry = k + tl.arange(0, G)
                column = tl.load(s_col + entry, mask=entry < last, other=-1)
                error = -beta * _at_lanes(later, column, n)
                tl.store(eps_reset + entry, error, mask=(column >= base) & (column < base + LANES))
                now += tl.sum(tl.where(column[:, None] == n[None, :], error[:, None], 0), 0)
        later = now


@triton.jit
def _adjoint_in_place(
    ds, g, u, settings, steps, width, RESET: tl.constexpr, ATTACHED: tl.constexpr,
    LANES: tl.constexpr,
):  # fmt: skip
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
