"""Training steps that the host launches and does not wait for: after a few ordinary ones, one CUDA graph."""

from __future__ import annotations

import functools
import inspect
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import torch
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from snn_zo.data.store import Batch
from snn_zo.layers.norm import normalises_batches
from snn_zo.ops import Rows, Spikes
from snn_zo.ops.backends import captured, names_captured
from snn_zo.ops.triton.capacity import Plan, enlarged
from snn_zo.training.schedules import one_cycle
from snn_zo.training.step import DivergedError, Step

log = logging.getLogger(__name__)

WARM_UP = 3
"""Ordinary steps before the capture: kernels get compiled, and lists show how long they become."""

DEPTH = 3
"""Steps that may be under way before the host asks how the first of them ended."""


class _Pending(NamedTuple):
    """A step whose end the host has not seen: what to do again, and [overflow, not finite] once `done` is reached."""

    batch: Batch
    step: int
    flags: Tensor
    done: torch.cuda.Event | None


class Replay:
    """Forward, loss, backward and update of a batch, as one graph once enough is known to capture it.

    Lists of spikes and active elements have room for what was needed so far and a third more. If a batch needs more,
    or its loss is not finite, the device leaves the weights and the optimizer's state as they are (the optimizer's
    `found_inf`, made for mixed precision, does that). The host sees it a few steps later, makes room and does that
    batch again, so that no gradient is lost; what was logged of the step is what its shortened lists gave.

    Args:
        compute: the step's result for a batch and an optimizer step, which keys the random draws.
        optimizer: made by `for_replay`.
        capture: makes a function that repeats what the given one does on the device; default: a CUDA graph.
    """

    def __init__(
        self,
        compute: Callable[[Batch, Tensor], Step],
        optimizer: Optimizer,
        capture: Callable[[Callable[[], None]], Callable[[], None]] | None = None,
    ) -> None:
        self.compute, self.optimizer, self.capture = compute, optimizer, capture or cuda_graph
        self.plan = Plan()
        self.ordinary = 0
        self._shape: tuple[int, int, int] | None = None
        self._capturable = True
        self._again: Callable[[], None] | None = None
        self._pending: deque[_Pending] = deque()

    def __call__(self, batch: Batch, step: int) -> Step:
        """Do the step; its result is overwritten by the next one.

        Raises:
            DivergedError: the loss of this step, or of one of the last few, is not a number.
        """
        self.finish(DEPTH - 1)
        self._shape = self._shape or batch.spikes.shape
        # the last batch of an epoch may be a smaller one
        if self.ordinary < WARM_UP or batch.spikes.shape != self._shape or not self._capturable:
            self.ordinary += 1
            return self._ordinary(batch, step)
        if self._again is None or len(_events(batch).col) > len(_events(self._batch).col):
            self._prepare(batch)
        if self._again is None:
            return self._ordinary(batch, step)
        self._stage(batch, step)
        self._again()
        done = None
        flags = self._flags.to("cpu", non_blocking=True, copy=True)
        if self._flags.is_cuda:
            done = torch.cuda.Event()
            done.record()
        self._pending.append(_Pending(batch, step, flags, done))
        return self._result

    def finish(self, under_way: int = 0) -> None:
        """Wait until no more than so many steps are under way, and do again what did not fit."""
        while len(self._pending) > under_way:
            batch, step, flags, done = self._pending.popleft()
            if done is not None:
                done.synchronize()
            overflow, not_finite = flags.tolist()
            if overflow:
                log.info("step %d needed longer lists than any before it: done again, and captured anew", step + 1)
                self._again = None
                self._ordinary(batch, step)
            elif not_finite:
                raise diverged(step)

    def _ordinary(self, batch: Batch, step: int) -> Step:
        """The step without a graph; the host waits, and learns how long the lists are."""
        plan, device = Plan(), batch.target.device
        with plan.step():
            result = self.compute(batch, torch.full((), step, dtype=torch.int64, device=device))
        self.plan.include(plan)
        self.optimizer.zero_grad()
        result.loss.backward()
        if not torch.isfinite(result.loss):
            raise diverged(step)
        self.optimizer.found_inf = torch.zeros((), device=device)  # type: ignore[attr-defined]
        self.optimizer.step()
        return result.detach()

    def _prepare(self, batch: Batch) -> None:
        """Buffers for batches like this one, and the captured step that reads them."""
        given, device = _spikes(batch), batch.target.device
        events = given.events
        col = torch.zeros(enlarged(len(events.col)), dtype=events.col.dtype, device=device)
        rows = Rows(events.ptr.clone(), col)
        spikes = Spikes.from_events(given.shape, rows, given.handle.dtype, given.features)
        self._batch = Batch(spikes, batch.target.clone(), batch.sample.clone())
        self._step = torch.zeros((), dtype=torch.int64, device=device)
        self._stage(batch, 0)
        place_learning_rate(self.optimizer, device)  # a checkpoint brings it back on the CPU
        # the graph reads this tensor, whatever the plan makes of itself later
        self._limits = self.plan.limits(device)
        self._rehearse()
        try:
            self._again = self.capture(self._captured)
        except RuntimeError as error:
            self._capturable = False
            log.warning("cuda_graph: ordinary steps from here on, as the step cannot be captured: %s", _line(error))

    def _rehearse(self) -> None:
        """A planned step without its update: kernels for its sizes are compiled here, and not while capturing."""
        with self.plan.step():
            result = self.compute(self._batch, self._step)
        result.loss.backward()
        self.optimizer.zero_grad()

    def _stage(self, batch: Batch, step: int) -> None:
        ours, held, events = self._batch, _events(self._batch), _events(batch)
        held.ptr.copy_(events.ptr, non_blocking=True)
        held.col[: len(events.col)].copy_(events.col, non_blocking=True)
        ours.target.copy_(batch.target, non_blocking=True)
        ours.sample.copy_(batch.sample, non_blocking=True)
        self._step.fill_(step)

    def _captured(self) -> None:
        with self.plan.step():
            result = self.compute(self._batch, self._step)
        self.optimizer.zero_grad()
        result.loss.backward()
        assert self.plan.overflow is not None
        self._flags = torch.stack([self.plan.overflow, ~torch.isfinite(result.loss.detach())])
        self.optimizer.found_inf = self._flags.any().float()  # type: ignore[attr-defined]
        self.optimizer.step()
        self._result = result.detach()


def diverged(step: int) -> DivergedError:
    """What to say of a step, from 0 on, whose loss is not a number."""
    return DivergedError(f"the loss is nan or infinite in step {step + 1}, whose update was left out; lower optim.lr")


def cuda_graph(work: Callable[[], None]) -> Callable[[], None]:
    """Capture what a function launches; the result launches it again."""
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def for_replay(
    make_optimizer: Callable[..., Optimizer], parameters: Iterable[nn.Parameter], device: torch.device
) -> Optimizer:
    """The optimizer with its learning rate on the device, one kernel for all parameters, and `found_inf` heeded.

    Args:
        make_optimizer: a partial of an optimizer class.
        parameters: to optimise.
        device: of the parameters.
    """
    settings = {"fused": True}
    if "capturable" in inspect.signature(_class_of(make_optimizer)).parameters and device.type == "cuda":
        settings["capturable"] = True
    optimizer = make_optimizer(parameters, **settings)
    place_learning_rate(optimizer, device)
    return optimizer


def place_learning_rate(optimizer: Optimizer, device: torch.device) -> None:
    """Have a captured update read the learning rate anew at each replay."""
    for group in optimizer.param_groups:
        group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32, device=device)


def _spikes(batch: Batch) -> Spikes:
    assert isinstance(batch.spikes, Spikes)  # an analogue input is not captured
    return batch.spikes


def _events(batch: Batch) -> Rows:
    return _spikes(batch).events


def reason_against(
    config: Mapping[str, object] | DictConfig,
    backend: str,
    make_optimizer: Callable[..., Optimizer],
    make_schedule: Callable[..., LRScheduler] | None = None,
    model: nn.Module | None = None,
) -> str | None:
    """Why a run cannot be captured, or None.

    Args:
        config: of the trainer.
        backend: that runs.
        make_optimizer: a partial of an optimizer class.
        make_schedule: a partial that makes the schedule, or None.
        model: that is trained.
    """
    if not captured(backend) or not torch.cuda.is_available():
        able = " or ".join(names_captured())
        return f"backend '{backend}' on this device is not captured; it takes backend {able} on a CUDA device"
    if "fused" not in inspect.signature(_class_of(make_optimizer)).parameters:
        return f"{_class_of(make_optimizer).__name__} has no fused form; optim=adam, adamw and sgd have one"
    if make_schedule is not None and _class_of(make_schedule) is one_cycle:
        return "schedule=one_cycle changes the momentum at each step, which is not captured; schedule=cosine does not"
    if model is not None and normalises_batches(model):
        return (
            "norm=tdbn has running statistics, which a step that is done again would enter twice; norm=weight has not"
        )
    wanted = {
        "gradient_clip_val": (None, 0),
        "accumulate_grad_batches": (1,),
        "precision": ("32-true", "32"),
        "devices": (1,),
        "num_nodes": (1,),
        "detect_anomaly": (False, None),
    }
    for name, values in wanted.items():
        if config.get(name, values[0]) not in values:
            return f"trainer.{name}={config[name]} is not captured; it takes {values[0]}"
    return None


def _line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]


def _class_of(make: Callable[..., object]) -> Callable[..., object]:
    return make.func if isinstance(make, functools.partial) else make
