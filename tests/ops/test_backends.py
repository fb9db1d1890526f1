from inspect import signature

import pytest
import torch

from snn_zo.neuron import Neuron, Readout
from snn_zo.ops import Spikes, leaky_readout, lif, spiking_linear
from snn_zo.ops.backends import BACKENDS, implementation, resolve
from snn_zo.strategies import Surrogate

OPS = ["lif", "spiking_linear", "leaky_readout"]
X, WEIGHT = torch.ones(2, 3, 4), torch.ones(5, 4)

CALLS = {
    "lif": lambda backend: lif(X, Neuron(), Surrogate(), backend=backend),
    "spiking_linear": lambda backend: spiking_linear(
        Spikes.from_dense(X), WEIGHT, None, Neuron(), Surrogate(), backend=backend
    ),
    "leaky_readout": lambda backend: leaky_readout(Spikes.from_dense(X), WEIGHT, None, Readout(), backend=backend),
}


@pytest.mark.parametrize("device", BACKENDS)
def test_resolve_auto(device):
    assert resolve("auto", device) == BACKENDS[device][0]


@pytest.mark.parametrize("device", BACKENDS)
def test_resolve_by_name(device):
    assert "reference" in BACKENDS[device]
    assert [resolve(name, torch.device(device)) for name in BACKENDS[device]] == list(BACKENDS[device])


def test_resolve_device_index():
    assert resolve("reference", "cuda:1") == "reference"


def test_resolve_other_device():
    assert resolve("auto", "meta") == "reference"


@pytest.mark.parametrize("name", ["", "refrence", "Reference", "auto "])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_resolve_unknown(device, name):
    with pytest.raises(ValueError, match=f"'{name}' does not run on {device}.*auto, {', '.join(BACKENDS[device])}"):
        resolve(name, device)


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("name", BACKENDS["cpu"])
def test_implementation_same_signature(op, name):
    """Every backend is called as the reference is."""
    ours, reference = (getattr(implementation(op, n, torch.device("cpu")), op) for n in (name, "reference"))
    assert list(signature(ours).parameters) == list(signature(reference).parameters)


@pytest.mark.parametrize("op", OPS)
def test_op_unknown_backend(op):
    with pytest.raises(ValueError, match=r"'nothing' does not run on cpu; these do: auto, .*reference"):
        CALLS[op]("nothing")


@pytest.mark.parametrize("op", OPS)
def test_op_auto(op, backend):
    ours, auto = CALLS[op](backend), CALLS[op]("auto")
    ours, auto = (x.to_dense() if isinstance(x, Spikes) else x for x in (ours, auto))
    torch.testing.assert_close(ours, auto)
