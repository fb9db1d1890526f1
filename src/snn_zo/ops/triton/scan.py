"""The neurons over time: from input events or a current to spikes, and to the elements that the strategy has to see.

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
from snn_zo.ops.kept import DRAWN, EVERYTHING, NOTHING, WINDOW
from snn_zo.ops.spikes import Rows
from snn_zo.ops.triton.capacity import LISTS, Room, fill_lists
from snn_zo.ops.triton.lanes import add_group, add_rows, group_for, lanes_for, warps_for
from snn_zo.strategies import Draw

FORMULAS = ("sigmoid", "fast_sigmoid", "arctan", "gaussian", "exponential")
"""Surrogate functions that are evaluated during the scan."""

BLOCK = 1024
"""Neurons of a program, and entries of a list that a program works on at a time: two a thread, with 16 warps."""

FIRST_SHARES = (8, 4, 16)
"""Without a plan, lists begin with room for one element in so many to spike, to be near and to be kept, and are filled
again with more where that was too little."""

LEAST_ROOM = 64
"""Room on top of that, for blocks of a few elements."""

MOST_ELEMENTS = 2**31
"""Of a sample: their numbers are int32, and in the counter of draws uint32."""

AHEAD = tl.constexpr(4)
"""Steps of a dense current that are on their way from memory at a time; what they are does not depend on the scan."""

_SOFT, _HARD = tl.constexpr(RESETS.index("soft")), tl.constexpr(RESETS.index("hard"))
_WINDOW, _DRAWN, _EVERYTHING = tl.constexpr(WINDOW), tl.constexpr(DRAWN), tl.constexpr(EVERYTHING)
_SIGMOID, _FAST_SIGMOID, _ARCTAN, _GAUSSIAN = (tl.constexpr(i) for i in range(4))


class TritonLook(NamedTuple):
    """Which elements the strategy has to see.

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
    """Result of `scan`. With a plan, lists end with padding, which begins where the last row ends.

    Attributes:
        events: rows (b, t) of the spikes.
        kept: rows of the elements that are kept; None for NOTHING and EVERYTHING.
        element: [K] int64 flat indices (b * T + t) * N + n of these, 0 in the padding.
        u: [K] distance to threshold, inf in the padding; [B * T * N] for EVERYTHING, or [0].
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
    """What each program has found, for its sample and block of neurons, in room for R entries.

    Attributes:
        lengths: [B, T, J] int32 entries of each row and block of neurons.
        element: [B, J, R] int32 t * N + n, in the order of t and n.
        u: [B, J, R], or [B, J, 0] for events.
        word: [B, J, R] int64, or [B, J, 0] for all but DRAWN.
        total: [B, J] int32 entries that were found, of which the first R are there.
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
    look: TritonLook,
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

    Raises:
        ValueError: a sample has more elements than its lists can number.
    """
    b, t, n = shape
    if t * n > MOST_ELEMENTS:
        raise ValueError(
            f"backend 'triton' numbers up to 2^31 elements a sample (time steps x neurons of a layer), got {t * n}: "
            "take fewer steps or a smaller layer"
        )
    dtype, device = weight.dtype, weight.device
    block = min(BLOCK, lanes_for(n))
    blocks = triton.cdiv(n, block)
    size = b * t * n if look.kind == EVERYTHING else 0
    u = torch.empty(size if keep_u or look.formula < 0 else 0, dtype=dtype, device=device)
    g = torch.empty(size if look.formula >= 0 else 0, dtype=dtype, device=device)
    settings = _settings(neuron, look.reach, look.slope, look.amplitude, dtype, device)
    found: list[_List] = []

    def fill(room: Room) -> Tensor:
        spikes, near = (_empty_list(b, t, blocks, room[i], dtype, device, values=i > 0) for i in range(2))
        _scan[(b, blocks)](
            events, weight, bias, settings, spikes, near, u if len(u) else None, g, t, n, room[0], room[1],
            RESET=RESETS.index(neuron.reset), KIND=look.kind, FORMULA=look.formula, LANES=block,
            G=group_for(len(events.col), b * t) if events else 4, num_warps=warps_for(block),
        )  # fmt: skip
        found[:] = [spikes, near, *([_drawn(near, look, shape, room[2])] if look.kind == DRAWN else [])]
        unused = [torch.zeros_like(spikes.total)] * (len(LISTS) - len(found))
        return torch.stack([*(each.total for each in found), *unused]).flatten(1)

    room = fill_lists(_first_room(t * min(block, n), look), fill)
    rows, *_ = _packed(found[0], shape, room[len(LISTS)])
    if look.kind not in (WINDOW, DRAWN):
        nothing = torch.empty(0, dtype=dtype, device=device)
        return Scanned(rows, None, nothing, u, nothing, g)
    last = len(found) - 1
    drawn = found[1].total.sum() if look.kind == DRAWN else 0
    return Scanned(rows, *_packed(found[last], shape, room[len(LISTS) + last]), g, drawn)


def _first_room(elements: int, look: TritonLook) -> Room:
    """Entries of each list to begin with, for a block of neurons with so many elements."""
    spikes, *others = (elements // share + LEAST_ROOM for share in FIRST_SHARES)
    return (spikes, *others) if look.kind in (WINDOW, DRAWN) else (spikes, *(0 for _ in others))


def _empty_list(
    b: int, t: int, blocks: int, room: int, dtype: torch.dtype, device: torch.device, values: bool, words: bool = False
) -> _List:
    lengths = torch.zeros(b, t, blocks, dtype=torch.int32, device=device)
    element = torch.empty(b, blocks, room, dtype=torch.int32, device=device)
    u = torch.empty(b, blocks, room if values else 0, dtype=dtype, device=device)
    word = torch.empty(b, blocks, room if words else 0, dtype=torch.int64, device=device)
    return _List(lengths, element, u, word, torch.zeros(b, blocks, dtype=torch.int32, device=device))


def _drawn(near: _List, look: TritonLook, shape: tuple[int, int, int], room: int) -> _List:
    """Those of the near elements that their first random number allows to be active."""
    assert look.draw is not None
    assert look.limit is not None
    (b, t, n), blocks, device = shape, near.total.shape[1], near.u.device
    kept = _empty_list(b, t, blocks, room, near.u.dtype, device, values=True, words=True)
    draw, pool, parts = look.draw, look.pool, len(look.limit) - 1
    # places in the pool, or keys of the samples' own words
    sample = draw.sample if pool is None else draw.offset(0, 1).squeeze(1)
    _draw[(b, blocks)](
        near, look.limit, sample.to(device), draw.step_on(device), pool, draw.seed + (draw.layer << 32), kept,
        parts / look.near, parts, t, n, near.u.shape[2], room, POOL=0 if pool is None else len(pool), LANES=BLOCK,
    )  # fmt: skip
    return kept


def _packed(found: _List, shape: tuple[int, int, int], size: int) -> tuple[Rows, Tensor, Tensor, Tensor]:
    """Rows of a list without its gaps, with [size] elements, u and words, padding behind them."""
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
        found, place, own, col, element, u, word, t, n, room, size, VALUES=values, WORDS=words, LANES=BLOCK,
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
def _decayed(v, s, beta, v_th, RESET: tl.constexpr):
    """v of the step before, decayed, and reset where s has just spiked."""
    if RESET == _HARD:
        v = tl.where(s, 0, v)
    v = v * beta
    if RESET == _SOFT:
        v = tl.where(s, v - v_th, v)
    return v


@triton.jit
def _store_everywhere(u, settings, u_all, g_all, place, real, FORMULA: tl.constexpr):
    """u and g of a step at every neuron, as far as they are asked for."""
    if u_all is not None:
        tl.store(u_all + place, u, mask=real)
    if FORMULA >= 0:
        g = _local_derivative(u, tl.load(settings + 3), tl.load(settings + 4), FORMULA)
        tl.store(g_all + place, g, mask=real)


@triton.jit
def _add_row(v, weight, events, row, begin, end, source, more, n, real, width, G: tl.constexpr):
    """v + the weights of a row's events, and begin, end and first events of the next row, if there are more.

    The next row's events are on their way while this one's weights are added.
    """
    entry = tl.arange(0, G)
    later = tl.load(events.ptr + row + 2, mask=more, other=0)
    coming = tl.load(events.col + end + entry, mask=end + entry < later, other=0)
    v = add_group(v, weight, source, begin + entry < end, n, real, width)
    v = add_rows(v, weight, events.col, begin + G, end, n, real, width, G)
    return v, end, later, coming


@triton.jit
def _append(own_element, own_u, lengths, element, u, here, place, count, room):
    """Store the elements that are here at their places in the program's own list, and how many they are."""
    fits = here & (place < room)
    tl.store(own_element + place, element, mask=fits)
    if own_u is not None:
        tl.store(own_u + place, u, mask=fits)
    tl.store(lengths, count)


@triton.jit
def _scan(
    events, weight, bias, settings, spikes, near, u_all, g_all, steps, width, spike_room, near_room,
    RESET: tl.constexpr, KIND: tl.constexpr, FORMULA: tl.constexpr, LANES: tl.constexpr, G: tl.constexpr,
):  # fmt: skip
    """A block of neurons of one sample over time; see `scan`."""
    b, j, blocks = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.num_programs(1)
    n = j * LANES + tl.arange(0, LANES)
    real, own = n < width, b * blocks + j
    beta, v_th, reach = tl.load(settings), tl.load(settings + 1), tl.load(settings + 2)
    own_spikes = spikes.element + own * spike_room
    own_near, own_u = near.element + own * near_room, near.u + own * near_room
    v = tl.zeros([LANES], beta.dtype)
    offset = v if bias is None else tl.load(bias + n, mask=real, other=0)
    s = n < 0
    spiked, nears, begin, end = 0, 0, 0, 0
    source = tl.zeros([G], tl.int32)
    if events is not None:
        begin = tl.load(events.ptr + b * steps)
        end = tl.load(events.ptr + b * steps + 1)
        source = tl.load(events.col + begin + tl.arange(0, G), mask=begin + tl.arange(0, G) < end, other=0)
    for t in tl.range(0, steps, num_stages=AHEAD if events is None else 1):
        row = b * steps + t
        v = _decayed(v, s, beta, v_th, RESET)
        if events is None:
            v += tl.load(weight + row * width + n, mask=real, other=0)
        else:
            more = t + 1 < steps
            v, begin, end, source = _add_row(v, weight, events, row, begin, end, source, more, n, real, width, G)
        v += offset
        u = v - v_th
        s = (u > 0) & real
        if KIND == _EVERYTHING:
            _store_everywhere(u, settings, u_all, g_all, row * width + n, real, FORMULA)
        # a prefix sum says where each element belongs: one for both lists, the spikes in the low half of a word
        found, close = s.to(tl.int32), s
        if (KIND == _WINDOW) | (KIND == _DRAWN):
            close = (tl.abs(u) < reach) & real
            found += close.to(tl.int32) << 16
        before, total = tl.cumsum(found, 0) - found, tl.sum(found, 0)
        element, piece = t * width + n, row * blocks + j
        place, count = spiked + (before & 0xFFFF), total & 0xFFFF
        _append(own_spikes, None, spikes.lengths + piece, element, u, s, place, count, spike_room)
        spiked += count
        if (KIND == _WINDOW) | (KIND == _DRAWN):
            place, count = nears + (before >> 16), total >> 16
            _append(own_near, own_u, near.lengths + piece, element, u, close, place, count, near_room)
            nears += count
    tl.store(spikes.total + own, spiked)
    tl.store(near.total + own, nears)


@triton.jit
def _draw(
    near, limit, sample, step, pool, key, kept, scale, parts, steps, width, near_room, kept_room, POOL: tl.constexpr,
    LANES: tl.constexpr,
):  # fmt: skip
    """Those of a program's near elements that their first random word allows to be active; see `_drawn`."""
    b, j, blocks = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.num_programs(1)
    own = b * blocks + j
    of_sample = tl.load(sample + b)
    c1 = tl.zeros([LANES], tl.int32) + of_sample.to(tl.int32)
    c2 = tl.zeros([LANES], tl.int32) + tl.load(step).to(tl.int32)
    c3 = tl.zeros([LANES], tl.int32)
    size = tl.minimum(tl.load(near.total + own), near_room)
    found = 0
    for first in range(0, size, LANES):
        entry = first + tl.arange(0, LANES)
        there = entry < size
        element = tl.load(near.element + own * near_room + entry, mask=there, other=0)
        u = tl.load(near.u + own * near_room + entry, mask=there, other=0)
        if POOL > 0:
            # a remainder, as the pool's size is a power of two
            word = tl.load(pool + ((element + of_sample) & (POOL - 1)))
        else:
            word, _, _, _ = tl.philox(key, element, c1, c2, c3)
            word = word.to(tl.int64)
        part = tl.minimum(tl.abs(u) * scale, parts).to(tl.int32)
        keep = there & (word >= tl.load(limit + part, mask=there, other=0))
        place = found + tl.cumsum(keep.to(tl.int32), 0) - 1
        fits = keep & (place < kept_room)
        tl.store(kept.element + own * kept_room + place, element, mask=fits)
        tl.store(kept.u + own * kept_room + place, u, mask=fits)
        tl.store(kept.word + own * kept_room + place, word, mask=fits)
        row = b * steps + element // width
        tl.atomic_add(kept.lengths + row * blocks + j, 1, mask=keep)
        found += tl.sum(keep.to(tl.int32), 0)
    tl.store(kept.total + own, found)


@triton.jit
def _pack(
    found, place, begin, col, element, u, word, steps, width, room, size, VALUES: tl.constexpr, WORDS: tl.constexpr,
    LANES: tl.constexpr,
):  # fmt: skip
    """Copy a piece of a program's list to where its rows belong; see `_packed`."""
    b, j, blocks = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.num_programs(1)
    own = b * blocks + j
    entry = tl.program_id(2) * LANES + tl.arange(0, LANES)
    there = entry < tl.minimum(tl.load(found.total + own), room)
    within = tl.load(found.element + own * room + entry, mask=there, other=0)
    piece = (b * steps + within // width) * blocks + j
    # `place` counts to the end of each piece
    first = tl.load(place + piece, mask=there, other=0) - tl.load(found.lengths + piece, mask=there, other=0)
    to = first + entry - tl.load(begin + piece, mask=there, other=0)
    fits = there & (to < size)
    tl.store(col + to, within % width, mask=fits)
    if VALUES:
        tl.store(element + to, b * steps * width + within, mask=fits)
        tl.store(u + to, tl.load(found.u + own * room + entry, mask=fits, other=0), mask=fits)
    if WORDS:
        tl.store(word + to, tl.load(found.word + own * room + entry, mask=fits, other=0), mask=fits)
