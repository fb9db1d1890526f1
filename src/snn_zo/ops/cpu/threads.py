"""Running a compiled loop over ranges, in as many threads as torch uses."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch

R = TypeVar("R")

LINE = 16
"""Least width of a range of columns: a cache line of float32, which two threads should not write to."""


def over_ranges(run: Callable[[int, int], R], size: int, width: int) -> list[R]:
    """Results of run(first, last) over range(size) in pieces of `width`, in order.

    The loops release the interpreter lock. Results must not depend on the width where it follows the number of
    threads (`width_for`).
    """
    ranges = [(first, min(first + width, size)) for first in range(0, size, width)] or [(0, 0)]
    threads = torch.get_num_threads()
    if threads == 1 or len(ranges) == 1:
        return [run(first, last) for first, last in ranges]
    return list(_pool(threads).map(lambda piece: run(*piece), ranges))


def width_for(size: int, least: int, pieces: int = 4) -> int:
    """Width of about `pieces` ranges a thread, a multiple of `least`."""
    wanted = -(-size // (pieces * torch.get_num_threads()))
    return least * max(1, -(-wanted // least))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="snn_zo")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not survive a fork
