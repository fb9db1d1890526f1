import pytest
import torch

from snn_zo.bench.contestants import Inputs
from snn_zo.bench.memory import STATUS, peak_bytes, saved_bytes
from tests.bench.tiny import case, entries

SIZE = ("batch=16", "steps=20", "hidden=[64,64]")
DENSE = 16 * 20 * 64 * 4
"""Bytes of a [B, T, N] array."""


def made(name, *overrides):
    (entry,) = [entry for entry in entries(*SIZE) if entry.name == name]
    settings = case(*SIZE, *overrides)
    return entry, entry.make(settings, Inputs.random(settings))


def hooked(contestant):
    """Bytes of what `saved_tensors_hooks` sees, without weights and batch."""
    storages = {}

    def pack(x):
        storages[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        kept = contestant.loss()
    for tensor in (*contestant.weights, *contestant.given):
        storages.pop(tensor.untyped_storage().data_ptr(), None)
    del kept
    return sum(storages.values())


@pytest.mark.parametrize("name", ["loop", "unbind"])
def test_saved_bytes_is_what_the_hooks_see(name):
    """Of networks without custom attributes."""
    _, contestant = made(name)
    assert saved_bytes(contestant) == pytest.approx(hooked(contestant), rel=1e-3)
    assert saved_bytes(contestant) >= 4 * DENSE, "v and s of both layers"


def test_saved_bytes_sees_attributes():
    """The cpu backend keeps g and the handle of both layers, and their events, in attributes of its ctx."""
    _, contestant = made("surrogate/cpu")
    seen = hooked(contestant)
    assert seen + 4 * DENSE < saved_bytes(contestant) < seen + 5 * DENSE


def test_saved_bytes_grows_with_the_active_set():
    _, contestant = made("local_zo/cpu")
    sparse = saved_bytes(contestant)
    contestant.strategy = type(contestant.strategy)(delta=10.0)
    assert sparse < 2 * DENSE < saved_bytes(contestant)


@pytest.mark.skipif(not STATUS.exists(), reason="needs /proc")
def test_peak_bytes_holds_what_is_saved():
    """In a process of its own, for a step of which some megabytes are saved."""
    sizes = ("batch=64", "steps=100", "hidden=[128,128]")
    for name in ("unbind", "local_zo/cpu"):
        entry, contestant = made(name, *sizes)
        peak, saved = peak_bytes(entry, contestant), saved_bytes(contestant)
        assert saved < peak < 10 * saved + 10e6
