from inspect import signature

import pytest
import torch

from snn_zo.neuron import Neuron, Readout
from snn_zo.ops import Spikes, backends, leaky_readout, lif, spiking_conv2d, spiking_linear
from snn_zo.ops.backends import Backend, implementation, names_on, register, resolve
from snn_zo.strategies import Surrogate

DEVICES = ["cpu", "cuda", "mps"]
OPS = ["lif", "spiking_linear", "spiking_conv2d", "leaky_readout"]
X, WEIGHT = torch.ones(2, 3, 4), torch.ones(5, 4)
IMAGES, KERNEL = torch.ones(2, 3, 2, 5, 4), torch.ones(5, 2, 3, 3)

CALLS = {
    "lif": lambda backend: lif(X, Neuron(), Surrogate(), backend=backend),
    "spiking_linear": lambda backend: spiking_linear(
        Spikes.from_dense(X), WEIGHT, None, Neuron(), Surrogate(), backend=backend
    ),
    "spiking_conv2d": lambda backend: spiking_conv2d(
        Spikes.from_dense(IMAGES), KERNEL, None, Neuron(), Surrogate(), backend=backend
    ),
    "leaky_readout": lambda backend: leaky_readout(Spikes.from_dense(X), WEIGHT, None, Readout(), backend=backend),
}


@pytest.mark.parametrize(("device", "fastest"), [("cpu", "cpu"), ("cuda", "triton"), ("mps", "reference")])
def test_resolve_auto(device, fastest):
    assert resolve("auto", device) == names_on(device)[0] == fastest


@pytest.mark.parametrize("device", DEVICES)
def test_resolve_by_name(device):
    assert "reference" in names_on(device)
    assert [resolve(name, torch.device(device)) for name in names_on(device)] == list(names_on(device))


def test_resolve_device_index():
    assert resolve("reference", "cuda:1") == "reference"


def test_resolve_other_device():
    assert resolve("auto", "meta") == "reference"


@pytest.mark.parametrize("name", ["", "refrence", "Reference", "auto "])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_resolve_unknown(device, name):
    with pytest.raises(ValueError, match=f"'{name}' does not run on {device}.*auto, {', '.join(names_on(device))}"):
        resolve(name, device)


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("name", names_on("cpu"))
def test_implementation_same_signature(op, name):
    """Every backend is called as the reference is."""
    ours, reference = (implementation(op, n, X, 5) for n in (name, "reference"))
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


def test_backend_says_what_it_does_not_support():
    """And which ones do."""
    tidy = Backend("tidy", ("cpu",), "nowhere.{op}", ("lif",), (torch.float64,), ("soft",), {"lif": 4})
    assert tidy.reason_against("lif", X.double(), 4, "soft") is None
    assert tidy.reason_against("leaky_readout", X.double(), 4) == "has no leaky_readout"
    assert tidy.reason_against("lif", X, 4, "soft") == "computes in float64, not in float32"
    assert tidy.reason_against("lif", X.double(), 4, "hard") == "has no reset mode hard"
    assert tidy.reason_against("lif", X.double(), 5, "soft") == "takes up to 4 neurons a layer, got 5"
    with pytest.raises(ValueError, match=r"backend 'cpu' computes in .*, not in float16; backend=reference does"):
        implementation("lif", "cpu", X.half(), 4, "soft")


def test_backend_of_a_third_party(monkeypatch):
    """It is called by its name, and refused by name; `auto` stays with ours."""
    monkeypatch.setattr(backends, "_REGISTERED", dict(backends._REGISTERED))
    register(Backend("theirs", ("cpu",), "snn_zo.ops.{op}.reference", resets=("soft",)))
    assert names_on("cpu")[-1] == "theirs"
    assert resolve("auto", "cpu") == "cpu"
    with pytest.raises(ValueError, match="'theirs' exists already"):
        register(Backend("theirs", ("cpu",), "elsewhere"))
    current = 2 * torch.rand(2, 3, 4)
    ours, theirs = (lif(current, Neuron(), Surrogate(), backend=name) for name in ("reference", "theirs"))
    assert torch.equal(ours.to_dense(), theirs.to_dense())
    with pytest.raises(ValueError, match="'theirs' has no reset mode hard; backend=cpu does; backend=reference"):
        lif(current, Neuron(reset="hard"), Surrogate(), backend="theirs")


def test_backend_of_an_installed_package(monkeypatch):
    class Entry:
        name = "packaged"

        def load(self):
            return Backend("packaged", ("cpu",), "snn_zo.ops.{op}.reference")

    monkeypatch.setattr(backends, "entry_points", lambda group: [Entry()] if group == "snn_zo.backends" else [])
    backends._from_packages.cache_clear()
    try:
        assert "packaged" in names_on("cpu")
    finally:
        backends._from_packages.cache_clear()
