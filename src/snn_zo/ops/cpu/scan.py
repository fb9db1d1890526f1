"""The neurons over time: from input events or a current to spikes, and to what the strategy has to look at."""

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
from snn_zo.ops.cpu.threads import over_ranges, width_for

SOFT, HARD = RESETS.index("soft"), RESETS.index("hard")
NOTHING, WINDOW, DRAWN, EVERYTHING = range(4)
"""What is kept of u: nothing, where |u| < reach, where the first draw allows activity, all of it."""


BLOCK = 512


class Look(NamedTuple):
    """Which elements the strategy has to look at.

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
        ptr, col: events in compressed sparse rows, [B * T + 1] int64 and [K] int32.
        element: [L] int64 flat indices (b * T + t) * N + n to look at, ascending.
        u: [L], or [B * T * N] for EVERYTHING.
        word: [L] uint32 first random words, for DRAWN.
        drawn: number of elements that a word was drawn for.
    """

    ptr: NDArray[np.int64]
    col: NDArray[np.int32]
    element: NDArray[np.int64]
    u: NDArray[Any]
    word: NDArray[np.uint32]
    drawn: int


def scan(
    shape: tuple[int, int, int],
    events: tuple[NDArray[np.int64], NDArray[np.int32]],
    weight: NDArray[Any],
    current: NDArray[Any],
    bias: NDArray[Any],
    neuron: Neuron,
    look: Look,
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
    settings = np.array([neuron.beta, neuron.v_th, look.reach, 0.0, len(look.bound) - 1])
    limit = np.zeros(0, np.uint64)
    if look.kind == DRAWN:
        # a word w stands for the uniform number 1 - w / 2^32, so that it is below the bound from this w on
        limit = (2.0**32 * (1 - np.minimum(look.bound, 1))).astype(np.uint64)
        settings[3] = (len(limit) - 1) / look.near
    counter = np.array([*look.key, look.step], np.uint64)
    sample = look.sample if look.kind == DRAWN else np.zeros(b, np.int64)

    def run(first: int, last: int) -> tuple[NDArray[Any], ...]:
        return _scan(
            *events, weight, current, bias, settings.astype(weight.dtype), RESETS.index(neuron.reset),
            look.kind, limit, counter, sample, look.pool, look.offset, t, n, first, last, count, u,
        )  # fmt: skip

    col, element, near, word, drawn = (
        np.concatenate(part) for part in zip(*over_ranges(run, b, width_for(b, 1)), strict=True)
    )
    ptr = np.zeros(b * t + 1, np.int64)
    np.cumsum(count, out=ptr[1:])
    return Scanned(ptr, col, element, u if look.kind == EVERYTHING else near, word, int(drawn.sum()))


@numba.njit(nogil=True, cache=True, inline="always")
def _room(array: Any, used: int, more: int) -> Any:
    """The array with room for `more` elements behind the first `used`."""
    if used + more <= len(array):
        return array
    larger = np.empty(2 * len(array) + more, array.dtype)
    larger[:used] = array[:used]
    return larger


@intrinsic
def _trailing_zeros(typing_context: Any, word: Any) -> Any:
    """Number of zero bits below the lowest one of a uint64 that is not 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@numba.njit(nogil=True, cache=True, inline="always")
def _positions(words: Any, out: Any, count: int) -> int:
    """Write the positions of the bytes that are 1 behind the first `count` of `out`; the new count.

    Few are: eight of them are passed over in one comparison.
    """
    for j in range(len(words)):
        bits = words[j]
        while bits != 0:
            out[count] = 8 * j + (_trailing_zeros(bits) >> 3)  # type: ignore[call-arg]
            count += 1
            bits &= bits - np.uint64(1)
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


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _scan(
    in_ptr: Any, in_col: Any, weight: Any, current: Any, bias: Any, settings: Any, reset: int, kind: int,
    limit: Any, counter: Any, sample: Any, pool: Any, offset: Any, steps: int, width: int, first: int, last: int,
    count: Any, u_all: Any,
) -> Any:  # fmt: skip
    """Samples first to last; see `scan`. Fills its part of `count` and, for EVERYTHING, of `u_all`."""
    beta, v_th = settings[0], settings[1]
    scale, beyond = settings[3], settings[4]
    guess = (last - first) * steps * max(width // 16, 1) + width
    col = np.empty(guess, np.int32)
    element, near, word = np.empty(guess, np.int64), np.empty(guess, weight.dtype), np.empty(guess, np.uint32)
    events = kept = asked = 0
    v = np.empty(width, weight.dtype)
    flag = np.zeros(8 * ((width + 7) // 8), np.uint8)
    words = flag.view(np.uint64)
    # elements within reach wait until a block of them is worth drawing for
    close, drawn = np.empty(BLOCK + width, np.int64), np.empty(BLOCK + width, np.uint64)
    u_close, chosen = np.empty(BLOCK + width, weight.dtype), np.empty(BLOCK + width, np.int64)
    maybe = np.zeros(8 * ((BLOCK + width + 7) // 8), np.uint8)
    waiting = 0
    for b in range(first, last):
        v[:] = 0
        previous = events
        for t in range(steps):
            row = b * steps + t
            if reset == HARD:
                for e in range(previous, events):
                    v[col[e]] = 0
            for i in range(width):
                v[i] *= beta
            if reset == SOFT:
                for e in range(previous, events):
                    v[col[e]] -= v_th
            if len(current) > 0:
                now = current[b, t]
                for i in range(width):
                    v[i] += now[i]
            else:
                _add_rows(v, weight, in_col, in_ptr[row], in_ptr[row + 1])
            if len(bias) > 0:
                for i in range(width):
                    v[i] += bias[i]
            if kind == EVERYTHING:
                u_row = u_all[row * width : (row + 1) * width]
                for i in range(width):
                    u_row[i] = v[i] - v_th
            col, previous = _room(col, events, width), events
            for i in range(width):
                flag[i] = (v[i] - v_th) > 0
            events = _positions(words, col, events)
            count[row] = events - previous
            if kind in (WINDOW, DRAWN):
                for i in range(width):
                    flag[i] = abs(v[i] - v_th) < settings[2]
                found = _positions(words, close, waiting)
                for j in range(waiting, found):
                    u_close[j] = v[close[j]] - v_th
                    close[j] += t * width
                waiting = found
                if waiting >= BLOCK or t == steps - 1:
                    element, near = _room(element, kept, waiting), _room(near, kept, waiting)
                    word = _room(word, kept, waiting)
                    origin = b * steps * width
                    if kind == WINDOW:
                        for j in range(waiting):
                            element[kept + j], near[kept + j] = origin + close[j], u_close[j]
                        kept += waiting
                    else:
                        asked += waiting
                        if len(pool) > 0:
                            for j in range(waiting):
                                drawn[j] = pool[(close[j] + offset[b]) & (len(pool) - 1)]
                        else:
                            c1 = np.uint64(sample[b])
                            for j in range(waiting):
                                drawn[j] = first_word(np.uint64(close[j]), c1, counter[2], counter[0], counter[1])
                        for j in range(waiting):
                            maybe[j] = drawn[j] >= limit[np.int32(min(abs(u_close[j]) * scale, beyond))]
                        for i in range(waiting, len(maybe)):
                            maybe[i] = 0
                        found = _positions(maybe.view(np.uint64), chosen, 0)
                        for j in range(found):
                            k = chosen[j]
                            element[kept + j], near[kept + j] = origin + close[k], u_close[k]
                            word[kept + j] = drawn[k]
                        kept += found
                    waiting = 0
    return col[:events].copy(), element[:kept].copy(), near[:kept].copy(), word[:kept].copy(), np.array([asked])
