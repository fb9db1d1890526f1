"""Positions of flags, by either way, at any density."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from snn_zo.ops.cpu import positions as module
from snn_zo.ops.cpu.positions import COMPRESSES, LANES, flags, positions_packed, positions_pushed

WAYS = {"pushed": positions_pushed} | ({"packed": positions_packed} if COMPRESSES else {})


def test_positions_are_packed_where_the_processor_can():
    assert module.positions is (positions_packed if COMPRESSES else positions_pushed)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", [np.int32, np.uint32])
def test_positions_are_those_of_numpy(way, dtype):
    find, generator = WAYS[way], np.random.default_rng(0)

    @numba.njit
    def run(flag, out, count, start):
        return find(flag, out, count, start)

    for size in (1, 7, 8, 15, 16, 17, 64, 1001):
        for density in (0.0, 0.01, 0.1, 0.5, 1.0):
            flag = flags(size)
            assert len(flag) % LANES == 0
            assert len(flag) >= size
            flag[:size] = generator.random(size) < density
            expected = np.flatnonzero(flag)
            out = np.full(3 + len(expected) + LANES, 77, dtype)
            assert run(flag, out, 3, 1000) == 3 + len(expected)
            assert out[3 : 3 + len(expected)].tolist() == (1000 + expected).tolist()
            assert out[:3].tolist() == [77] * 3
