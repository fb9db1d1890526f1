"""The random words of a scan are those of the strategy's draw, and what it keeps contains the active elements."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from snn_zo.neuron import Neuron
from snn_zo.ops.cpu import active
from snn_zo.ops.cpu.philox import first_word
from snn_zo.ops.cpu.scan import Drive, scan
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
