"""Memory of a training step: what autograd keeps for the backward pass, and the peak of the whole step."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from snn_zo.bench.contestants import Contestant, Entry, Inputs
from snn_zo.bench.device import Clock, prepare
from snn_zo.bench.settings import BenchSettings
from snn_zo.bench.timing import training_step
from snn_zo.strategies import Strategy

STATUS = Path("/proc/self/status")


def saved_bytes(contestant: Contestant) -> int:
    """Bytes that autograd keeps between forward and backward, beyond the weights and the batch.

    The graph is walked from the loss: what built-in nodes have saved (`_saved_*`), what custom functions have given to
    `save_for_backward`, and the tensors and arrays that can be reached from their `ctx` attributes, which
    `torch.autograd.graph.saved_tensors_hooks` does not see. Each storage counts once, with all of its bytes.
    """
    loss, forward = contestant.loss()
    given = {key for tensor in (*contestant.weights, *contestant.given) for key, _ in _storages(tensor)}
    kept: dict[int, int] = {}
    pending, seen = [loss.grad_fn], {loss.grad_fn}
    while pending:
        node = pending.pop()
        kept.update(storage for value in _saved(node) for storage in _storages(value))
        for parent, _ in node.next_functions if node else ():
            if parent is not None and parent not in seen:
                seen.add(parent)
                pending.append(parent)
    del forward
    return sum(size for key, size in kept.items() if key not in given)


def _saved(node: Any) -> Iterator[Any]:
    yield getattr(node, "saved_tensors", ())
    yield getattr(node, "__dict__", {})
    for name in dir(node):
        if name.startswith("_saved_"):
            yield getattr(node, name)


def _storages(value: Any) -> Iterator[tuple[int, int]]:
    """(address, bytes) of the storages that can be reached from a value."""
    if isinstance(value, Tensor):
        storage = value.untyped_storage()
        yield storage.data_ptr(), storage.nbytes()
    elif isinstance(value, np.ndarray):
        while isinstance(value.base, np.ndarray):
            value = value.base
        yield value.ctypes.data, value.nbytes
    elif isinstance(value, dict):
        for item in value.values():
            yield from _storages(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _storages(item)
    elif type(value).__module__.startswith("snn_zo."):
        names = (*getattr(value, "__slots__", ()), *getattr(value, "__dict__", ()))
        for name in names:
            yield from _storages(getattr(value, name, None))


def peak_bytes(entry: Entry, contestant: Contestant) -> int | None:
    """Most memory that a training step takes beyond libraries, network and batch; None where it cannot be measured.

    On a GPU, `torch.cuda.max_memory_allocated` over a step. On a CPU, the high-water mark of the resident memory of a
    process of its own, which makes the same network and batch, runs a tiny network first so that compiled code and
    thread pools are there, resets the mark and makes two steps.
    """
    if contestant.whole_step is not None:
        return None  # a replay takes nothing anew
    if contestant.case.device == "cuda":
        return _step_on_gpu(contestant)
    if not STATUS.exists():
        return None
    weights = [weight.detach().cpu().numpy() for weight in contestant.weights]
    arguments = (entry.make, contestant.case, weights, contestant.strategy)
    # forked from a server that has loaded torch and run nothing: loading it takes longer than most steps
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__, "torch._dynamo"])  # the latter by torch.optim, at first use
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(_steps_in_this_process, *arguments).result()
        except BrokenProcessPool:  # killed, as happens when memory runs out
            return None


def _step_on_gpu(contestant: Contestant) -> int:
    training_step(contestant, Clock("cuda"), 0)
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    training_step(contestant, Clock("cuda"), 0)
    return torch.cuda.max_memory_allocated() - before


def _steps_in_this_process(
    make: Callable[[BenchSettings, Inputs], Contestant],
    case: BenchSettings,
    weights: list[np.ndarray],
    strategy: Strategy,
) -> int | None:
    prepare(case.device, case.threads)
    tiny = replace(case, batch=1, steps=2)
    training_step(make(tiny, Inputs.random(tiny)), Clock(case.device), 0)
    contestant = make(case, Inputs.random(case))
    contestant.strategy = strategy
    for weight, values in zip(contestant.weights, weights, strict=True):
        weight.data.copy_(torch.from_numpy(values))
    before = _reset_high_water()
    for step in range(2):
        training_step(contestant, Clock(case.device), step)
    return None if before is None else _resident("VmHWM") - before


def _reset_high_water() -> int | None:
    """Give freed memory back to the system, set the high-water mark to what is left, and return that."""
    try:
        ctypes.CDLL(None).malloc_trim(0)  # else the step would be served from what the set-up has freed
        Path("/proc/self/clear_refs").write_text("5")
        return _resident("VmRSS")
    except (OSError, AttributeError):
        return None  # not Linux, or not glibc


def _resident(field: str) -> int:
    """Bytes of a field of /proc/self/status."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return 1024 * int(line.split()[1])
