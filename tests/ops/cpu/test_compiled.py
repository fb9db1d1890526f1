"""Loops are compiled once for all processes, and make no array of all elements."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module

import numba
import pytest

from snn_zo.ops.cpu.philox import first_word
from tests.ops.cpu.cases import OPS


def loops() -> dict[str, object]:
    """Every compiled loop that is called from Python."""
    names = ["cpu.gradients", "cpu.scan", "cpu.active", "spike_count_penalty.cpu", *(f"{op}.cpu" for op in OPS)]
    modules = [import_module(f"snn_zo.ops.{name}") for name in names]
    named = {f"{m.__name__}.{name}": value for m in modules for name, value in vars(m).items()}
    return {name: loop for name, loop in named.items() if numba.extending.is_jitted(loop) and loop is not first_word}


@pytest.mark.parametrize("name", loops())
def test_loops_are_cached_on_disk(name):
    assert loops()[name].stats.cache_path


FIRST_STEP = """
import sys, torch
from snn_zo.neuron import Neuron, Readout
from snn_zo.ops import Spikes, leaky_readout, spiking_linear
from snn_zo.ops.cpu import gradients, scan
from snn_zo.strategies import LocalZO

torch.set_num_threads(1)
x = Spikes.from_dense(torch.ones(2, 3, 4))
weights = [torch.ones(5, 4), torch.ones(3, 5), torch.ones(2, 3)]
weights = [weight.requires_grad_() for weight in weights]
for weight in weights[:2]:
    x = spiking_linear(x, weight, None, Neuron(), LocalZO(), backend="cpu")
leaky_readout(x, weights[2], None, Readout(), "cpu").sum().backward()
readout = sys.modules["snn_zo.ops.leaky_readout.cpu"]
loops = [scan._scan, gradients._input, readout._forward, readout._backward]
loops += [loop for loop in (gradients._trace, gradients._adjoint) if loop.signatures]
assert all(loop.signatures for loop in loops)
print(sum(sum(loop.stats.cache_misses.values()) for loop in loops))
"""


def first_step(**environment: str) -> int:
    """Loops that a new process compiles for its first training step."""
    command, variables = [sys.executable, "-c", FIRST_STEP], os.environ | {"OMP_NUM_THREADS": "1"} | environment
    out = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert out.returncode == 0, out.stderr
    return int(out.stdout)


def test_network_compiled_once_for_all_processes():
    """A new process loads what this one has compiled or loaded."""
    exec(FIRST_STEP, {})
    assert first_step() == 0


@pytest.mark.slow
def test_network_compiled_once_from_nothing(tmp_path):
    assert first_step(NUMBA_CACHE_DIR=str(tmp_path)) >= 5
    assert first_step(NUMBA_CACHE_DIR=str(tmp_path)) == 0


MEMORY = """
import torch
from snn_zo.neuron import Neuron, Readout
from snn_zo.ops import Spikes, leaky_readout, spike_count_penalty, spiking_linear
from snn_zo.regularizer import SpikeCount
from snn_zo.strategies import Draw, LocalZO, SparseSurrogate, Surrogate

def status(name):
    line = next(line for line in open("/proc/self/status") if line.startswith(name))
    return 1024 * int(line.split()[1])

def train(b, t, n, strategy, neuron):
    torch.manual_seed(0)
    x = spikes = Spikes.from_dense((torch.rand(b, t, 20) < 0.03).float())
    weights = [torch.randn(n, 20).mul(0.4), torch.randn(n, n).mul(0.08), torch.randn(3, n)]
    weights = [weight.requires_grad_() for weight in weights]
    open("/proc/self/clear_refs", "w").write("5")
    before = status("VmRSS")
    for i in range(2):
        spikes = spiking_linear(spikes, weights[i], None, neuron, strategy, Draw(0, i, 0, torch.arange(b)), "cpu")
    loss = leaky_readout(spikes, weights[2], None, Readout(), "cpu").sum()
    (loss + spike_count_penalty(spikes, SpikeCount(), "cpu")).backward()
    assert b < 64 or all(weight.grad.count_nonzero() for weight in weights)
    return (status("VmHWM") - before) / (4 * b * t * n)

torch.set_num_threads(1)
window = SparseSurrogate(Surrogate(), match=LocalZO(delta=0.01))
soft, hard = Neuron(), Neuron(reset="hard", detach_reset=False)
for strategy in (LocalZO(delta=0.01), LocalZO(delta=0.01, samples=5), window, Surrogate()):
    for neuron in (soft, hard) if strategy != Surrogate() else (hard,):
        train(2, 20, 90, strategy, neuron)
        print(train(64, 200, 300, strategy, neuron))
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="peak memory is read from Linux' /proc")
def test_network_makes_no_array_of_all_elements():
    """Peak memory of a step of two layers, in float32 arrays [B, T, N]; a surrogate shows that such arrays are seen."""
    # what is freed goes back at once: the next step cannot hide in it
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    command = [sys.executable, "-c", MEMORY]
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert out.returncode == 0, out.stderr
    *sparse, dense = map(float, out.stdout.split())
    assert dense > 3
    assert len(sparse) == 6
    assert max(sparse) < 0.5
