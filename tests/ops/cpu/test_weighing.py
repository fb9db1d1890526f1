"""Compiled decisions and weights are those of the strategy."""

from __future__ import annotations

import dataclasses
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch
import torch.multiprocessing  # teaches the pickler of processes about tensors

from snn_zo.ops.cpu import active
from snn_zo.ops.cpu.rows import RowArrays
from snn_zo.ops.cpu.scan import Scanned
from snn_zo.ops.cpu.weighing import MOST_SAMPLES, Weighing, weighing
from snn_zo.ops.kept import WORDS
from snn_zo.strategies import Draw, LocalZO, LocalZOConverse, Surrogate, ZerothOrder
from tests.ops.cpu.cases import EVERY

B, SIZE = 3, 30_000
DRAW = Draw(5, 2, 2**32 - 1, torch.tensor([7, 2**32 - 1, 0]))
SHIPPED = {name: strategy for name, strategy in EVERY.items() if isinstance(strategy, ZerothOrder)}
MORE = {
    "two_draws": LocalZO("normal", 0.05, 2),
    "a_block_of_draws": LocalZO("laplace", 0.05, 4),
    "many_draws": LocalZO("normal", 0.02, MOST_SAMPLES),
    "more_than_compiled": LocalZO("normal", 0.02, MOST_SAMPLES + 1),
    "gate_of_many": LocalZOConverse(Surrogate("arctan", 4.0), 0, 9),
    "pool": LocalZO("normal", 0.05, 6, pool=64),
    "pool_of_a_gate": LocalZOConverse(Surrogate("sigmoid", 4.0), 0, 3, pool=256),
}


def elements(strategy: ZerothOrder, dtype: torch.dtype) -> tuple[Scanned, torch.Tensor]:
    """Elements within reach that their first number does not rule out, as a scan keeps them, and these numbers."""
    size = SIZE if strategy.samples < 100 else 300
    generator = torch.Generator().manual_seed(1)
    spread = min(strategy.reach, 8 / strategy.scale)
    u = (spread * (2 * torch.rand(B * size, generator=generator, dtype=torch.float64) - 1)).to(dtype)
    u[::1000] = 0
    element = torch.arange(B * size)
    v = DRAW.uniform(element, size, 0, 1, strategy.pool).squeeze(1)
    v[::999] = v[::999] * 2.0**-20  # far tails, to the last digit of a word
    word = WORDS * (1 - (v * WORDS).ceil() / WORDS)
    v = (WORDS - word) / WORDS
    near = v < strategy.activity(u.double()) * (1 + 1e-2)
    element, u, v = element[near], u[near], v[near]
    word = word[near].numpy().astype(np.uint32)
    return Scanned(RowArrays.none(), element.numpy(), u.numpy(), word, size), v


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
@pytest.mark.parametrize("name", [*SHIPPED, *MORE])
def test_drawn_is_what_the_strategy_says(name, dtype):
    strategy = (SHIPPED | MORE)[name]
    scanned, v = elements(strategy, dtype)
    u, element = torch.from_numpy(scanned.u), torch.from_numpy(scanned.element)
    at, values = strategy.active_among(u, v, element, scanned.drawn, DRAW)
    expected = torch.zeros_like(u).index_copy(0, at, values)
    g = active._drawn(strategy, scanned, scanned.drawn, DRAW)
    assert len(at) > 50
    assert torch.equal(g != 0, expected != 0)
    torch.testing.assert_close(g, expected, rtol=1e-12 if dtype == torch.float64 else 2e-7, atol=0)


@pytest.mark.parametrize("name", ["local_zo_normal_1", "local_zo_laplace_5", "converse_arctan_0", "two_draws"])
def test_little_is_in_doubt(name, monkeypatch):
    """The strategy is not asked to decide, and its formulas are evaluated at few elements."""
    strategy, asked = (SHIPPED | MORE)[name], []
    scanned, _ = elements(strategy, torch.float32)
    exactly = Weighing.exactly
    monkeypatch.setattr(Weighing, "exactly", lambda self, s, u: asked.append(len(u)) or exactly(self, s, u))
    monkeypatch.setattr(ZerothOrder, "active_among", None)
    active._drawn(strategy, scanned, scanned.drawn, DRAW)
    assert 0 < sum(asked) < 0.04 * len(scanned.u)


class Doubled(LocalZO):
    """A known strategy whose subclass weighs otherwise."""

    def _mean_weight(self, *args):
        return 2 * super()._mean_weight(*args)


def test_subclass_is_asked():
    plain, doubled = LocalZO(delta=0.1), Doubled(delta=0.1)
    scanned, _ = elements(plain, torch.float64)
    assert weighing(doubled) is None
    once, twice = (active._drawn(each, scanned, scanned.drawn, DRAW) for each in (plain, doubled))
    torch.testing.assert_close(2 * once, twice)


class Unhashable(LocalZO):
    __hash__ = None  # type: ignore[assignment]


def test_strategy_need_not_be_hashable():
    scanned, _ = elements(LocalZO(delta=0.1), torch.float64)
    assert active._drawn(Unhashable(delta=0.1), scanned, scanned.drawn, DRAW).count_nonzero()


def test_nothing_kept():
    empty = Scanned(RowArrays.none(), np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros(0, np.uint32), 0)
    assert len(active._drawn(LocalZO(), empty, 10, dataclasses.replace(DRAW))) == 0


def test_weighing_survives_sending_the_strategy():
    """torch moves the memory of tensors that are pickled for another process, and frees the old one."""
    strategy = LocalZO("normal", 0.0625, 1)
    rule = weighing(strategy)
    before = [table.copy() for table in (rule.active, rule.least, rule.most)]
    ForkingPickler.dumps(strategy)
    _taken = [np.full(len(rule.active), 9.0) for _ in range(200)]
    for table, expected in zip((rule.active, rule.least, rule.most), before, strict=True):
        assert np.array_equal(table, expected)
