"""What happened in a layer: the numbers that its operations are counted from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, cast

import numpy as np
import torch

from snn_zo.energy.connection import Connection
from snn_zo.ops.record import Forward, InputGradient, Record, WeightGradient
from snn_zo.ops.spikes import EVERYWHERE, Rows, Spikes

SUMMED = (
    "batches", "samples", "events_in", "events", "active", "within_reach", "live_rows", "live_events_in", "live_events",
    "live_active_in", "errors",
)  # fmt: skip


class Forms(NamedTuple):
    """How a layer was computed.

    Attributes:
        forward, weight, input: of the current, the gradient of the weight and that of the input, as in
            `snn_zo.ops.record.Record`; no `input` where it wants no gradient.
        everywhere: whether the backward pass goes over all elements and not over a list of active ones.
    """

    forward: Forward = "events"
    weight: WeightGradient = "adjoint"
    input: InputGradient | None = "scan"
    everywhere: bool = False


SPARSE = Forms()


class Reached(NamedTuple):
    """How many neurons are reached, each counted for each spike or active element that reaches it.

    Attributes:
        events_in, live_events_in, live_active_in: by these, as in `Activity`.
    """

    events_in: int
    live_events_in: int
    live_active_in: int


@dataclass(frozen=True)
class Activity:
    """Activity of one layer, summed over the batches that were computed in the same forms.

    On a GPU the counts of a step are 0-dim tensors, which nobody waits for, until `on_host` reads them.

    A row is a time step of a sample. A row is *live* up to the sample's last active element: later ones take no part in
    the backward pass.

    Attributes:
        inputs, neurons, steps: N_in, N, T.
        forms: how the layer was computed.
        batches, samples: how many.
        events_in, events: spikes of the input and of the layer.
        active: elements with g != 0; all elements where `forms.everywhere`.
        within_reach: elements that a stochastic strategy drew a random number for.
        live_rows, live_events_in, live_events: rows, input spikes and own spikes up to the last active element.
        live_active_in: active elements of the input there.
        errors: elements at which an error enters: the active ones, and own spikes in live rows for a hard reset.
        connected: what is connected to what; None where each input is with each neuron.
        counted: neurons that input spikes and active inputs reach; None where each reaches all.
        encoded: how often a sample's analogue input is multiplied with the weights, once or at each step; 0 for spikes.
    """

    inputs: int
    neurons: int
    steps: int
    forms: Forms = SPARSE
    batches: int = 0
    samples: int = 0
    events_in: int = 0
    events: int = 0
    active: int = 0
    within_reach: int = 0
    live_rows: int = 0
    live_events_in: int = 0
    live_events: int = 0
    live_active_in: int = 0
    errors: int = 0
    connected: Connection | None = None
    counted: Reached | None = None
    encoded: int = 0

    @property
    def kind(self) -> tuple[object, ...]:
        """What two activities have in common that add up."""
        return self.inputs, self.neurons, self.steps, self.forms, self.connection, self.counted is None, self.encoded

    @property
    def adjoint_everywhere(self) -> bool:
        """Whether the backward pass makes the adjoint of every element: a dense product takes it in, too."""
        return self.forms.everywhere or self.forms.weight == "dense"

    @property
    def connection(self) -> Connection:
        """What is connected to what."""
        return self.connected or Connection.full(self.inputs, self.neurons)

    @property
    def reached(self) -> Reached:
        """Neurons that input spikes and active inputs reach."""
        by = self.events_in, self.live_events_in, self.live_active_in
        return self.counted or Reached(*(number * self.neurons for number in by))

    @property
    def rows(self) -> int:
        """Time steps of all samples, B * T."""
        return self.samples * self.steps

    def __add__(self, other: Activity) -> Activity:
        if self.kind != other.kind:
            raise ValueError("only activity of the same layer in the same forms adds up")
        sums: dict[str, int] = {name: getattr(self, name) + getattr(other, name) for name in SUMMED}
        counted = self.counted and other.counted and Reached(*map(sum, zip(self.counted, other.counted, strict=True)))
        return replace(self, counted=counted, **sums)  # type: ignore[arg-type]

    def on_host(self) -> Activity:
        """The same in Python's numbers; the host waits for the device."""
        numbers = {name: int(getattr(self, name)) for name in SUMMED}
        return replace(self, counted=self.counted and Reached(*map(int, self.counted)), **numbers)  # type: ignore[arg-type]


def _count(value: torch.Tensor) -> int:
    # a copy: a replayed step overwrites its tensors
    return int(value) if value.is_cpu else cast("int", value.clone())


def layer_activity(
    x: Spikes,
    s: Spikes,
    reset: str,
    drawn: bool,
    connection: Connection | None = None,
    fan_out: torch.Tensor | None = None,
) -> Activity:
    """Activity of a layer of neurons in one training step, after its backward pass.

    Sizes of index lists and a few of their row pointers; the forms are those of the record, and where it says none, the
    sparse ones with the fewest operations. Where inputs differ in how many neurons they reach, the lists are read, too.

    Args:
        x: [B, T, N_in] the layer's input.
        s: [B, T, N] its output.
        reset: of the neuron.
        drawn: whether the strategy draws a random number for the elements within its reach.
        connection: what is connected to what; None where each input is with each neuron.
        fan_out: [N_in] how many neurons each input reaches; None where each reaches all.

    Raises:
        ValueError: the strategy draws, and the backend did not say for how many elements.
    """
    (b, t, n), features, record = s.shape, x.shape[2], s.record
    if drawn and record.drawn is None:
        raise ValueError("the backend does not say how many elements drew a random number")
    everywhere = s.active is EVERYWHERE
    live = _live(s)
    live_rows = _between(live)
    live_events = _between(s.events.ptr[live]) if reset == "hard" else 0
    errors = active = b * t * n if everywhere else _count(s.active_count)
    if reset == "hard" and not everywhere:
        errors += live_events - _count((s.handle > 0).sum())
    if x.active is EVERYWHERE:
        live_active_in = live_rows * features
    else:
        live_active_in = _between(x.active.ptr[live]) if len(x.active.col) else 0
    live_events_in = _between(x.events.ptr[live])
    counted = None if fan_out is None else _reached(x, live, live_rows, fan_out)
    weight = record.weight_gradient
    if weight is None:
        trace = errors * (connection.fan_in if connection else features)
        adjoint = counted.live_events_in if counted else live_events_in * n
        weight = "trace" if not everywhere and trace < adjoint else "adjoint"
    to_input = record.input_gradient or ("gather" if everywhere else "scan") if record.to_input else None
    forms = Forms(record.forward or "events", weight, to_input, everywhere)
    within_reach = _count(torch.as_tensor(record.drawn)) if drawn else 0
    return Activity(
        features, n, t, forms, 1, b, _count(x.event_count), _count(s.event_count), active, within_reach, live_rows,
        live_events_in, live_events, live_active_in, errors, connection, counted,
    )  # fmt: skip


def _reached(x: Spikes, live: torch.Tensor, live_rows: int, fan_out: torch.Tensor) -> Reached:
    """Neurons that the events of x and its active elements reach; see `_live`."""
    all_events, live_events = _reached_by(x.events, live, fan_out)
    if x.active is EVERYWHERE:
        live_active = live_rows * _count(fan_out.sum())
    else:
        _, live_active = _reached_by(x.active, live, fan_out)
    return Reached(all_events, live_events, live_active)


def _reached_by(rows: Rows, live: torch.Tensor, fan_out: torch.Tensor) -> tuple[int, int]:
    """Neurons that all entries of rows reach, and those of live rows."""
    ptr, col = rows
    if not col.is_cpu:
        # padding may hold any number
        sums = fan_out.index_select(0, col.clamp(0, len(fan_out) - 1)).cumsum(0)
        before = torch.nn.functional.pad(sums, (1, 0))
        return _count(before[ptr[-1]]), _between(before[ptr[live]])

    def total(entries: torch.Tensor) -> int:
        return int(torch.bincount(entries, minlength=len(fan_out)) @ fan_out)

    # nearly all rows are live: those are looked at that are not
    first, last = ptr[live].view(2, -1).tolist()
    dead = zip(last, [*first[1:], len(col)], strict=True)
    left = [col[begin:end] for begin, end in dead if begin < end]
    reached = total(col)
    return reached, reached - (total(torch.cat(left)) if left else 0)


def readout_activity(x: Spikes, classes: int, record: Record) -> Activity:
    """Activity of a readout: every row is live, and all outputs are.

    Args:
        x: [B, T, N] its input.
        classes: outputs C.
        record: of its operation.
    """
    (b, t, n) = x.shape
    active_in = b * t * n if x.active is EVERYWHERE else _count(x.active_count)
    events = _count(x.event_count)
    to_input = record.input_gradient or ("dense" if x.active is EVERYWHERE else "gather") if record.to_input else None
    forms = Forms(record.forward or "events", record.weight_gradient or "adjoint", to_input, everywhere=True)
    return Activity(
        n, classes, t, forms, batches=1, samples=b, events_in=events, active=b * t * classes,
        live_rows=b * t, live_events_in=events, live_active_in=active_in, errors=b * t * classes,
    )  # fmt: skip


def _live(s: Spikes) -> torch.Tensor:
    """[2 B] first row of each sample, and the row behind its last one with an active element."""
    b, t, _ = s.shape
    start = torch.arange(0, b * t, t, device=s.events.ptr.device)
    if s.active is EVERYWHERE:
        return torch.cat([start, start + t])
    ptr = s.active.ptr
    ends = ptr[t::t].contiguous()
    # torch would wake its threads for these few searches, which takes longer than a training step on a busy machine
    if ptr.is_cpu:
        found = torch.from_numpy(np.searchsorted(ptr.numpy(), ends.numpy()))
    else:
        found = torch.searchsorted(ptr, ends)
    # a sample without an active element would be given a row of an earlier one
    return torch.cat([start, found.maximum(start)])


def _between(bounds: torch.Tensor) -> int:
    """Sum of the differences between the second half and the first."""
    if not bounds.is_cpu:
        return _count(bounds.view(2, -1).sum(1).diff().squeeze())
    first, last = bounds.view(2, -1).sum(1).tolist()
    return int(last - first)
