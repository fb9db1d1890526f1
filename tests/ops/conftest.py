import pytest
import torch

from snn_zo.ops import backends
from snn_zo.strategies import LocalZO, SparseSurrogate, Surrogate
from tests.ops.harness import NEURONS

BACKENDS = ["reference", "cpu", pytest.param("triton", marks=pytest.mark.slow)]
"""The interpreter of `triton` is slow: every test here runs in it on demand, `test_triton.py` always."""

STRATEGIES = {
    "local_zo": LocalZO(delta=0.5),
    "local_zo_m3": LocalZO(delta=0.5, samples=3),
    "sigmoid": Surrogate("sigmoid", slope=5.0),
    "triangular": Surrogate("triangular", slope=1.5),
    "window": SparseSurrogate(Surrogate("sigmoid", slope=5.0), b_th=0.4),
    "inactive": SparseSurrogate(Surrogate("sigmoid"), b_th=1e-9),
}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


@pytest.fixture(params=["reference", "cpu", "lists"])
def moving_backend(request, monkeypatch):
    """For operations without neurons, whose `triton` is torch's own operations, which run on a CPU as fast."""
    lists = backends.Backend("lists", ("cpu",), "snn_zo.ops.{op}.triton")
    monkeypatch.setitem(backends._REGISTERED, "lists", lists)
    return request.param


@pytest.fixture(params=STRATEGIES.values(), ids=STRATEGIES)
def strategy(request):
    return request.param


@pytest.fixture(params=NEURONS.values(), ids=NEURONS)
def neuron(request):
    return request.param
