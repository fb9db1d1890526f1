"""The neurons over time: from input events or a current to spikes, and to the elements that the strategy has to see."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from snn_zo.neuron import RESETS, Neuron
from snn_zo.ops.cpu.drawing import BLOCK, Draws, draw_for
from snn_zo.ops.cpu.patches import Patches, add_events
from snn_zo.ops.cpu.positions import LANES, flags, positions
from snn_zo.ops.cpu.rows import RowArrays
from snn_zo.ops.cpu.threads import over_ranges, width_for
from snn_zo.ops.kept import DRAWN, EVERYTHING, NOTHING, WINDOW, WORDS
from snn_zo.strategies.draw import require_countable

SOFT, HARD = RESETS.index("soft"), RESETS.index("hard")


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


class Drive(NamedTuple):
    """What the current is made from: rows of a weight at input events, patches of a kernel there, or given values.

    Attributes:
        events: rows (b, t) -> inputs that spiked.
        weight: [N_in, N] contiguous, or [*, C_out / groups] as of `snn_zo.ops.cpu.patches.by_input`.
        patches: of a convolution; `Patches.none()` where there is none.
        current: [B, T, N], or [B, 1, N] where it is constant; [0, 1, N] where it comes from events.
        bias: [N], added to the current; [0] for none.
    """

    events: RowArrays
    weight: NDArray[Any]
    patches: Patches
    current: NDArray[Any]
    bias: NDArray[Any]

    @classmethod
    def given(cls, current: NDArray[Any], bias: NDArray[Any] | None = None) -> Drive:
        """That of a current [B, T, N], or [B, 1, N] where it is constant, and a bias [N]."""
        empty = np.empty((0, current.shape[2]), current.dtype)
        return cls(RowArrays.none(), empty, Patches.none(), current, empty[:, 0] if bias is None else bias)

    @classmethod
    def of_events(
        cls, events: RowArrays, weight: NDArray[Any], n: int, bias: NDArray[Any] | None, patches: Patches | None = None
    ) -> Drive:
        """That of input events for N neurons."""
        offset = np.empty(0, weight.dtype) if bias is None else bias
        return cls(events, weight, patches or Patches.none(), np.empty((0, 1, n), weight.dtype), offset)


class _Membrane(NamedTuple):
    """Leak, threshold, half width of the window, all of the weight's type, and the number of the reset mode."""

    beta: Any
    v_th: Any
    reach: Any
    reset: int


def scan(
    shape: tuple[int, int, int],
    drive: Drive,
    neuron: Neuron,
    look: CpuLook,
) -> Scanned:
    """Run the neurons over all time steps, in parallel over samples.

    Args:
        shape: (B, T, N) of the output.
        drive: what the current is made from.
        neuron: leak, threshold and reset.
        look: what to keep for the strategy.

    Raises:
        ValueError: a sample has more elements than draws can be keyed with.
    """
    b, t, n = shape
    if look.kind == DRAWN:
        require_countable(t * n)
    u = np.empty(b * t * n if look.kind == EVERYTHING else 0, drive.weight.dtype)
    count = np.empty(b * t, np.int64)
    number = drive.weight.dtype.type
    membrane = _Membrane(number(neuron.beta), number(neuron.v_th), number(look.reach), RESETS.index(neuron.reset))
    draws = _draws(look, b, number)

    def run(first: int, last: int) -> tuple[NDArray[Any], ...]:
        return _scan(drive, t, membrane, look.kind, draws, first, last, count, u)

    col, element, near, word, drawn = (
        np.concatenate(part) for part in zip(*over_ranges(run, b, width_for(b, 1)), strict=True)
    )
    ptr = np.zeros(b * t + 1, np.int64)
    np.cumsum(count, out=ptr[1:])
    kept = u if look.kind == EVERYTHING else near
    return Scanned(RowArrays(ptr, col), element, kept, word, int(drawn.sum()))


def _draws(look: CpuLook, batch: int, number: type) -> Draws:
    """What a scan draws with, of the weight's type; for all but DRAWN, arrays that are not read."""
    limit, scale, sample = np.zeros(0, np.uint32), 0.0, np.zeros(batch, np.int64)
    if look.kind == DRAWN:
        # bounds in words: no word that is drawn has to be made a number
        limit = np.minimum(WORDS * (1 - np.minimum(look.bound, 1)), WORDS - 1).astype(np.uint32)
        scale, sample = (len(limit) - 1) / look.near, look.sample
    counter = (np.uint64(look.key[0]), np.uint64(look.key[1]), np.uint64(look.step))
    return Draws(limit, number(scale), number(len(look.bound) - 1), counter, sample, look.pool, look.offset)


@numba.njit(nogil=True, cache=True, inline="always")
def _room(array: Any, used: int, more: int) -> Any:
    """The array with room for `more` elements behind the first `used`."""
    if used + more <= len(array):
        return array
    larger = np.empty(2 * len(array) + more, array.dtype)
    larger[:used] = array[:used]
    return larger


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


@numba.njit(nogil=True, cache=True)
def _decay(v: Any, beta: Any, v_th: Any, reset: int, col: Any, first: int, last: int) -> None:
    """v of the step before, decayed and reset at the neurons that have just spiked, which are few: col[first:last]."""
    if reset == HARD:
        for e in range(first, last):
            v[col[e]] = 0
    for i in range(len(v)):
        v[i] *= beta
    if reset == SOFT:
        for e in range(first, last):
            v[col[e]] -= v_th


@numba.njit(nogil=True, cache=True)
def _add(v: Any, values: Any) -> None:
    for i in range(len(v)):
        v[i] += values[i]


@numba.njit(nogil=True, cache=True, inline="always")
def _distances(v: Any, v_th: Any, within: Any, start: Any, u: Any) -> None:
    """u of the neurons within reach of a step, whose first element is `start`."""
    for j in range(len(within)):
        u[j] = v[within[j] - start] - v_th


@numba.njit(nogil=True, cache=True, inline="always")
def _keep(near: Any, origin: int, kept: Any, count: int) -> int:
    """Append all elements of a window; as `draw_for`."""
    (within, u), (element, u_kept, _) = near, kept
    for j in range(len(within)):
        element[count + j] = origin + within[j]
        u_kept[count + j] = u[j]
    return count + len(within)


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _scan(
    drive: Any, steps: int, membrane: Any, kind: int, draws: Any, first: int, last: int, count: Any, u_all: Any
) -> Any:
    """Samples first to last; see `scan`. Fills its part of `count` and, for EVERYTHING, of `u_all`."""
    (ptr, source), weight, (table, _, between, _), current, bias = drive
    beta, v_th, reach, reset = membrane
    kernel, constant, width = weight.ravel(), current.shape[1] == 1, current.shape[2]
    # spikes, and elements that are kept: room for a whole sample, of which memory is taken when it is written to
    most = steps * width + LANES
    col, element = np.empty(most, np.int32), np.empty(most, np.int64)
    u, word = np.empty(most, weight.dtype), np.empty(most, np.uint32)
    # elements within reach, until there are enough of them to draw for
    within, u_within = np.empty(BLOCK + width + LANES, np.uint32), np.empty(BLOCK + width, weight.dtype)
    v, flag = np.empty(width, weight.dtype), flags(width)
    events = kept = drawn = 0
    for b in range(first, last):
        col = _room(col, events, most)
        if kind in (WINDOW, DRAWN):
            element, u, word = _room(element, kept, most), _room(u, kept, most), _room(word, kept, most)
        v[:] = 0
        before, waiting = events, 0
        for row in range(b * steps, (b + 1) * steps):
            _decay(v, beta, v_th, reset, col, before, events)
            if len(current) > 0:
                _add(v, current[b, 0 if constant else row - b * steps])
            elif len(table) > 0:
                add_events(v, kernel, table, between, source, ptr[row], ptr[row + 1])
            else:
                _add_rows(v, weight, source, ptr[row], ptr[row + 1])
            if len(bias) > 0:
                _add(v, bias)
            for i in range(width):
                flag[i] = (v[i] - v_th) > 0
            before, events = events, positions(flag, col, events, 0)
            count[row] = events - before
            if kind == EVERYTHING:
                u_row = u_all[row * width : (row + 1) * width]
                for i in range(width):
                    u_row[i] = v[i] - v_th
            elif kind != NOTHING:
                for i in range(width):
                    flag[i] = abs(v[i] - v_th) < reach
                start = (row - b * steps) * width if kind == DRAWN else 0
                found = positions(flag, within, waiting, start)
                _distances(v, v_th, within[waiting:found], np.uint32(start), u_within[waiting:found])
                waiting = found
                near, lists = (within[:waiting], u_within[:waiting]), (element, u, word)
                if kind == WINDOW:
                    kept, waiting = _keep(near, row * width, lists, kept), 0
                elif waiting >= BLOCK or row == (b + 1) * steps - 1:
                    drawn += waiting
                    kept, waiting = draw_for(near, draws, b, b * steps * width, lists, kept), 0
    return col[:events].copy(), element[:kept].copy(), u[:kept].copy(), word[:kept].copy(), np.array([drawn])
