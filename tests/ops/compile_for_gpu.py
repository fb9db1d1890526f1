"""Compile every kernel that a training step launches, for compute capability 9.0, and run none; prints JSON."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import tempfile
from pathlib import Path

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime.jit import JITFunction

from snn_zo.neuron import RESETS, Neuron, Readout
from snn_zo.ops import Spikes, backends, leaky_readout, lif, spiking_linear
from snn_zo.strategies import Draw, LocalZO, SparseSurrogate, Surrogate

CUOBJDUMP = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"


class AbsentGPU:
    """As much of a driver as the compiler asks for."""

    def get_current_target(self):
        return GPUTarget("cuda", 90, 32)

    def get_current_device(self):
        return 0

    def get_current_stream(self, device=None):
        return 0


found = {}


def compile_only(kernel, grid):
    def launch(*args, **kwargs):
        compiled = kernel.run(*args, grid=grid, warmup=True, **kwargs)
        if compiled.hash not in found:
            found[compiled.hash] = {"name": kernel.fn.__name__, **usage(compiled.asm["cubin"])}

    return launch


def usage(cubin):
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        said = subprocess.run([CUOBJDUMP, "-res-usage", file.name], capture_output=True, text=True, check=True)
    registers, spilled = (int(re.search(rf"{name}:(\d+)", said.stdout + said.stderr)[1]) for name in ("REG", "LOCAL"))
    return {"registers": registers, "spilled": spilled}


def step(strategy, neuron, reduce, hidden=200):
    """Nothing is computed: what the buffers hold by chance is what the next kernel is compiled for."""
    x = (torch.rand(2, 300, 1156) < 0.012).float()
    weights = [torch.randn(*size).requires_grad_() for size in ((hidden, 1156), (hidden, hidden), (10, hidden))]
    spikes, draw = Spikes.from_dense(x), Draw(3, 0, 20, torch.arange(2))
    for weight in weights[:2]:
        spikes = spiking_linear(spikes, weight, None, neuron, strategy, draw, "triton")
    leaky_readout(spikes, weights[2], None, Readout(reduce=reduce), "triton").sum().backward()


triton.runtime.driver.set_active(AbsentGPU())
JITFunction.__getitem__ = compile_only
backends._REGISTERED["triton"] = dataclasses.replace(backends.TRITON, devices=("cpu", "cuda"))
for reset in RESETS:
    for detach in (True, False):
        for strategy, reduce in ((LocalZO(), "max"), (Surrogate(), "last")):
            step(strategy, Neuron(reset=reset, detach_reset=detach), reduce)
step(SparseSurrogate(Surrogate(), b_th=0.05), Neuron(), "mean", hidden=1000)
torch.use_deterministic_algorithms(True)
step(LocalZO(), Neuron(reset="hard"), "sum")
lif(torch.randn(2, 6, 3000).requires_grad_(), Neuron(), LocalZO(), backend="triton").count().sum().backward()
print(json.dumps(list(found.values())))
