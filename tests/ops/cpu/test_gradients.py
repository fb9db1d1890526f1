"""Gradients from errors, loop by loop, against the dense equations."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from snn_zo.neuron import Neuron
from snn_zo.ops import Rows, Spikes
from snn_zo.ops.cpu import gradients
from snn_zo.ops.cpu.rows import RowArrays
from tests.ops import oracle
from tests.ops.harness import assert_near, counts


class Errors(NamedTuple):
    """A layer's input and errors, sparse and dense."""

    x: Tensor
    eps: Tensor
    shape: tuple[int, int, int]
    events: RowArrays
    rows: RowArrays
    values: np.ndarray

    def adjoint(self, beta: float) -> Tensor:
        """lambda[t] = eps[t] + beta lambda[t+1]."""
        steps = [self.eps[:, -1]]
        for t in reversed(range(self.shape[1] - 1)):
            steps.append(self.eps[:, t] + beta * steps[-1])
        return torch.stack(steps[::-1], 1)


def errors(b=2, t=25, n=7, n_in=21, dtype=torch.float64, share=0.1) -> Errors:
    x = counts(b, t, n_in, share)
    eps = torch.randn(b, t, n, dtype=torch.float64).to(dtype).double() * (torch.rand(b, t, n) < share)
    place = eps.flatten().nonzero().squeeze(1)
    rows = RowArrays.of(Rows.from_flat(place, b * t, n))
    values = eps.flatten()[place].to(dtype).numpy()
    return Errors(x, eps, (b, t, n), RowArrays.of(Spikes.from_dense(x).events), rows, values)


def assert_close(actual: np.ndarray, expected: Tensor) -> None:
    """Within rounding of the type of `actual`, by norm."""
    assert actual.shape == tuple(expected.shape)
    tolerance = {"float64": 1e-12, "float32": 1e-5}[actual.dtype.name]
    assert float((torch.from_numpy(actual) - expected).norm()) <= tolerance * float(expected.norm())


TAUS = [math.inf, 1000.0, 20.0, 3.0, 0.0725, 0.07, 1e-3]
"""beta = 1, ..., one above and one below `SMALL`, 0."""


def test_taus_are_on_both_sides_of_small():
    betas = [Neuron(tau=tau).beta for tau in TAUS]
    assert betas[0] == 1
    assert betas[-3] > gradients.SMALL > betas[-2]
    assert betas[-1] == 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
@pytest.mark.parametrize("tau", TAUS)
@pytest.mark.parametrize(("t", "share"), [(25, 0.1), (2000, 0.1), (2000, 0.002)], ids=["short", "long", "rare"])
def test_weight_gradient_forms(tau, t, share, dtype):
    e, neuron = errors(t=t, dtype=dtype, share=share), Neuron(tau=tau)
    adjoint = e.adjoint(neuron.beta)
    expected = torch.einsum("btn,bti->ni", e.eps, oracle.trace(e.x, neuron))
    assert_near(torch.einsum("btn,bti->ni", adjoint, e.x), expected, 1e-10)
    arguments = (e.shape, e.events, 21, e.rows, e.values, neuron.beta)
    assert_close(gradients.weight_by_trace(*arguments), expected)
    assert_close(gradients.weight_by_adjoint(*arguments), expected)
    dense = adjoint.flatten(0, 1).to(dtype).numpy()
    assert_close(gradients.weight_by_dense_adjoint(dense, e.events, 21), expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
@pytest.mark.parametrize("tau", TAUS)
@pytest.mark.parametrize("t", [25, 2000])
def test_input_gradient(tau, t, dtype):
    """At all elements, at some, and at some from a dense lambda."""
    e, neuron = errors(t=t, dtype=dtype), Neuron(tau=tau)
    weight = torch.randn(7, 21, dtype=dtype)
    adjoint = e.adjoint(neuron.beta)
    everywhere = (adjoint @ weight.double()).flatten()
    some = (torch.rand(len(everywhere)) < 0.1).nonzero().squeeze(1)
    some_rows = RowArrays.of(Rows.from_flat(some, 2 * t, 21))
    arguments = (e.shape, e.rows, e.values, weight.numpy())
    assert_close(gradients.input_at_active(*arguments, None, neuron.beta), everywhere)
    assert_close(gradients.input_at_active(*arguments, some_rows, neuron.beta), everywhere[some])
    dense, columns = adjoint.flatten(0, 1).to(dtype).numpy(), weight.T.contiguous().numpy()
    assert_close(gradients.input_from_dense(dense, columns, some_rows), everywhere[some])


def test_input_gradient_at_nothing():
    e = errors()
    nothing = RowArrays.of(Rows.empty(50))
    found = gradients.input_at_active(e.shape, e.rows, e.values, np.ones((7, 21)), nothing, 0.5)
    assert found.shape == gradients.input_from_dense(np.ones((50, 7)), np.ones((21, 7)), nothing).shape == (0,)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
@pytest.mark.parametrize("tau", TAUS)
def test_bias_gradient(tau, dtype):
    e, beta = errors(t=2000, dtype=dtype), Neuron(tau=tau).beta
    adjoint = e.adjoint(beta).flatten(0, 1)
    assert_close(gradients.bias_gradient(e.shape, e.rows, e.values, beta), adjoint.sum(0))
    assert_close(gradients.column_sums(adjoint.to(dtype).numpy()), adjoint.sum(0))


@pytest.mark.parametrize("lag", [0, 1, 150, 277, 600])
@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["double", "single"])
def test_gradients_over_a_long_lag(lag, dtype):
    """One spike and one error, far apart: beta^lag keeps its digits however often the decay is brought up to date."""
    steps, beta = 800, dtype(math.exp(-1 / 20))
    t = steps - 3
    x, error = (RowArrays.of(Rows.from_flat(torch.tensor([at]), steps, 1)) for at in (t - lag, t))
    value, expected = np.array([3.0], dtype), 3.0 * float(beta) ** lag
    weight = np.ones((1, 1), dtype)
    found = (
        gradients.weight_by_trace((1, steps, 1), x, 1, error, value, beta),
        gradients.weight_by_adjoint((1, steps, 1), x, 1, error, value, beta),
        gradients.input_at_active((1, steps, 1), error, value, weight, x, beta),
    )
    rounding = np.finfo(dtype).eps * (10 + lag)
    assert [float(part.squeeze()) for part in found] == pytest.approx([expected] * 3, rel=float(rounding))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.6, 1.0])
def test_errors_at_active_elements_and_spikes(share, neuron, dtype):
    shape = (3, 12, 7)
    s = (torch.rand(shape) < 0.4).double()
    g = torch.rand(shape, dtype=torch.float64) * (torch.rand(shape) < share)
    g, v, grad = (part.to(dtype).double() for part in (g, torch.randn(shape), torch.randn(shape)))
    _, expected = oracle.Layer(s, v, g).adjoint(grad, neuron)
    at = g.flatten().nonzero().squeeze(1)
    place = ((g != 0) | (s != 0)).flatten().nonzero().squeeze(1) if neuron.reset == "hard" else at
    values = [part.flatten()[at].to(dtype).numpy() for part in (g * grad, g, v)]
    events = Spikes.from_dense(s).events
    rows, eps = gradients.errors(shape, RowArrays.of(Rows.from_flat(at, 36, 7)), *values, RowArrays.of(events), neuron)
    for ours, theirs in zip(rows, RowArrays.of(Rows.from_flat(place, 36, 7)), strict=True):
        assert np.array_equal(ours, theirs)
    assert eps.dtype == values[0].dtype
    assert_near(
        torch.from_numpy(eps).double(), expected.flatten()[place], {"float64": 1e-12, "float32": 1e-5}[eps.dtype.name]
    )


def test_errors_read_nothing_behind_their_arrays():
    """After the last active element, a spike of the layer's own: what lies next in memory is not a gradient."""
    active_rows, events = (
        RowArrays.of(Rows.from_flat(torch.tensor([0]), 1, 2)),
        RowArrays.of(Rows.from_flat(torch.tensor([1]), 1, 2)),
    )
    memory = np.array([2.0, math.nan])
    ds, g = memory[:1], np.ones(1)
    (_, col), eps = gradients.errors((1, 1, 2), active_rows, ds, g, g, events, Neuron(reset="hard"))
    assert col.tolist() == [0, 1]
    assert eps.tolist() == [2.0, 0.0]


def test_errors_keep_elements_apart():
    """An infinite error is not the business of a spike of another neuron one step earlier."""
    active_rows, events = (RowArrays.of(Rows.from_flat(torch.tensor([at]), 2, 2)) for at in (2, 1))
    ds, g = np.array([math.inf]), np.ones(1)
    (_, col), eps = gradients.errors((1, 2, 2), active_rows, ds, g, g, events, Neuron(reset="hard"))
    assert col.tolist() == [1, 0]
    assert eps.tolist() == [0.0, math.inf]
