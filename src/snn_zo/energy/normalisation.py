"""Operations and bytes of what normalises a layer's weights before they are computed with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch

from snn_zo.energy.activity import Activity
from snn_zo.energy.counts import INDEX, Schedule
from snn_zo.energy.work import Work
from snn_zo.ops.analogue import Analogue, Input
from snn_zo.ops.spikes import EVERYWHERE

Phases = dict[str, Work]


class Statistics(NamedTuple):
    """What mean and variance of the currents are made from.

    Attributes:
        rows: time steps of samples in which the input spikes.
        taps: weights of one output channel that the inputs reach which spike in the batch.
        rows_to_input, events_to_input, reached_to_input: rows with an active input, the input's spikes there, and the
            neurons that these reach.
        active_in, reached_by_active: active inputs, and the neurons that they reach.
    """

    rows: int = 0
    taps: int = 0
    rows_to_input: int = 0
    events_to_input: int = 0
    reached_to_input: int = 0
    active_in: int = 0
    reached_by_active: int = 0


@dataclass(frozen=True)
class NormalisedActivity(Activity):
    """Activity of a layer whose currents are batch normalised.

    Attributes:
        statistics: what mean and variance are made from; None where they are made from every current.
    """

    statistics: Statistics | None = None

    def __add__(self, other: Activity) -> NormalisedActivity:
        summed = super().__add__(other)
        assert isinstance(summed, NormalisedActivity)
        theirs = getattr(other, "statistics", None)
        if self.statistics is None or theirs is None:
            return summed
        return replace(summed, statistics=Statistics(*map(sum, zip(self.statistics, theirs, strict=True))))


def normalised_activity(a: Activity, x: Input, fan_out: torch.Tensor | None, group: int) -> NormalisedActivity:
    """The activity with what the statistics of its currents are made from.

    Args:
        a: activity of the layer.
        x: its input.
        fan_out: [N_in] how many neurons each input reaches; None where each reaches all.
        group: output channels of a group; N of a fully connected layer.
    """
    if isinstance(x, Analogue) or not x.events.col.is_cpu:  # torch's dense operations
        return NormalisedActivity(**vars(a))
    fan = torch.full((x.shape[2],), a.neurons) if fan_out is None else fan_out
    spiking = x.events.ptr.diff()
    rows, taps = int((spiking > 0).sum()), int(fan[torch.bincount(x.events.col, minlength=len(fan)) > 0].sum()) // group
    if a.forms.input is None:
        return NormalisedActivity(**vars(a), statistics=Statistics(rows, taps))
    everywhere = x.active is EVERYWHERE
    wanted = torch.ones_like(spiking, dtype=torch.bool) if everywhere else x.active.ptr.diff() > 0  # type: ignore[union-attr]
    events = x.events.col[wanted.repeat_interleave(spiking)]
    active = a.rows * len(fan) if everywhere else len(x.active.col)  # type: ignore[union-attr]
    by_active = a.rows * int(fan.sum()) if everywhere else _reached(x.active.col, fan)  # type: ignore[union-attr]
    to_input = int(wanted.sum()), len(events), _reached(events, fan)
    return NormalisedActivity(**vars(a), statistics=Statistics(rows, taps, *to_input, active, by_active))


def _reached(col: torch.Tensor, fan_out: torch.Tensor) -> int:
    return int(torch.bincount(col, minlength=len(fan_out)) @ fan_out)


def batch_normalisation(a: NormalisedActivity, plan: Schedule) -> Phases:
    """Work of `snn_zo.layers.ThresholdBatchNorm` in a training step, by phase."""
    c, w = a.connection, plan.word
    weights, channels = a.batches * c.weights, a.batches * c.biases
    # factor gain * scale / sqrt(variance + eps), shift - factor * mean, running statistics; the folded weight
    fold = Work(channels, 7 * channels + weights, functions=channels, moved={"weights": 2 * weights * w})
    # gradients of factor, mean, variance, gain and shift; of the folded weight, directly and by the factor
    unfold = Work(2 * channels, 6 * channels + 2 * weights, moved={"weight gradient": 3 * weights * w})
    made = _of_every_current(a, plan) if a.statistics is None else _of_events(a, a.statistics, plan)
    return {
        "forward": made["forward"] + fold,
        "grad_weight": made["grad_weight"] + unfold,
        "grad_input": made["grad_input"],
    }


def _of_events(a: NormalisedActivity, s: Statistics, plan: Schedule) -> Phases:
    """Mean from numbers of events; variance, and its gradients, from the current of a row at a time."""
    c, w = a.connection, plan.word
    weights, reached, lists = a.batches * c.weights, a.reached.events_in, a.events_in * INDEX
    current = s.rows * a.neurons
    forward = Work(
        additions=a.events_in + s.taps + reached,
        multiply_adds=weights + current + a.batches * c.biases,
        moved={"input events": 2 * lists, "weights": (weights + reached) * w, "potentials": 2 * current * w},
    )
    # the patches times the currents, and what mean and variance hand on to the weight
    grad_weight = Work(
        additions=reached,
        multiply_adds=2 * weights,
        moved={"input events": lists, "potentials": reached * w, "weight gradient": (2 * reached + 2 * weights) * w},
    )
    if a.forms.input is None:
        return {"forward": forward, "grad_weight": grad_weight, "grad_input": Work()}
    grad_input = Work(
        additions=s.reached_to_input,
        multiply_adds=weights + s.reached_by_active,
        moved={
            "input events": s.events_to_input * INDEX,
            "weights": (2 * weights + s.reached_to_input + s.reached_by_active) * w,
            "potentials": (s.rows_to_input * a.neurons + s.reached_by_active) * w,
            "active inputs": s.active_in * (INDEX + w),
        },
    )
    return {"forward": forward, "grad_weight": grad_weight, "grad_input": grad_input}


def _of_every_current(a: Activity, plan: Schedule) -> Phases:
    """Mean and variance of all currents, which are kept; on the way back two sums over them, and their own gradient."""
    elements, w = a.rows * a.neurons, plan.word
    forward = Work(elements, elements, moved={"saved": 2 * elements * w})
    backward = Work(elements, 3 * elements, moved={"saved": 2 * elements * w, "dense adjoints": 3 * elements * w})
    return {"forward": forward, "grad_weight": Work(), "grad_input": backward}


def dense_batch_normalisation(a: Activity, plan: Schedule) -> Phases:
    """Work of batch normalisation in full backpropagation: every current is normalised, too."""
    made, elements = _of_every_current(a, plan), a.rows * a.neurons
    normalised = Work(multiply_adds=elements, moved={"saved": elements * plan.word})
    return made | {"forward": made["forward"] + normalised}


def weight_standardisation(a: Activity, plan: Schedule) -> Phases:
    """Work of `snn_zo.layers.WeightStandardisation` in a training step, by phase; the same in a dense one."""
    weights, channels, w = a.batches * a.connection.weights, a.batches * a.connection.biases, plan.word
    forward = Work(
        additions=2 * weights,
        multiply_adds=2 * weights + 2 * channels,
        functions=channels,
        moved={"weights": 4 * weights * w},
    )
    # sums of the gradient and of its product with the weight; what is left of it without these
    backward = Work(
        additions=weights,
        multiply_adds=3 * weights + 3 * channels,
        moved={"weight gradient": 3 * weights * w, "weights": 2 * weights * w},
    )
    return {"forward": forward, "grad_weight": backward}
