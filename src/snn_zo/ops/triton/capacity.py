"""How large the index lists of a layer may become, where the host must not wait to be told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import torch
from torch import Tensor

SLACK = 1.3
"""Room in a plan, as a multiple of what the layer has needed so far: spikes become more as training goes on."""

MARGIN = 32
"""Entries on top of that: in a layer that was all but silent, a few spikes are many times what was needed."""

LISTS = ("events", "near", "kept")
"""Lists of a layer: its spikes, the elements within the strategy's reach, those of them that may be active."""

Room = tuple[int, ...]
"""Numbers of entries: for each list, the most of any sample; then for each list, those of the whole batch."""


@dataclass
class Plan:
    """Sizes of all lists of a training step, so that its kernels can be launched, or captured, without looking.

    Layers are known by the order in which they are called within `with plan.step()`. At its first call a layer runs
    as it does without a plan: the host waits for its counts, and the plan notes them with some slack. From then on the
    host reads nothing. Entries that find no room are left out, and `overflow` says so: the step must not be used.

    Attributes:
        rooms: entries that each layer's lists have room for.
        overflow: 0-dim bool tensor on the device, of the last step.
    """

    rooms: list[Room] = field(default_factory=list)
    overflow: Tensor | None = None
    _needs: list[Tensor] = field(default_factory=list)
    _limits: Tensor | None = None

    @contextmanager
    def step(self) -> Iterator[None]:
        """The forward pass of one training step; `overflow` is there at its end."""
        self._needs = []
        token = _plan.set(self)
        try:
            yield
        finally:
            _plan.reset(token)
        if self._needs:
            needs = torch.stack(self._needs)
            self.overflow = (needs > self.limits(needs.device)).any()

    def include(self, other: Plan) -> None:
        """Make room for what another plan of the same layers has room for."""
        self._limits = None
        if not self.rooms:
            self.rooms = list(other.rooms)
        self.rooms = [tuple(map(max, *rooms)) for rooms in zip(self.rooms, other.rooms, strict=True)]

    def limits(self, device: torch.device) -> Tensor:
        """The rooms as a tensor, [layers, 2 * len(LISTS)] float64."""
        if self._limits is None:
            self._limits = torch.tensor(self.rooms, dtype=torch.float64, device=device)
        return self._limits


_plan: ContextVar[Plan | None] = ContextVar("plan", default=None)


def enlarged(need: int) -> int:
    """Entries that a plan makes room for where so many were needed."""
    return int(SLACK * need) + MARGIN


def fill_lists(guess: Room, fill: Callable[[Room], Tensor]) -> Room:
    """Fill a layer's lists: once, with the room that a plan says, or again until everything has found room.

    Args:
        guess: entries of a sample to begin with where no plan says how many, one number a list.
        fill: fills lists with the given room; returns [len(LISTS), B] int32, entries that each sample needed.

    Returns:
        The room that the lists were filled with; without a plan, the numbers for the whole batch are exact.
    """
    plan = _plan.get()
    if plan is not None and len(plan._needs) < len(plan.rooms):
        room = plan.rooms[len(plan._needs)]
        plan._needs.append(_need(fill(room)))
        return room
    while True:
        need = _need(fill(guess))
        needed = _whole(need)
        # a list that was cut short has cut short the one that is made from it
        larger = tuple(map(max, needed, guess))
        if larger == guess:
            break
        guess = larger
    if plan is not None:
        plan._needs.append(need)
        plan.rooms.append(tuple(map(enlarged, needed)))
    return (*guess, *needed[len(LISTS) :])


def _whole(need: Tensor) -> Room:
    return tuple(int(entries) for entries in need.tolist())


def _need(totals: Tensor) -> Tensor:
    """[2 * len(LISTS)] most of a sample and sum over the batch, float64 (exact)."""
    return torch.cat([totals.amax(1).double(), totals.double().sum(1)])
