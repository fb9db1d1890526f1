"""What all strategies have in common."""

import copy
import dataclasses
import math
import pickle
import subprocess
import sys

import pytest
import torch

from snn_zo.strategies import (
    FUNCTIONS,
    Draw,
    Expectation,
    Kernel,
    LocalZO,
    LocalZOConverse,
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
def test_kernel_is_a_kind_and_finite_numbers(i):
    kernel = strategies()[i].kernel
    assert isinstance(kernel, Kernel)
    assert kernel.kind.isidentifier()
    assert kernel.params
    assert all(isinstance(number, float) and math.isfinite(number) for number in kernel.params)
    hash(kernel)


def test_kernels_of_other_estimates_differ():
    assert len({strategy.kernel for strategy in strategies()}) == len(strategies())


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
