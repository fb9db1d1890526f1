"""The neurons over time: from input events or a current to spikes, and to what the strategy has to look at.

A program scans a block of neurons of one sample and appends what it finds to lists of its own. Where a list ends is
known on the device alone, so that a second kernel copies the lists into rows without gaps.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from snn_zo.neuron import RESETS, Neuron
from snn_zo.ops.spikes import Rows
from snn_zo.ops.triton.capacity import Room, settle
from snn_zo.ops.triton.lanes import add_group, add_rows, group_for, lanes_for, warps_for
from snn_zo.strategies import Draw

NOTHING, WINDOW, DRAWN, EVERYTHING = range(4)
"""What is kept of u: nothing, where |u| < reach, where the first draw allows activity, all of it."""

FORMULAS = ("sigmoid", "fast_sigmoid", "arctan", "gaussian", "exponential")
"""Surrogate functions that are evaluated during the scan."""

BLOCK = 1024
"""Neurons of a program, and entries of a list that a program works on at a time."""

_SOFT, _HARD = tl.constexpr(RESETS.index("soft")), tl.constexpr(RESETS.index("hard"))
_WINDOW, _DRAWN, _EVERYTHING = tl.constexpr(WINDOW), tl.constexpr(DRAWN), tl.constexpr(EVERYTHING)
_SIGMOID, _FAST_SIGMOID, _ARCTAN, _GAUSSIAN = (tl.constexpr(i) for i in range(4))


class Look(NamedTuple):
    """Which elements the strategy has to look at.

    Attributes:
        kind: NOTHING, WINDOW, DRAWN or EVERYTHING.
        reach: half width of the window; elements with |u| >= reach are inactive for certain.
        near: DRAWN: end of the table of limits.
        limit: DRAWN: [K + 1] int64: over K equal parts of [0, near] and beyond, the random word from which on an
            element may be active.
        draw: DRAWN: where in the random stream.
        pool: DRAWN: [P] int64 words to reuse, P a power of two; None where each element has its own.
        formula: EVERYTHING: number of the surrogate function that gives g, or -1 for u alone.
        slope, amplitude: of the surrogate function.
    """

    kind: int = NOTHING
    reach: float = 0.0
    near: float = 1.0
    limit: Tensor | None = None
    draw: Draw | None = None
    pool: Tensor | None = None
    formula: int = -1
    slope: float = 1.0
    amplitude: float = 1.0


class Scanned(NamedTuple):
    """Result of `scan`. With a plan, lists end with entries that mean nothing: the rows say where they begin.

    Attributes:
        events: rows (b, t) of the spikes.
        kept: rows of the elements to look at; None for NOTHING and EVERYTHING.
        element: [K] int64 flat indices (b * T + t) * N + n of these, 0 where nothing is meant.
        u: [K] distance to threshold, inf where nothing is meant; [B * T * N] for EVERYTHING, or [0].
        word: [K] int64 first random words, for DRAWN.
        g: [B * T * N] local derivative, for EVERYTHING with a formula.
        drawn: number of elements that a word was drawn for, a 0-dim tensor; 0 for all but DRAWN.
    """

    events: Rows
    kept: Rows | None
    element: Tensor
    u: Tensor
    word: Tensor
    g: Tensor
    drawn: Tensor | int = 0


class _List(NamedTuple):
    """What the programs have found.

    Attributes:
        lengths: [B, T, J] int32 entries of each row and block of neurons.
        element: [B, J, R] int32 t * N + n, in the order of t and n.
        u: [B, J, R], or [0] for events.
        word: [B, J, R] int64, or [0] for all but DRAWN.
        total: [B, J] int32.
    """

    lengths: Tensor
    element: Tensor
    u: Tensor
    word: Tensor
    total: Tensor


def scan(
    shape: tuple[int, int, int],
    events: Rows | None,
    weight: Tensor,
    bias: Tensor | None,
    neuron: Neuron,
    look: Look,
    keep_u: bool,
) -> Scanned:
    """Run the neurons over all time steps.

    Args:
        shape: (B, T, N) of the output.
        events: rows (b, t) -> inputs that spiked; None where the current is given.
        weight: [N_in, N] contiguous; without events the current [B, T, N] contiguous.
        bias: [N] contiguous, added to the current.
        neuron: leak, threshold and reset.
        look: what to keep for the strategy.
        keep_u: for EVERYTHING with a formula: whether u is wanted besides g.
    """
    b, t, n = shape
    dtype, device = weight.dtype, weight.device
    block = min(BLOCK, lanes_for(n))
    blocks = triton.cdiv(n, block)
    size = b * t * n if look.kind == EVERYTHING else 0
    u = torch.empty(size if keep_u or look.formula < 0 else 0, dtype=dtype, device=device)
    g = torch.empty(size if look.formula >= 0 else 0, dtype=dtype, device=device)
    settings = _settings(neuron, look.reach, look.slope, look.amplitude, dtype, device)
    nothing = torch.empty(0, dtype=dtype, device=device)
    found: list[_List] = []

    def fill(room: Room) -> Tensor:
        spikes, near = (_empty_list(b, t, blocks, room[i], dtype, device, values=i > 0) for i in range(2))
        _scan[(b, blocks)](
            *(events or (nothing, nothing)), weight, nothing if bias is None else bias, settings, spikes.lengths,
            spikes.element, spikes.total, near.lengths, near.element, near.u, near.total, u, g, t, n, room[0], room[1],
            HAS_EVENTS=events is not None, HAS_BIAS=bias is not None, RESET=RESETS.index(neuron.reset),
            KIND=look.kind, FORMULA=look.formula, KEEP_U=len(u) > 0, LANES=block,
            G=group_for(len(events.col), b * t) if events else 4, num_warps=warps_for(block),
        )  # fmt: skip
        found[:] = [spikes, near]
        totals = [spikes.total, near.total]
        if look.kind == DRAWN:
            found.append(_drawn(near, look, (b, t, n), room[2]))
            totals.append(found[-1].total)
        totals += [torch.zeros_like(spikes.total)] * (3 - len(totals))
        return torch.stack(totals).flatten(1)

    # without a plan: room for an eighth of the elements to spike, a quarter to be near; else it is done again
    share, lists = t * min(block, n), look.kind in (WINDOW, DRAWN)
    room = settle((share // 8 + 64, share // 4 + 64 if lists else 0, share // 16 + 64 if lists else 0), fill)
    rows, *_ = _packed(found[0], shape, room[3])
    if look.kind not in (WINDOW, DRAWN):
        return Scanned(rows, None, nothing, u, nothing, g)
    last = 2 if look.kind == DRAWN else 1
    drawn = found[1].total.sum() if look.kind == DRAWN else 0
    return Scanned(rows, *_packed(found[last], shape, room[3 + last]), g, drawn)


def _empty_list(
    b: int, t: int, blocks: int, room: int, dtype: torch.dtype, device: torch.device, values: bool, words: bool = False
) -> _List:
    lengths = torch.zeros(b, t, blocks, dtype=torch.int32, device=device)
    element = torch.empty(b, blocks, room, dtype=torch.int32, device=device)
    u = torch.empty(b, blocks, room if values else 0, dtype=dtype, device=device)
    word = torch.empty(b, blocks, room if words else 0, dtype=torch.int64, device=device)
    return _List(lengths, element, u, word, torch.zeros(b, blocks, dtype=torch.int32, device=device))


def _drawn(near: _List, look: Look, shape: tuple[int, int, int], room: int) -> _List:
    """Those of the near elements that their first random number allows to be active."""
    assert look.draw is not None
    assert look.limit is not None
    (b, t, n), blocks, device = shape, near.total.shape[1], near.u.device
    kept = _empty_list(b, t, blocks, room, near.u.dtype, device, values=True, words=True)
    draw, pool, parts = look.draw, look.pool, len(look.limit) - 1
    # places in the pool, or keys of the samples' own words
    sample = draw.sample if pool is None else draw.offset(0, 1).squeeze(1)
    _draw[(b, blocks)](
        near.element, near.u, near.total, look.limit, sample.to(device), draw.step_on(device),
        look.limit if pool is None else pool, draw.seed + (draw.layer << 32), kept.lengths, kept.element, kept.u,
        kept.word, kept.total, parts / look.near, parts, t, n, near.u.shape[2], room,
        POOL=0 if pool is None else len(pool), LANES=BLOCK,
    )  # fmt: skip
    return kept


def _packed(found: _List, shape: tuple[int, int, int], size: int) -> tuple[Rows, Tensor, Tensor, Tensor]:
    """Rows of a list, with [size] elements, u and words."""
    (b, t, n), blocks, room = shape, found.total.shape[1], found.element.shape[2]
    device = found.lengths.device
    ptr = torch.zeros(b * t + 1, dtype=torch.int64, device=device)
    place = found.lengths.flatten().cumsum(0)
    # a plan's room may have been too small
    ptr[1:] = place[blocks - 1 :: blocks].clamp(max=size)
    # where in its own list each row of a block begins, and where it is to go
    own = found.lengths.cumsum(1, dtype=torch.int32) - found.lengths
    col = torch.zeros(size, dtype=torch.int32, device=device)
    values, words = found.u.shape[2] > 0, found.word.shape[2] > 0
    element = torch.zeros(size if values else 0, dtype=torch.int64, device=device)
    u = torch.full((size if values else 0,), float("inf"), dtype=found.u.dtype, device=device)
    word = torch.zeros(size if words else 0, dtype=torch.int64, device=device)
    _pack[(b, blocks, triton.cdiv(room, BLOCK))](
        found.element, found.u, found.word, found.lengths, found.total, place, own, col, element, u, word, t, n, room,
        size, VALUES=values, WORDS=words, LANES=BLOCK,
    )  # fmt: skip
    return Rows(ptr, col), element, u, word


@cache
def _settings(
    neuron: Neuron, reach: float, slope: float, amplitude: float, dtype: torch.dtype, device: torch.device
) -> Tensor:
    # as a tensor: kernels take Python numbers as float32
    return torch.tensor([neuron.beta, neuron.v_th, reach, slope, amplitude], dtype=dtype, device=device)


@triton.jit
def _local_derivative(u, slope, amplitude, FORMULA: tl.constexpr):
    """See `snn_zo.strategies.functions`."""
    x = slope * tl.abs(u)
    if FORMULA == _SIGMOID:
        e = tl.exp(-x)
        shape = e / ((1 + e) * (1 + e))
    elif FORMULA == _FAST_SIGMOID:
        shape = 1 / (1 + x)
        shape = shape * shape
    elif FORMULA == _ARCTAN:
        # in this order, it does not overflow
        y = 1 / tl.maximum(x, 1)
        z = tl.minimum(x, 1)
        shape = y * y / (3.141592653589793 * (y * y + z * z))
    elif FORMULA == _GAUSSIAN:
        shape = tl.exp(-x * x / 2) * 0.3989422804014327
    else:
        shape = tl.exp(-x) / 2
    return amplitude * shape


@triton.jit
def _scan(
    x_ptr, x_col, weight, bias, settings, spike_count, spike_list, spike_total,
    near_count, near_list, near_u, near_total, u_all, g_all, steps, width,
    spike_room, near_room, HAS_EVENTS: tl.constexpr, HAS_BIAS: tl.constexpr, RESET: tl.constexpr,
    KIND: tl.constexpr, FORMULA: tl.constexpr, KEEP_U: tl.constexpr, LANES: tl.constexpr, G: tl.constexpr,
):  # fmt: skip
    b, j, blocks = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.num_programs(1)
    n = j * LANES + tl.arange(0, LANES)
    real = n < width
    beta, v_th, reach = tl.load(settings), tl.load(settings + 1), tl.load(settings + 2)
    spike_list += (b * blocks + j) * spike_room
    near_list += (b * blocks + j) * near_room
    near_u += (b * blocks + j) * near_room
    v = tl.zeros([LANES], beta.dtype)
    offset = v
    if HAS_BIAS:
        offset = tl.load(bias + n, mask=real, other=0)
    s = n < 0
    spikes = 0
    nears = 0
    begin = 0
    end = 0
    entry = tl.arange(0, G)
    source = tl.zeros([G], tl.int32)
    if HAS_EVENTS:
        begin = tl.load(x_ptr + b * steps)
        end = tl.load(x_ptr + b * steps + 1)
        source = tl.load(x_col + begin + entry, mask=begin + entry < end, other=0)
    for t in tl.range(0, steps, num_stages=1 if HAS_EVENTS else 4):
        row = b * steps + t
        if RESET == _HARD:
            v = tl.where(s, 0, v)
        v = v * beta
        if RESET == _SOFT:
            v = tl.where(s, v - v_th, v)
        if HAS_EVENTS:
            # the next row's events are on their way while this one's weights are added
            later = tl.load(x_ptr + row + 2, mask=t + 1 < steps, other=0)
            coming = tl.load(x_col + end + entry, mask=end + entry < later, other=0)
            v = add_group(v, weight, source, begin + entry < end, n, real, width)
            v = add_rows(v, weight, x_col, begin + G, end, n, real, width, G)
            begin = end
            end = later
            source = coming
        else:
            v += tl.load(weight + row * width + n, mask=real, other=0)
        v += offset
        u = v - v_th
        s = (u > 0) & real
        if KIND == _EVERYTHING:
            if KEEP_U:
                tl.store(u_all + row * width + n, u, mask=real)
            if FORMULA >= 0:
                g = _local_derivative(u, tl.load(settings + 3), tl.load(settings + 4), FORMULA)
                tl.store(g_all + row * width + n, g, mask=real)
        # one prefix sum for both lists: the spikes in the low half
        found = s.to(tl.int32)
        near = s
        if (KIND == _WINDOW) | (KIND == _DRAWN):
            near = (tl.abs(u) < reach) & real
            found += near.to(tl.int32) << 16
        before = tl.cumsum(found, 0) - found
        total = tl.sum(found, 0)
        place = spikes + (before & 0xFFFF)
        tl.store(spike_list + place, t * width + n, mask=s & (place < spike_room))
        tl.store(spike_count + row * blocks + j, total & 0xFFFF)
        spikes += total & 0xFFFF
        if (KIND == _WINDOW) | (KIND == _DRAWN):
            place = nears + (before >> 16)
            fits = near & (place < near_room)
            tl.store(near_list + place, t * width + n, mask=fits)
            tl.store(near_u + place, u, mask=fits)
            tl.store(near_count + row * blocks + j, total >> 16)
            nears += total >> 16
    tl.store(spike_total + b * blocks + j, spikes)
    tl.store(near_total + b * blocks + j, nears)


@triton.jit
def _draw(
    near_list, near_u, near_total, limit, sample, step, pool, key, kept_count, kept_list, kept_u, kept_word, kept_total,
    scale, parts, steps, width, near_room, kept_room, POOL: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    b, j, blocks = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.num_programs(1)
    own = b * blocks + j
    of_sample = tl.load(sample + b)
    c1 = tl.zeros([LANES], tl.int32) + of_sample.to(tl.int32)
    c2 = tl.zeros([LANES], tl.int32) + tl.load(step).to(tl.int32)
    c3 = tl.zeros([LANES], tl.int32)
    size = tl.minimum(tl.load(near_total + own), near_room)
    kept = 0
    for first in range(0, size, LANES):
        entry = first + tl.arange(0, LANES)
        there = entry < size
        element = tl.load(near_list + own * near_room + entry, mask=there, other=0)
        u = tl.load(near_u + own * near_room + entry, mask=there, other=0)
        if POOL > 0:
            word = tl.load(pool + ((element + of_sample) & (POOL - 1)))
        else:
            word, _, _, _ = tl.philox(key, element, c1, c2, c3)
            word = word.to(tl.int64)
        part = tl.minimum(tl.abs(u) * scale, parts).to(tl.int32)
        keep = there & (word >= tl.load(limit + part, mask=there, other=0))
        place = kept + tl.cumsum(keep.to(tl.int32), 0) - 1
        fits = keep & (place < kept_room)
        tl.store(kept_list + own * kept_room + place, element, mask=fits)
        tl.store(kept_u + own * kept_room + place, u, mask=fits)
        tl.store(kept_word + own * kept_room + place, word, mask=fits)
        row = b * steps + element // width
        tl.atomic_add(kept_count + row * blocks + j, 1, mask=keep)
        kept += tl.sum(keep.to(tl.int32), 0)
    tl.store(kept_total + own, kept)


@triton.jit
def _pack(
    from_list, from_u, from_word, count, total, place, begin, col, element,
    u, word, steps, width, room, size, VALUES: tl.constexpr, WORDS: tl.constexpr,
    LANES: tl.constexpr,
):  # fmt: skip
    b, j, blocks = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.num_programs(1)
    own = b * blocks + j
    entry = tl.program_id(2) * LANES + tl.arange(0, LANES)
    there = entry < tl.minimum(tl.load(total + own), room)
    within = tl.load(from_list + own * room + entry, mask=there, other=0)
    piece = (b * steps + within // width) * blocks + j
    # `place` counts to the end of each piece
    first = tl.load(place + piece, mask=there, other=0) - tl.load(count + piece, mask=there, other=0)
    to = first + entry - tl.load(begin + piece, mask=there, other=0)
    fits = there & (to < size)
    tl.store(col + to, within % width, mask=fits)
    if VALUES:
        tl.store(element + to, b * steps * width + within, mask=fits)
        tl.store(u + to, tl.load(from_u + own * room + entry, mask=fits, other=0), mask=fits)
    if WORDS:
        tl.store(word + to, tl.load(from_word + own * room + entry, mask=fits, other=0), mask=fits)
