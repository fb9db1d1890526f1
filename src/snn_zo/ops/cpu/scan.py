"""The neurons over time: from input events or a current to spikes, and to the elements that the strategy has to see."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from snn_zo.neuron import RESETS, Neuron
from snn_zo.ops.cpu.philox import first_word
from snn_zo.ops.cpu.rows import RowArrays
from snn_zo.ops.cpu.threads import over_ranges, width_for
from snn_zo.ops.kept import DRAWN, EVERYTHING, NOTHING, WINDOW, WORDS

SOFT, HARD = RESETS.index("soft"), RESETS.index("hard")

BLOCK = 512
"""Elements within reach that are drawn for together: enough for the compiler to work on several counters at once, few
enough for all their arrays to stay in the first-level cache."""

FIRST_SHARE = 16
"""Lists begin with room for one element in so many, and grow when they are full."""


class CpuLook(NamedTuple):
    """Which elements the strategy has to see.

    Attributes:
        kind: NOTHING, WINDOW, DRAWN or EVERYTHING.
        reach: half width of the window; elements with |u| >= reach are inactive for certain.
        near: DRAWN: end of the table of bounds.
        bound: DRAWN: [K + 1] float64 upper bounds of P(active | u) over K equal parts of [0, near], and beyond.
        key: DRAWN: Philox key (seed, layer).
        step: DRAWN: optimizer step.
        sample: DRAWN: [B] int64 indices in the data set.
        pool: DRAWN: [P] uint32 words to reuse, P a power of two; [0] where each element has its own.
        offset: DRAWN: [B] int64 places in the pool that the samples start from.
    """

    kind: int = NOTHING
    reach: float = 0.0
    near: float = 1.0
    bound: NDArray[np.float64] = np.zeros(0)
    key: tuple[int, int] = (0, 0)
    step: int = 0
    sample: NDArray[np.int64] = np.zeros(0, np.int64)
    pool: NDArray[np.uint32] = np.zeros(0, np.uint32)
    offset: NDArray[np.int64] = np.zeros(0, np.int64)


class Scanned(NamedTuple):
    """Result of `scan`.

    Attributes:
        events: rows (b, t) of the spikes.
        element: [L] int64 flat indices (b * T + t) * N + n of the elements that are kept, ascending.
        u: [L], or [B * T * N] for EVERYTHING.
        word: [L] uint32 first random words, for DRAWN.
        drawn: number of elements that a word was drawn for.
    """

    events: RowArrays
    element: NDArray[np.int64]
    u: NDArray[Any]
    word: NDArray[np.uint32]
    drawn: int


class _Drive(NamedTuple):
    """What the current is made from; see `scan`."""

    events: RowArrays
    weight: NDArray[Any]
    current: NDArray[Any]
    bias: NDArray[Any]


class _Membrane(NamedTuple):
    """Leak, threshold, half width of the window, all of the weight's type, and the number of the reset mode."""

    beta: Any
    v_th: Any
    reach: Any
    reset: int


class _Draws(NamedTuple):
    """Where random words come from, and which of them allow activity.

    Attributes:
        limit: [K + 1] uint64 words from which on an element in a part of the table may be active.
        scale: parts of the table per unit of |u|, of the weight's type.
        beyond: K, the part that lies beyond the table, of the weight's type.
        counter: [3] uint64 seed, layer and step.
        sample, pool, offset: as in `CpuLook`.
    """

    limit: NDArray[np.uint64]
    scale: Any
    beyond: Any
    counter: NDArray[np.uint64]
    sample: NDArray[np.int64]
    pool: NDArray[np.uint32]
    offset: NDArray[np.int64]


class _Elements(NamedTuple):
    """Elements within reach: flat indices, u, and random words."""

    element: NDArray[np.int64]
    u: NDArray[Any]
    word: NDArray[Any]


def scan(
    shape: tuple[int, int, int],
    events: RowArrays,
    weight: NDArray[Any],
    current: NDArray[Any],
    bias: NDArray[Any],
    neuron: Neuron,
    look: CpuLook,
) -> Scanned:
    """Run the neurons over all time steps, in parallel over samples.

    Args:
        shape: (B, T, N) of the output.
        events: rows (b, t) -> inputs that spiked; not read where `weight` has no rows.
        weight: [N_in, N] contiguous; [0, N] where the current is given.
        current: [B, T, N], or [0, T, N] where it comes from events.
        bias: [N], added to the current; [0] for none.
        neuron: leak, threshold and reset.
        look: what to keep for the strategy.
    """
    b, t, n = shape
    u = np.empty(b * t * n if look.kind == EVERYTHING else 0, weight.dtype)
    count = np.empty(b * t, np.int64)
    number = weight.dtype.type
    drive = _Drive(events, weight, current, bias)
    membrane = _Membrane(number(neuron.beta), number(neuron.v_th), number(look.reach), RESETS.index(neuron.reset))
    draws = _draws(look, b, number)

    def run(first: int, last: int) -> tuple[NDArray[Any], ...]:
        return _scan(drive, membrane, look.kind, draws, first, last, count, u)

    col, element, near, word, drawn = (
        np.concatenate(part) for part in zip(*over_ranges(run, b, width_for(b, 1)), strict=True)
    )
    ptr = np.zeros(b * t + 1, np.int64)
    np.cumsum(count, out=ptr[1:])
    kept = u if look.kind == EVERYTHING else near
    return Scanned(RowArrays(ptr, col), element, kept, word, int(drawn.sum()))


def _draws(look: CpuLook, batch: int, number: type) -> _Draws:
    """What a scan draws with, of the weight's type; for all but DRAWN, arrays that are not read."""
    limit, scale, sample = np.zeros(0, np.uint64), 0.0, np.zeros(batch, np.int64)
    if look.kind == DRAWN:
        # compared as words, probabilities cost no conversion of a word to a number
        limit = (WORDS * (1 - np.minimum(look.bound, 1))).astype(np.uint64)
        scale, sample = (len(limit) - 1) / look.near, look.sample
    counter = np.array([*look.key, look.step], np.uint64)
    return _Draws(limit, number(scale), number(len(look.bound) - 1), counter, sample, look.pool, look.offset)


@numba.njit(nogil=True, cache=True, inline="always")
def _room(array: Any, used: int, more: int) -> Any:
    """The array with room for `more` elements behind the first `used`."""
    if used + more <= len(array):
        return array
    larger = np.empty(2 * len(array) + more, array.dtype)
    larger[:used] = array[:used]
    return larger


@numba.njit(nogil=True, cache=True, inline="always")
def _with_room(elements: Any, used: int, more: int) -> Any:
    return _Elements(
        _room(elements.element, used, more), _room(elements.u, used, more), _room(elements.word, used, more)
    )


@intrinsic
def _trailing_zeros(typing_context: Any, word: Any) -> Any:
    """Number of zero bits below the lowest one of a uint64 that is not 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@numba.njit(nogil=True, cache=True, inline="always")
def _flags(size: int) -> Any:
    """At least `size` bytes that are 0, in whole uint64 words, for `_positions`."""
    return np.zeros(8 * ((size + 7) // 8), np.uint8)


@numba.njit(nogil=True, cache=True, inline="always")
def _positions(flag: Any, out: Any, count: int) -> int:
    """Write the positions of the bytes that are 1 behind the first `count` of `out`; the new count.

    Few are. A comparison that writes bytes is done for many elements at once, as no branch hangs on it; eight bytes
    that are all 0 are then passed over in one comparison, and the lowest bit that is 1 names the next position.
    """
    words = flag.view(np.uint64)
    for j in range(len(words)):
        bits = words[j]
        while bits != 0:
            out[count] = 8 * j + (_trailing_zeros(bits) >> 3)  # type: ignore[call-arg]
            count += 1
            bits &= bits - np.uint64(1)  # without its lowest 1
    return count


@numba.njit(nogil=True, cache=True, inline="always")
def _add_rows(v: Any, weight: Any, col: Any, first: int, last: int) -> None:
    """v += the sum of the weight rows of events first to last, four at a time to spare v's loads and stores."""
    n = len(v)
    e = first
    while e + 4 <= last:
        w0, w1, w2, w3 = weight[col[e]], weight[col[e + 1]], weight[col[e + 2]], weight[col[e + 3]]
        for i in range(n):
            v[i] += (w0[i] + w1[i]) + (w2[i] + w3[i])
        e += 4
    while e < last:
        w = weight[col[e]]
        for i in range(n):
            v[i] += w[i]
        e += 1


@numba.njit(nogil=True, cache=True, inline="always")
def _decay(v: Any, spiked: Any, membrane: Any) -> None:
    """v of the step before, decayed and reset at the neurons that have just spiked: a loop over these alone."""
    if membrane.reset == HARD:
        for e in range(len(spiked)):
            v[spiked[e]] = 0
    for i in range(len(v)):
        v[i] *= membrane.beta
    if membrane.reset == SOFT:
        for e in range(len(spiked)):
            v[spiked[e]] -= membrane.v_th


@numba.njit(nogil=True, cache=True, inline="always")
def _add_current(v: Any, drive: Any, b: int, t: int, steps: int) -> None:
    if len(drive.current) > 0:
        now = drive.current[b, t]
        for i in range(len(v)):
            v[i] += now[i]
    else:
        row = b * steps + t
        _add_rows(v, drive.weight, drive.events.col, drive.events.ptr[row], drive.events.ptr[row + 1])
    if len(drive.bias) > 0:
        for i in range(len(v)):
            v[i] += drive.bias[i]


@numba.njit(nogil=True, cache=True, inline="always")
def _append_near(v: Any, membrane: Any, origin: int, flag: Any, near: Any, waiting: int) -> int:
    """Write the elements of a step that are within reach behind the first `waiting` of `near`; the new number."""
    for i in range(len(v)):
        flag[i] = abs(v[i] - membrane.v_th) < membrane.reach
    found = _positions(flag, near.element, waiting)
    for j in range(waiting, found):
        near.u[j] = v[near.element[j]] - membrane.v_th
        near.element[j] += origin
    return found


@numba.njit(nogil=True, cache=True, inline="always")
def _keep_window(near: Any, waiting: int, origin: int, kept: Any, size: int) -> int:
    """Append all waiting elements, of a sample that begins at `origin`; the new number of kept ones."""
    for j in range(waiting):
        kept.element[size + j], kept.u[size + j] = origin + near.element[j], near.u[j]
    return size + waiting


@numba.njit(nogil=True, cache=True, inline="always")
def _keep_drawn(
    near: Any, waiting: int, origin: int, kept: Any, size: int, draws: Any, b: int, flag: Any, chosen: Any
) -> int:
    """Append those of the waiting elements that their random word allows to be active; the new number of kept ones."""
    if len(draws.pool) > 0:
        for j in range(waiting):
            # a remainder, as the pool's size is a power of two
            near.word[j] = draws.pool[(near.element[j] + draws.offset[b]) & (len(draws.pool) - 1)]
    else:
        sample, counter = np.uint64(draws.sample[b]), draws.counter
        for j in range(waiting):
            near.word[j] = first_word(np.uint64(near.element[j]), sample, counter[2], counter[0], counter[1])
    for j in range(waiting):
        flag[j] = near.word[j] >= draws.limit[np.int32(min(abs(near.u[j]) * draws.scale, draws.beyond))]
    for j in range(waiting, len(flag)):
        flag[j] = 0
    found = _positions(flag, chosen, 0)
    for j in range(found):
        k = chosen[j]
        kept.element[size + j], kept.u[size + j] = origin + near.element[k], near.u[k]
        kept.word[size + j] = near.word[k]
    return size + found


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _scan(drive: Any, membrane: Any, kind: int, draws: Any, first: int, last: int, count: Any, u_all: Any) -> Any:
    """Samples first to last; see `scan`. Fills its part of `count` and, for EVERYTHING, of `u_all`."""
    dtype, (_, steps, width) = drive.weight.dtype, drive.current.shape
    guess = (last - first) * steps * max(width // FIRST_SHARE, 1) + width
    col = np.empty(guess, np.int32)
    kept = _Elements(np.empty(guess, np.int64), np.empty(guess, dtype), np.empty(guess, np.uint32))
    # elements within reach wait until a block of them is worth drawing for
    most = BLOCK + width
    near = _Elements(np.empty(most, np.int64), np.empty(most, dtype), np.empty(most, np.uint64))
    flag, flag_near, chosen = _flags(width), _flags(most), np.empty(most, np.int64)
    v = np.empty(width, dtype)
    events = size = waiting = drawn = 0
    for b in range(first, last):
        v[:] = 0
        spiked = col[:0]
        for t in range(steps):
            row = b * steps + t
            _decay(v, spiked, membrane)
            _add_current(v, drive, b, t, steps)
            if kind == EVERYTHING:
                u_row = u_all[row * width : (row + 1) * width]
                for i in range(width):
                    u_row[i] = v[i] - membrane.v_th
            for i in range(width):
                flag[i] = (v[i] - membrane.v_th) > 0
            col, before = _room(col, events, width), events
            events = _positions(flag, col, events)
            spiked = col[before:events]
            count[row] = len(spiked)
            if kind in (WINDOW, DRAWN):
                waiting = _append_near(v, membrane, t * width, flag, near, waiting)
                if waiting >= BLOCK or t == steps - 1:
                    kept = _with_room(kept, size, waiting)
                    origin = b * steps * width
                    if kind == WINDOW:
                        size = _keep_window(near, waiting, origin, kept, size)
                    else:
                        drawn += waiting
                        size = _keep_drawn(near, waiting, origin, kept, size, draws, b, flag_near, chosen)
                    waiting = 0
    found = kept.element[:size].copy(), kept.u[:size].copy(), kept.word[:size].copy()
    return (col[:events].copy(), *found, np.array([drawn]))
