"""Lanes over neurons, and what kernels do with the index lists of a row."""

from __future__ import annotations

import triton
import triton.language as tl


def lanes_for(width: int) -> int:
    """Lanes of a program over `width` neurons."""
    return max(16, triton.next_power_of_2(width))


def warps_for(lanes: int) -> int:
    """Warps of a program: two to eight lanes a thread."""
    return min(16, max(1, lanes // 64))


def group_for(entries: int, rows: int) -> int:
    """Entries of a row that are worked on together, so that most rows take one round."""
    return min(16, max(4, triton.next_power_of_2(entries // rows + 1)))


@triton.jit
def add_rows(total, weight, col, first, last, n, real, width, G: tl.constexpr):
    """total + the weight rows of the entries first to last of a list, G at a time; weight [., width]."""
    for k in range(first, last, G):
        entry = k + tl.arange(0, G)
        there = entry < last
        source = tl.load(col + entry, mask=there, other=0)
        total = add_group(total, weight, source, there, n, real, width)
    return total


@triton.jit
def add_group(total, weight, source, there, n, real, width):
    """total + the weight rows `source`, where they are there."""
    place = weight + source.to(tl.int64)[:, None] * width + n[None, :]
    return total + tl.sum(tl.load(place, mask=there[:, None] & real[None, :], other=0), 0)


@triton.jit
def add_entries(total, entries, row, n, G: tl.constexpr):
    """total + the values of the entries of a row (ones where they have none), each at the lane of its column."""
    last = tl.load(entries.ptr + row + 1)
    for k in range(tl.load(entries.ptr + row), last, G):
        entry = k + tl.arange(0, G)
        there = entry < last
        # a lane finds its column among a few by comparing: lanes cannot be written to by number
        column = tl.load(entries.col + entry, mask=there, other=-1)
        found = there.to(total.dtype) if entries.value is None else tl.load(entries.value + entry, mask=there, other=0)
        total += tl.sum(tl.where(column[:, None] == n[None, :], found[:, None], 0), 0)
    return total
