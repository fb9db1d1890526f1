"""The random words of a scan are those of the strategy's draw, and what it keeps contains the active elements."""

from __future__ import annotations

import itertools

import numba
import numpy as np
import pytest
import torch
from torch import Tensor

from snn_zo.neuron import Neuron
from snn_zo.ops.cpu import active
from snn_zo.ops.cpu.drawing import _draw
from snn_zo.ops.cpu.philox import first_word
from snn_zo.ops.cpu.scan import Drive, _draws, scan
from snn_zo.ops.kept import DRAWN
from snn_zo.strategies import Draw, LocalZO, ZerothOrder
from snn_zo.strategies.draw import philox4x32
from tests.ops.cpu.cases import DISTRIBUTED, EVERY, over
from tests.ops.harness import draw_for

LAST = 2**32 - 1


def test_first_word_is_philox():
    generator, extremes = np.random.default_rng(0), [0, 1, 2**31, LAST]
    corners = np.array(np.meshgrid(extremes, extremes, extremes)).reshape(3, -1)
    counters = np.concatenate([generator.integers(0, LAST, (3, 100), endpoint=True), corners], axis=1)
    keys = [*generator.integers(0, LAST, (5, 2), endpoint=True).tolist(), *itertools.product(extremes, extremes)]
    for k0, k1 in keys:
        expected, *_ = philox4x32(
            (*torch.from_numpy(counters), torch.zeros(counters.shape[1], dtype=torch.int64)), (k0, k1)
        )
        found = [first_word(*(np.uint64(word) for word in (*counter, k0, k1))) for counter in counters.T.tolist()]
        assert list(map(int, found)) == expected.tolist()


NO_MEMORY = Neuron(tau=1e-3, reset="none")
"""beta = 0: u = current - v_th."""


def scanned(current: Tensor, look):
    return scan(current.shape, Drive.given(current.numpy()), NO_MEMORY, look)


@pytest.mark.parametrize("value", [0, 12345, LAST])
def test_scan_draws_what_draw_says(value):
    """All the words of all elements, at both ends of what a draw can be keyed with."""
    b, t, n = 3, 21, 77
    sample = torch.tensor([0, value, LAST])
    draw, size = Draw(value, value, value, sample), t * n
    look = active.look_for(LocalZO(), draw)._replace(reach=1e3, bound=np.full(1, 1.1))
    found = scanned(torch.randn(b, t, n), look)
    assert np.array_equal(found.element, np.arange(b * size))
    v = (2.0**32 - torch.from_numpy(found.word.astype(np.float64))) * 2.0**-32
    assert torch.equal(v, draw.uniform(torch.arange(b * size), size, 0, 1).squeeze(1))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
@over({name: strategy for name, strategy in EVERY.items() if isinstance(strategy, ZerothOrder)})
def test_scan_keeps_all_that_are_active(strategy, dtype):
    b, t, n = 2, 30, 170
    spread = min(strategy.reach, 30 / strategy.scale) * torch.linspace(0, 1.01, t)[:, None]
    u = (spread * torch.randn(b, t, n).sign()).to(dtype)
    current = u + NO_MEMORY.v_th
    draw = Draw(7, 2, LAST, torch.tensor([LAST, 40]))
    look = active.look_for(strategy, draw)
    found = scanned(current, look)
    expected = strategy.gradient(current - NO_MEMORY.v_th, draw).flatten().nonzero().squeeze(1)
    assert look.kind == DRAWN
    assert len(expected)
    assert np.isin(expected.numpy(), found.element).all()
    assert np.array_equal(found.u, (current - NO_MEMORY.v_th).flatten().numpy()[found.element])


@pytest.mark.parametrize("m", [1, 5])
@pytest.mark.parametrize("z", DISTRIBUTED)
def test_scan_keeps_few_others(z, m):
    """The bound is tight: hardly an element is looked at in vain."""
    strategy, draw = LocalZO(z, 0.05, m), draw_for(4)
    current = NO_MEMORY.v_th + 0.3 * torch.randn(4, 50, 200)
    found = scanned(current, active.look_for(strategy, draw))
    assert len(found.element) <= 1.02 * int(strategy.gradient(current - NO_MEMORY.v_th, draw).count_nonzero()) + 5


def test_scan_refuses_more_elements_than_it_can_count():
    """128 x 128 x 32 neurons over 8193 steps, of which nothing is computed."""
    constant, look = Drive.given(np.zeros((1, 1, 2**19), np.float32)), active.look_for(LocalZO(), draw_for(1))
    with pytest.raises(ValueError, match=r"a sample has 4295491584 elements .* counted up to 2\^32"):
        scan((1, 8193, 2**19), constant, NO_MEMORY, look)


def test_scan_draws_at_the_end_of_what_it_can_count():
    """The last of 2^32 elements has the number of its own."""
    word, within = np.empty(3, np.uint32), np.array([0, 2**31, LAST], np.uint32)
    draws = _draws(active.look_for(LocalZO(), Draw(3, 1, 4, torch.tensor([9]))), 1, np.float32)
    _words_of(within, word, draws)
    v = Draw(3, 1, 4, torch.tensor([9])).uniform(torch.from_numpy(within.astype(np.int64)), 2**32, 0, 1).squeeze(1)
    assert torch.equal((2.0**32 - torch.from_numpy(word.astype(np.float64))) * 2.0**-32, v)


@numba.njit
def _words_of(within, word, draws):
    _draw(within, word, draws, 0)
