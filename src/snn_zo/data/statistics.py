"""What is counted of the recordings and targets of a split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from snn_zo.data.dataset import EventDataset
from snn_zo.data.splits import Subset
from snn_zo.target import Classes

if TYPE_CHECKING:
    from snn_zo.target import Values

_AT_ONCE = 256
"""Recordings whose events are in memory at the same time."""


@dataclass
class Part:
    """Statistics of one split.

    Continuous targets are put into groups of equal size by the first of them, which stand in for classes.

    Attributes:
        name: train, val or test.
        target: [S] classes, or [S, K] values.
        groups: name of each of the G classes, or the range of each group.
        events: [S] events of each recording.
        rate: [T] mean events of a recording in each step.
        per_group: [G] recordings of each group.
        image: [G, N] mean events of a recording of each group at each input.
        example: for each group that is there, the [K] steps and [K] inputs of its first recording.
        bad: why recordings were left out of the store that the split is part of.
        outside: share of the original events that are outside the steps or the sensor.
        merged: share of the original events that fell into an input together with another one.
    """

    name: str
    target: Values
    groups: list[str]
    events: NDArray[np.int64]
    rate: NDArray[np.float64]
    per_group: NDArray[np.int64]
    image: NDArray[np.float64]
    example: dict[int, tuple[NDArray[np.int64], NDArray[np.int32]]]
    bad: list[str]
    outside: float
    merged: float

    @classmethod
    def of(cls, name: str, subset: Subset, dataset: EventDataset) -> Part:
        """Go through a split once."""
        store = subset.store
        target = store.target[subset.sample]
        group = dataset.target.strata(target)
        groups = _names(dataset, target, group)
        events: list[NDArray[np.int64]] = []
        rate, image = np.zeros(store.steps), np.zeros((len(groups), store.inputs))
        for begin in range(0, len(group), _AT_ONCE):
            ptr, col = store.events(subset.sample[begin : begin + _AT_ONCE])
            length = np.diff(ptr).reshape(-1, store.steps)
            events.append(length.sum(1))
            rate += length.sum(0)
            place = np.repeat(group[begin : begin + _AT_ONCE], length.sum(1)) * store.inputs + col
            image += np.bincount(place, minlength=image.size).reshape(image.shape)
        per_group = np.bincount(group, minlength=len(groups))
        example = {}
        for one, first in zip(*np.unique(group, return_index=True), strict=True):
            ptr, col = store.events(subset.sample[first : first + 1])
            example[int(one)] = np.repeat(np.arange(store.steps), np.diff(ptr)), col
        image /= np.maximum(per_group, 1)[:, None]
        counted, original = np.concatenate(events), store.original.take(subset.sample)
        recorded, outside = original.events.sum(), (original.outside + original.beyond).sum()
        merged = recorded - outside - counted.sum()
        lost = [float(count / max(recorded, 1)) for count in (outside, merged)]
        mean_rate = rate / len(group)
        return cls(name, target, groups, counted, mean_rate, per_group, image, example, store.about["bad"], *lost)


def _names(dataset: EventDataset, target: Values, group: NDArray[np.int64]) -> list[str]:
    """Classes by their names, groups of continuous targets by their range."""
    if isinstance(dataset.target, Classes):
        return [dataset.class_name(label) for label in range(dataset.target.count)]
    members = [target[group == one, 0] for one in range(int(group.max(initial=0)) + 1)]
    return [f"{values.min():.3g} to {values.max():.3g}" for values in members]
