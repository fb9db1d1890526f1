"""First random words of the elements within a zeroth-order strategy's reach, and which of these may be active."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from snn_zo.ops.cpu.philox import first_word
from snn_zo.ops.cpu.positions import LANES, flags, positions

BLOCK = 512
"""Elements that are drawn for together: enough for the compiler to work on several counters at once, few enough for all
that belongs to them to stay in the first-level cache."""


class Draws(NamedTuple):
    """Where random words come from, and which of them allow activity.

    Attributes:
        limit: [K + 1] uint32 words from which on an element in a part of the table may be active.
        scale: parts of the table per unit of |u|, of the weight's type.
        beyond: K, the part that lies beyond the table, of the weight's type.
        counter: seed, layer and step.
        sample: [B] int64 indices in the data set.
        pool: [P] uint32 words to reuse, P a power of two; [0] where each element has its own.
        offset: [B] int64 places in the pool that the samples start from.
    """

    limit: NDArray[np.uint32]
    scale: Any
    beyond: Any
    counter: tuple[np.uint64, np.uint64, np.uint64]
    sample: NDArray[np.int64]
    pool: NDArray[np.uint32]
    offset: NDArray[np.int64]


@numba.njit(nogil=True, cache=True, inline="always")
def _draw(within: Any, word: Any, draws: Any, b: int) -> None:
    """The first random word of each element of sample b."""
    pool = draws.pool
    if len(pool) > 0:
        start = draws.offset[b]
        for j in range(len(within)):
            # a remainder, as the pool's size is a power of two
            word[j] = pool[(np.int64(within[j]) + start) & (len(pool) - 1)]
    else:
        sample, (seed, layer, step) = np.uint64(draws.sample[b]), draws.counter
        for j in range(len(within)):
            word[j] = first_word(np.uint64(within[j]), sample, step, seed, layer)


@numba.njit(nogil=True, cache=True)
def draw_for(near: Any, draws: Any, b: int, origin: int, kept: Any, count: int) -> int:
    """Draw for elements within reach, and append those that may be active.

    Args:
        near: the elements' indices within sample b, uint32, and their u.
        draws: where random words come from.
        b: sample.
        origin: flat index of its first element.
        kept: lists of flat indices, u and words.
        count: entries of these lists so far.

    Returns:
        Entries of the lists now.
    """
    (within, u), (element, u_kept, word_kept) = near, kept
    limit, scale, beyond = draws.limit, draws.scale, draws.beyond
    word, chosen, allowed = np.empty(BLOCK, np.uint32), np.empty(BLOCK + LANES, np.uint32), flags(BLOCK)
    for begin in range(0, len(within), BLOCK):
        # numbers without a sign index without a look at which end they count from
        within_block, u_block = within[begin : begin + BLOCK], u[begin : begin + BLOCK]
        _draw(within_block, word, draws, b)
        for j in range(len(u_block)):
            allowed[j] = word[j] >= limit[np.uint32(min(abs(u_block[j]) * scale, beyond))]
        groups = LANES * ((len(u_block) + LANES - 1) // LANES)
        for j in range(len(u_block), groups):
            allowed[j] = 0
        found = positions(allowed[:groups], chosen, 0, 0)
        for j in range(found):
            k = chosen[j]
            element[count + j] = origin + within_block[k]
            u_kept[count + j] = u_block[k]
            word_kept[count + j] = word[k]
        count += found
    return count
