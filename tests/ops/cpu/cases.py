"""Strategies that the tests of the compiled CPU backend run over."""

from __future__ import annotations

import math
from importlib import import_module

import pytest
import torch
from hydra import compose, initialize_config_dir
from torch import Tensor

from snn_zo.config import build
from snn_zo.config.sources import root
from snn_zo.strategies import FUNCTIONS, Expectation, LocalZO, LocalZOConverse, SparseSurrogate, Strategy, Surrogate
from tests.ops.harness import NEURONS

# `snn_zo.ops.spiking_linear` is the function: its folder is only to be had by name
OPS = {name: import_module(f"snn_zo.ops.{name}.cpu") for name in ("spiking_linear", "lif", "leaky_readout")}
LAYER = OPS["spiking_linear"]


class Taught(Strategy):
    """What a third party has to write: `gradient`, and nothing that a compiled backend could go by."""

    def gradient(self, u, draw=None):
        return 1 / (1 + u.abs()).square()

    def expected(self, u):
        raise AssertionError("only `gradient` says what g is")

    activity = expected
    b_th = math.inf


class Given(Taught):
    """g is what one is told."""

    def __init__(self, g: Tensor) -> None:
        self.g = g

    def gradient(self, u, draw=None):
        return self.g.view(u.shape).to(u.dtype)


class First(Taught):
    """The first `count` elements of the batch are active."""

    def __init__(self, count: int) -> None:
        self.count = count

    def gradient(self, u, draw=None):
        return (torch.arange(u.numel()) < self.count).to(u.dtype).view(u.shape)


class Twice(Surrogate):
    """A known strategy whose subclass changes `gradient`."""

    def gradient(self, u, draw=None):
        return 2 * super().gradient(u, draw)


def converses() -> dict[str, Strategy]:
    """Every surrogate and exponent for which the converse exists."""
    found = {}
    for name in FUNCTIONS:
        for a in (1, 0, -1):
            try:
                found[f"converse_{name}_{a}"] = LocalZOConverse(Surrogate(name, 4.0), a)
            except ValueError:
                assert a == 1, name
    return found


def configured() -> dict[str, Strategy]:
    names = sorted(path.stem for path in (root() / "conf" / "strategy").glob("*.yaml"))
    with initialize_config_dir(str(root() / "conf"), version_base="1.3"):
        return {f"conf_{name}": build(compose(f"strategy/{name}").strategy, "strategy") for name in names}


DISTRIBUTED = ("normal", "uniform", "laplace")


SPARSE: dict[str, Strategy] = {
    **{f"local_zo_{z}_{m}": LocalZO(z, 0.4, m) for z in DISTRIBUTED for m in (1, 5)},
    **converses(),
    "converse_sigmoid_1_m5": LocalZOConverse(Surrogate("sigmoid", 4.0), 1, samples=5),
    "converse_triangular_0_m5": LocalZOConverse(Surrogate("triangular", 2.0), 0, samples=5),
    "expectation_uniform": Expectation(LocalZO("uniform", 0.4)),
    "triangular": Surrogate("triangular", 2.0),
    "rectangular": Surrogate("rectangular", 2.0),
    "ssg": SparseSurrogate(Surrogate("fast_sigmoid", 100.0), b_th=0.2),
    "ssg_matched": SparseSurrogate(Expectation(LocalZO("laplace", 0.4)), match=LocalZO("laplace", 0.4, 5)),
}


DENSE: dict[str, Strategy] = {
    **{name: Surrogate(name, 3.0) for name in FUNCTIONS if name not in SPARSE},
    "expectation_normal": Expectation(LocalZO("normal", 0.4)),
    "expectation_laplace": Expectation(LocalZO("laplace", 0.4)),
    "taught": Taught(),
}


EVERY = SPARSE | DENSE | configured()


FEW = {name: EVERY[name] for name in ("local_zo_normal_5", "ssg", "sigmoid")}


def over(strategies: dict[str, Strategy]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("strategy", strategies.values(), ids=strategies)


def every_strategy_or_neuron() -> pytest.MarkDecorator:
    """Every strategy with the reset that asks for most, and every reset with a strategy of each kind."""
    cases = [(strategy, "hard-attached", name) for name, strategy in EVERY.items() if name not in FEW]
    cases += [(strategy, reset, name) for name, strategy in FEW.items() for reset in NEURONS]
    named = [pytest.param(strategy, NEURONS[reset], id=f"{name}-{reset}") for strategy, reset, name in cases]
    return pytest.mark.parametrize(("strategy", "neuron"), named)
