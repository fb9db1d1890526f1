"""Which implementation of an operation runs, and what each of them supports."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from snn_zo.neuron import RESETS

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
"""Whether Triton's kernels run in its interpreter, which does on a CPU, slowly, what they do on a GPU."""

ENTRY_POINTS = "snn_zo.backends"
"""Group of entry points by which an installed package offers a `Backend`."""

WIDEST_PROGRAM = 8192
"""Neurons that one Triton program holds: with more, its registers no longer do."""


@dataclass(frozen=True)
class Backend:
    """An implementation of the operations, and its limits.

    Attributes:
        name: by which `backend=` chooses it.
        devices: types of the devices that it runs on.
        module: name of the module of an operation, with `{op}` for the operation; it defines a function of that name,
            called as `snn_zo.ops.<op>.reference` is.
        operations: that it has.
        dtypes: floating-point types that it computes in; None for all.
        resets: reset modes that it has.
        widest: most neurons of a layer, by operation.
        forward_mode: whether it has forward-mode derivatives.
        cuda_graph: whether its training step can be captured in a CUDA graph.
    """

    name: str
    devices: tuple[str, ...]
    module: str
    operations: tuple[str, ...] = (
        "lif", "spiking_linear", "spiking_conv2d", "leaky_readout", "spike_count_penalty", "pool2d", "merge", "dropout",
        "current_statistics",
    )  # fmt: skip
    dtypes: tuple[torch.dtype, ...] | None = (torch.float32, torch.float64)
    resets: tuple[str, ...] = RESETS
    widest: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    forward_mode: bool = False
    cuda_graph: bool = False

    def reason_against(self, op: str, values: Tensor, neurons: int, reset: str | None = None) -> str | None:
        """Why it cannot do an operation, to be read after its name; None if it can.

        Args:
            op: name of the operation.
            values: floating-point input that says type and forward-mode derivative.
            neurons: of the layer.
            reset: mode of the neuron; None where there is none.
        """
        if op not in self.operations:
            return f"has no {op}"
        if self.dtypes is not None and values.dtype not in self.dtypes:
            names = " and ".join(str(dtype).removeprefix("torch.") for dtype in self.dtypes)
            return f"computes in {names}, not in {str(values.dtype).removeprefix('torch.')}"
        if reset is not None and reset not in self.resets:
            return f"has no reset mode {reset}"
        if neurons > self.widest.get(op, neurons):
            return f"takes up to {self.widest[op]} neurons a layer, got {neurons}"
        if not self.forward_mode and forward_ad.unpack_dual(values).tangent is not None:
            return "does not compute forward-mode derivatives"
        return None


REFERENCE = Backend(
    "reference",
    ("cpu", "cuda", "mps"),
    "snn_zo.ops.{op}.reference",
    dtypes=None,
    forward_mode=True,
)
CPU = Backend("cpu", ("cpu",), "snn_zo.ops.{op}.cpu")
TRITON = Backend(
    "triton",
    ("cuda", "cpu") if INTERPRETED else ("cuda",),
    "snn_zo.ops.{op}.triton",
    widest=MappingProxyType({"spiking_linear": WIDEST_PROGRAM, "leaky_readout": WIDEST_PROGRAM}),
    cuda_graph=True,
)

_REGISTERED: dict[str, Backend] = {each.name: each for each in (CPU, REFERENCE, TRITON)}
_FASTEST_FIRST = {"cpu": (CPU, REFERENCE, TRITON), "cuda": (TRITON, REFERENCE)}


def register(backend: Backend) -> None:
    """Offer a backend by its name; `auto` stays with ours.

    Raises:
        ValueError: the name is taken.
    """
    if backend.name in ("auto", *_known()):
        raise ValueError(f"backend '{backend.name}' exists already")
    _REGISTERED[backend.name] = backend


@cache
def _from_packages() -> dict[str, Backend]:
    """Backends that installed packages offer."""
    return {entry.name: entry.load() for entry in entry_points(group=ENTRY_POINTS)}


def _known() -> dict[str, Backend]:
    return {**_from_packages(), **_REGISTERED}


def names_on(device: torch.device | str) -> tuple[str, ...]:
    """Names of the backends that run on a device, ours first and the fastest of them foremost."""
    kind = torch.device(device).type
    ours = [each for each in _FASTEST_FIRST.get(kind, (REFERENCE,)) if kind in each.devices or each is REFERENCE]
    others = [each for each in _known().values() if kind in each.devices]
    return tuple(dict.fromkeys(each.name for each in (*ours, *others)))


def resolve(backend: str, device: torch.device | str) -> str:
    """Name of the backend that `backend` stands for on a device: `auto` is the fastest there.

    Raises:
        ValueError: the backend does not run on this device.
    """
    able = names_on(device)
    if backend == "auto":
        return able[0]
    if backend not in able:
        kind = torch.device(device).type
        raise ValueError(f"backend '{backend}' does not run on {kind}; these do: auto, {', '.join(able)}")
    return backend


def captured(backend: str) -> bool:
    """Whether a training step of the backend can be captured in a CUDA graph."""
    return _known()[backend].cuda_graph


def names_captured() -> list[str]:
    """Names of the backends whose training step can be captured in a CUDA graph."""
    return [name for name, each in _known().items() if each.cuda_graph]


def implementation(op: str, backend: str, values: Tensor, neurons: int, reset: str | None = None) -> Callable[..., Any]:
    """The function that does an operation; arguments as of `Backend.reason_against`.

    Raises:
        ValueError: the backend does not run on the device of `values`, or does not support this; the message says why
            and names those that do.
    """
    chosen = _known()[resolve(backend, values.device)]
    reason = chosen.reason_against(op, values, neurons, reset)
    if reason:
        known = _known()
        able = [
            f"backend={name} does"
            for name in names_on(values.device)
            if known[name].reason_against(op, values, neurons, reset) is None
        ]
        raise ValueError("; ".join([f"backend '{chosen.name}' {reason}", *able]))
    function: Callable[..., Any] = getattr(import_module(chosen.module.format(op=op)), op)
    return function
