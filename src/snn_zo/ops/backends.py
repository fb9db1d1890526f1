"""Which implementation of an operation runs."""

from __future__ import annotations

import os
from importlib import import_module
from types import ModuleType

import torch

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
"""Whether Triton's kernels run in its interpreter, which does on a CPU, slowly, what they do on a GPU."""

BACKENDS: dict[str, tuple[str, ...]] = {
    "cpu": ("cpu", "reference", "triton") if INTERPRETED else ("cpu", "reference"),
    "cuda": ("triton", "reference"),
    "mps": ("reference",),
}
"""Backends of each device type, fastest first."""


def resolve(backend: str, device: torch.device | str) -> str:
    """Name of the backend that `backend` stands for on a device: `auto` is the fastest there.

    Raises:
        ValueError: the backend does not run on this device.
    """
    kind = torch.device(device).type
    able = BACKENDS.get(kind, ("reference",))
    if backend == "auto":
        return able[0]
    if backend not in able:
        raise ValueError(f"backend '{backend}' does not run on {kind}; these do: auto, {', '.join(able)}")
    return backend


def implementation(op: str, backend: str, device: torch.device) -> ModuleType:
    """The module `snn_zo.ops.<op>.<backend>`, which defines a function called `op`."""
    return import_module(f"snn_zo.ops.{op}.{resolve(backend, device)}")
