"""What all strategies have in common."""

import copy
import dataclasses
import math
import pickle
import subprocess
import sys
from typing import get_args

import pytest
import torch

from snn_zo.strategies import (
    FUNCTIONS,
    Draw,
    Expectation,
    LocalZO,
    LocalZOConverse,
    Lookup,
    SparseSurrogate,
    Strategy,
    Surrogate,
)

Z = ("normal", "uniform", "laplace")


def strategies() -> list[Strategy]:
    """A new object each, so that equality is that of settings."""
    dense = [Surrogate(name, k) for name in FUNCTIONS for k in (4.0, 25.0)] + [Expectation(LocalZO(z, 0.1)) for z in Z]
    zeroth = [LocalZO(z, 0.1, m) for z in Z for m in (1, 5)]
    zeroth += [LocalZOConverse(Surrogate(name, 4.0), a) for name in FUNCTIONS for a in (0, -1)]
    zeroth += [LocalZOConverse(Surrogate(name, 4.0), 1, 5) for name in ("sigmoid", "arctan", "gaussian", "rectangular")]
    sparse = [SparseSurrogate(inside, b_th=b_th) for inside in dense for b_th in (0.1, 0.2)]
    sparse += [SparseSurrogate(dense[0], match=LocalZO(z)) for z in Z]
    return dense + zeroth + sparse


every = pytest.mark.parametrize("i", range(len(strategies())), ids=[str(strategy) for strategy in strategies()])


@every
def test_strategy_is_frozen(i):
    strategy = strategies()[i]
    for field in dataclasses.fields(strategy):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(strategy, field.name, 1)


@every
def test_strategy_equals_by_settings(i):
    strategy, again = strategies()[i], strategies()[i]
    # what is computed on the way must not enter
    strategy.gradient(torch.zeros(1, 2), Draw(0, 0, 0, torch.arange(1)))
    assert math.isfinite(strategy.b_th) or strategy.b_th == math.inf
    assert strategy == again
    assert hash(strategy) == hash(again)
    assert pickle.loads(pickle.dumps(strategy)) == again
    assert copy.deepcopy(strategy) == again


def test_strategies_of_other_settings_differ():
    assert len(set(strategies())) == len(strategies())


@every
def test_lookup_covers_every_active_element(i):
    """What is looked up in a window, or drawn, has a reach; nothing is active beyond it."""
    strategy = strategies()[i]
    assert strategy.lookup in get_args(Lookup)
    if strategy.lookup == "everywhere":
        return
    assert 0 < strategy.reach < math.inf
    # backends look a little beyond, as the reach itself is rounded
    beyond = strategy.reach * torch.linspace(1 + 1e-6, 3, 500, dtype=torch.float64)
    assert not strategy.gradient(torch.stack([beyond, -beyond])).any()


def test_lookup_of_each_family():
    window, drawn = SparseSurrogate(Surrogate(), b_th=0.1), LocalZO()
    assert [each.lookup for each in (Surrogate(), window, drawn)] == ["everywhere", "window", "drawn"]
    assert Surrogate("triangular").lookup == "window"
    assert LocalZO(pool=64).lookup == "drawn"
    assert Expectation(LocalZO("uniform")).lookup == "window"


def test_lookup_of_a_gradient_of_ones_own_is_everywhere():
    """Whatever the class that it derives from knows about the elements it passes over."""

    class Everyone(Surrogate):
        def gradient(self, u, draw=None):
            return torch.ones_like(u)

    class Noisy(LocalZO):
        def gradient(self, u, draw=None):
            return torch.ones_like(u)

    assert [Everyone("triangular").lookup, Noisy().lookup] == ["everywhere", "everywhere"]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (LocalZO("laplace", 0.1, 3), LocalZO("laplace", 0.2, 3)),
        (LocalZOConverse(Surrogate("sigmoid", 30.0)), LocalZOConverse(Surrogate("sigmoid", 15.0))),
        (SparseSurrogate(Surrogate(), b_th=0.3), SparseSurrogate(Surrogate(), b_th=0.6)),
        (Surrogate(), None),
        (Expectation(LocalZO()), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_scaled_doubles_the_width(strategy, expected):
    assert strategy.scaled(2.0) == expected


def test_scaled_matched_window():
    window = SparseSurrogate(Surrogate(), match=LocalZO(delta=0.1)).scaled(2.0)
    assert window.b_th == pytest.approx(2 * LocalZO(delta=0.1).b_th)
    assert window.match is None


@every
def test_gradient_at_and_far_from_the_threshold(i):
    strategy = strategies()[i]
    u = torch.tensor([[0.0, 50.0, -50.0]], dtype=torch.float64)
    g = strategy.gradient(u, Draw(0, 0, 0, torch.arange(1)))
    assert g.isfinite().all()
    assert float(g[0, 0]) > 0
    assert float(g[0, 1:].max()) <= float(strategy.expected(u).max())
    assert strategy.activity(u).flatten()[0] == 1


@every
def test_stochastic_says_whether_the_draw_matters(i):
    strategy = strategies()[i]
    u = torch.linspace(-0.6, 0.6, 200).view(2, 100)
    first, second = (strategy.gradient(u, Draw(seed, 0, 0, torch.arange(2))) for seed in (0, 1))
    window = isinstance(strategy, LocalZOConverse) and strategy.surrogate.function == "rectangular"
    assert torch.equal(first, second) == (not strategy.stochastic or window)


def test_import_and_construction_load_no_torch():
    program = """
import sys
from typing import get_args
from snn_zo.strategies import LocalZO, LocalZOConverse, SparseSurrogate, Surrogate
LocalZO(), Surrogate(), LocalZOConverse(Surrogate()), SparseSurrogate(Surrogate(), b_th=0.2)
for build in (lambda: LocalZO("nomal"), lambda: Surrogate("sigmiod"), lambda: LocalZO(delta=-1)):
    try:
        build()
    except ValueError:
        pass
print(*{name.partition(".")[0] for name in sys.modules} & {"torch", "scipy", "numpy"})
"""
    path = [entry for entry in sys.path if entry]
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(path)}
    )
    assert out.stdout.split() == []
