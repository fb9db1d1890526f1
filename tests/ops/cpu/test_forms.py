"""Which form a layer is computed in, sparse or dense, and that each of them is right."""

from __future__ import annotations

import pytest
import torch

from snn_zo.ops import Spikes, spiking_linear
from snn_zo.ops.cpu import active
from snn_zo.strategies import LocalZO
from tests.ops.cpu.cases import DENSE, FEW, LAYER, First, over
from tests.ops.harness import assert_near, assert_same_spikes, check, is_sparse, make, twin


def test_network_both_forms(form, neuron):
    step = check("cpu", make(), neuron, LocalZO(delta=0.4, samples=5))
    assert [spikes.record.weight_gradient for spikes in step.layers] == [form, form]


@pytest.mark.parametrize("above", [False, True])
def test_network_sparse_or_dense_at_the_share(above, neuron):
    """A strategy of which nothing is known is sparse up to a share `SPARSE` of active elements."""
    elements = [3 * 16 * 8, 3 * 16 * 4]
    strategies = [First(int(active.SPARSE * size) + above) for size in elements]
    step = check("cpu", make(t=16, widths=(13, 8, 4, 3)), neuron, strategies)
    assert [is_sparse(spikes) for spikes in step.layers] == [not above, not above]


@pytest.mark.parametrize("share", [-1.0, 1.0], ids=["dense", "sparse"])
@over(DENSE)
def test_network_sparse_or_dense(share, strategy, neuron, monkeypatch):
    monkeypatch.setattr(active, "SPARSE", share)
    step = check("cpu", make(), neuron, strategy)
    assert [is_sparse(spikes) for spikes in step.layers] == [share > 0] * 2


@pytest.mark.parametrize("gemm", [-1.0, 1e9], ids=["product", "events"])
@pytest.mark.parametrize("names", [("sigmoid", "ssg"), ("ssg", "sigmoid"), ("local_zo_normal_5", "sigmoid")])
def test_network_mixed(names, gemm, neuron, monkeypatch):
    """A sparse layer on a dense one and the other way round, the dense one with and without its product."""
    monkeypatch.setattr(LAYER, "GEMM_DENSITY", gemm)
    step = check("cpu", make(), neuron, [FEW[name] for name in names])
    assert [is_sparse(spikes) for spikes in step.layers] == [name != "sigmoid" for name in names]


@pytest.mark.parametrize("above", [False, True])
@pytest.mark.parametrize("wanted", [True, False], ids=["hidden", "data"])
def test_spiking_linear_product_or_events(above, wanted, neuron, monkeypatch):
    """On both sides of `GEMM_DENSITY`, to an event."""
    monkeypatch.setattr(LAYER, "GEMM_DENSITY", 0.25)
    x = torch.zeros(2 * 6 * 8, dtype=torch.float64)
    x[torch.randperm(len(x))[: len(x) // 4 + above]] = 1
    x = x.view(2, 6, 8).requires_grad_(wanted)
    found = []
    for backend in ("cpu", "reference"):
        leaf, weight = twin(x, torch.linspace(-1, 1.4, 40, dtype=torch.float64).view(5, 8).requires_grad_())
        spikes = spiking_linear(Spikes.from_dense(leaf), weight, None, neuron, FEW["sigmoid"], backend=backend)
        spikes.to_dense().square().sum().backward()
        found.append((spikes, weight.grad, leaf.grad))
    forms = {"forward": "dense" if above else "events", "weight gradient": "dense" if above else "adjoint"}
    assert found[0][0].record.forms() == forms | ({"input gradient": "dense"} if wanted else {})
    assert_same_spikes([found[0][0]], [found[1][0]])
    assert_near(found[0][1], found[1][1], 1e-12)
    assert not wanted or torch.allclose(found[0][2], found[1][2], rtol=0, atol=1e-12)
