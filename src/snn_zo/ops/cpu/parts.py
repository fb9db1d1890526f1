"""Index lists whose lengths nobody knows before they are made: each sample fills its own part of a longer one."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros
from numpy.typing import NDArray

from snn_zo.ops.cpu.rows import RowArrays


class Parts(NamedTuple):
    """Lists in the making.

    Attributes:
        start: [B + 1] int64, where the part of each sample begins, which has room for all that may come.
        col: [start[B]] int32, filled from the front of each part.
        length: [1 + B * T] int64, 0 and then the entries of each row.
    """

    start: NDArray[np.int64]
    col: NDArray[np.int32]
    length: NDArray[np.int64]

    @classmethod
    def of(cls, start: NDArray[np.int64], rows: int) -> Parts:
        """Parts that are still empty."""
        return cls(start, np.empty(start[-1], np.int32), np.zeros(rows + 1, np.int64))

    def rows(self) -> RowArrays:
        """What was made, without the room that was left."""
        ptr, samples = np.cumsum(self.length), len(self.start) - 1
        if ptr[-1] == len(self.col):
            return RowArrays(ptr, self.col)
        col = np.empty(ptr[-1], np.int32)
        ends = ptr[:: max((len(ptr) - 1) // max(samples, 1), 1)]
        for sample in range(samples):
            first, last, start = ends[sample], ends[sample + 1], self.start[sample]
            col[first:last] = self.col[start : start + last - first]
        return RowArrays(ptr, col)


def link_rows(link: NDArray[np.int64], ptr: NDArray[np.int64], made: NDArray[np.int64], steps: int) -> None:
    """Count links from the first element of all samples on, and not from the first of their own.

    Args:
        link: [K] or [K, M], -1 for none.
        ptr: [B * T + 1] rows of the elements that are linked.
        made: [B * T + 1] rows of those that they are linked to.
        steps: T.
    """
    for first in range(0, len(ptr) - 1, steps):
        own = link[ptr[first] : ptr[first + steps]]
        np.add(own, made[first], out=own, where=own >= 0)


# numbers of a row are marked in a map of bits, and words of this map in a second one: they come out sorted, each once


@numba.njit(inline="always")
def mark(bits: Any, marked: Any, n: Any) -> None:
    """Mark a number."""
    word = n >> 6
    bits[word] |= np.uint64(1) << np.uint64(n & 63)
    marked[word >> 6] |= np.uint64(1) << np.uint64(word & 63)


@numba.njit(inline="always")
def drain(bits: Any, marked: Any, listed: Any) -> Any:
    """Write the marked numbers in ascending order, unmark them, and return how many there are."""
    found = 0
    for group in range(len(marked)):
        words = marked[group]
        marked[group] = 0
        while words != 0:
            word = (group << 6) + trailing_zeros(words)  # type: ignore[call-arg]
            words &= words - np.uint64(1)
            rest = bits[word]
            bits[word] = 0
            while rest != 0:
                listed[found] = (word << 6) + trailing_zeros(rest)
                found += 1
                rest &= rest - np.uint64(1)
    return found


@numba.njit(inline="always")
def words_of(size: Any) -> Any:
    """Words of a map of so many bits."""
    return (size + 63) >> 6
