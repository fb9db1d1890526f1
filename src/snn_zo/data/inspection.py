"""Checks of the recordings of a data set before a training: which are lost, unusual, or there twice."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from snn_zo.data.binning import microseconds
from snn_zo.data.dataset import EventDataset
from snn_zo.data.errors import DataError
from snn_zo.data.original import Original
from snn_zo.data.splits import Splits, Subset
from snn_zo.target import Classes

if TYPE_CHECKING:
    from snn_zo.data.store import EventStore

log = logging.getLogger(__name__)

MUCH = 0.1
"""Share of the events that may be dropped before a warning is given."""
EMPTY = 0.5
"""Share of the recordings of a split that may be without events in the T steps."""
FEWEST = 20
"""Recordings that are needed to say what is usual."""
FAR = 6.0
"""How far from the median, on a logarithmic scale, a recording is unusual: in units of the distance that nineteen in
twenty recordings keep. Published benchmarks reach 5."""


def inspected(dataset: EventDataset) -> Splits:
    """The splits of a data set, after `inspect`; warnings are logged.

    Raises:
        DataError: the data is missing or damaged, or says nothing about learning.
    """
    splits = dataset.splits()
    errors, warnings = inspect(dataset, splits)
    if errors:
        raise DataError(errors[0])
    for warning in warnings:
        log.warning("%s", warning)
    return splits


def inspect(dataset: EventDataset, splits: Splits) -> tuple[list[str], list[str]]:
    """Errors, which make the recordings useless, and warnings; each is one line."""
    stores = {subset.store.about["part"]: subset.store for subset in splits}
    errors, warnings = list[str](), [*_left_out(stores), *_dropped(dataset, stores)]
    for name, subset in splits._asdict().items():
        silent, lines = _silent(dataset, name, subset)
        (errors if silent > EMPTY * len(subset.sample) else warnings).extend(lines)
    for severe, line in _twice(dataset, splits):
        (errors if severe else warnings).append(line)
    for store in stores.values():
        warnings += _unusual(dataset, store)
    if isinstance(dataset.target, Classes):
        warnings += _classes(dataset, splits)
    return errors, warnings


def _left_out(stores: dict[str, EventStore]) -> Iterator[str]:
    for store in stores.values():
        if bad := store.about["bad"]:
            yield f"{len(bad)} of {len(bad) + len(store)} recordings left out as bad; the first: {bad[0]}"


# ---- events that are dropped


def _dropped(dataset: EventDataset, stores: dict[str, EventStore]) -> Iterator[str]:
    """Parts that lose many events, and the window that would keep them."""
    lost = {part: _share(store.original.outside, store.original) for part, store in stores.items()}
    if much := {part: share for part, share in lost.items() if share > MUCH}:
        shares = " and ".join(f"{100 * share:.1f} % of the events of {part}" for part, share in much.items())
        wider = _wider(dataset, Original.concatenate([stores[part].original for part in much]))
        yield f"{shares} lie outside {_window(dataset)}: {wider} would keep 99 %"
    for part, store in stores.items():
        beyond = _share(store.original.beyond, store.original)
        if beyond > MUCH:
            sensor = f"the {dataset.width} x {dataset.height} sensor"
            yield f"{100 * beyond:.1f} % of the events of {part} lie outside {sensor}, and are dropped"


def _share(count: NDArray[np.int64], original: Original) -> float:
    return float(count.sum() / max(original.events.sum(), 1))


def _window(dataset: EventDataset) -> str:
    end = dataset.start + dataset.steps * dataset.dt
    return f"the {dataset.steps} steps from {dataset.start:g} to {end:g} ms (data.start, data.steps, data.dt)"


def _wider(dataset: EventDataset, original: Original) -> str:
    """Settings that keep 99 % of the events: up to the time by which nearly all recordings have most of theirs."""
    some = original.take(np.flatnonzero(original.events))
    begin = int(some.began.min()) // 1000
    end = dataset.start + dataset.steps * dataset.dt
    start = begin if begin < dataset.start or begin >= end else dataset.start
    order = np.argsort(some.most)
    reached = np.cumsum(some.events[order]) >= 0.995 * some.events.sum()
    last = int(some.most[order][reached.argmax()])
    us = last - microseconds(start)
    steps = int(us // microseconds(dataset.dt)) + 1
    moved = f"data.start={start:g} with " if start != dataset.start else ""
    wider = f"data.dt={us / 1000 / dataset.steps * 1.001:.3g}"
    return f"{moved}data.steps={steps} or {wider}"


def _silent(dataset: EventDataset, name: str, subset: Subset) -> tuple[int, list[str]]:
    """How many recordings of a split have no event that the network would see, and what to say of it."""
    store, original = subset.store, subset.store.original.take(subset.sample)
    kept = np.diff(store.first)[subset.sample]
    silent, total = int(np.count_nonzero(kept == 0)), len(kept)
    if not silent:
        return 0, []
    which = f"{silent:,} of {total:,} recordings of {name}" if silent < total else f"all {total:,} recordings of {name}"
    recorded = original.take(np.flatnonzero((kept == 0) & (original.events > 0)))
    if not len(recorded.events):
        return silent, [f"{which} hold no events"]
    began, ended = (_time(float(np.median(times))) for times in (recorded.began, recorded.ended))
    return silent, [
        f"{which} have no event in {_window(dataset)}: they begin at {began} and end at {ended}; "
        "are their times in another unit, or do they have an offset?"
    ]


def _time(us: float) -> str:
    return f"{us / 1e6:.3g} s" if us >= 1e6 else f"{us / 1e3:.3g} ms"


# ---- recordings that are there twice


class _Known(NamedTuple):
    """Recordings that have events: their digests, and their numbers in the store."""

    digest: NDArray[np.int64]
    sample: NDArray[np.int64]
    store: EventStore

    @classmethod
    def of(cls, subset: Subset) -> _Known:
        original = subset.store.original
        sample = subset.sample[original.events[subset.sample] > 0]
        return cls(original.digest[sample], sample, subset.store)


def _twice(dataset: EventDataset, splits: Splits) -> Iterator[tuple[bool, str]]:
    """Recordings that are in two splits, or twice in one, and whether that is too much."""
    known = {name: _Known.of(subset) for name, subset in splits._asdict().items()}
    for one, other in (("test", "train"), ("test", "val"), ("val", "train")):
        copied = np.isin(known[one].digest, known[other].digest)
        if count := int(copied.sum()):
            total = len(splits._asdict()[one].sample)
            apart = known[one].store.path != known[other].store.path
            pair = _pair(dataset, known[one], known[other], known[one].digest[copied.argmax()])
            line = f"{count:,} of {total:,} recordings of {one} are in {other} as well, {pair}: remove one of each two"
            yield apart and count > dataset.shared * total, line
    for name, own in known.items():
        digest, number = np.unique(own.digest, return_counts=True)
        if count := int((number - 1).sum()):
            pair = _pair(dataset, own, own, digest[number.argmax()])
            yield False, f"{count:,} of {len(own.sample):,} recordings of {name} repeat others, {pair}"


def _pair(dataset: EventDataset, one: _Known, other: _Known, digest: np.int64) -> str:
    """Where a recording lies, and where it lies a second time."""
    first, last = np.flatnonzero(one.digest == digest)[0], np.flatnonzero(other.digest == digest)[-1]
    found = ((one.store, one.sample[first]), (other.store, other.sample[last]))
    same = np.array_equal(*(store.target[sample] for store, sample in found))
    different = "classes" if isinstance(dataset.target, Classes) else "targets"
    places = " and ".join(_where(dataset, store, int(sample)) for store, sample in found)
    return f"such as {places}" + ("" if same else f", which are of different {different}")


def _where(dataset: EventDataset, store: EventStore, sample: int) -> str:
    part = store.about["part"]
    return dataset.where(part, dataset.listing(part), int(store.origin[sample])).rstrip(",")


# ---- recordings that are unlike the others


def _unusual(dataset: EventDataset, store: EventStore) -> Iterator[str]:
    """Recordings whose length or number of events is far from the rest, as in files cut short or filled with zeros."""
    filled = np.flatnonzero(store.original.events)
    original = store.original.take(filled)
    for measure, values, show in (
        ("last", original.ended - original.began, lambda us: _time(float(us))),
        ("hold", original.events, lambda events: f"{events:,} events"),
    ):
        far = _far(values)
        if len(far):
            first = far[0]
            yield (
                f"{len(far)} of {len(store)} recordings of {store.about['part']} {measure} far less or more than the "
                f"usual {show(int(np.median(values)))}, such as {_where(dataset, store, int(filled[first]))} with "
                f"{show(int(values[first]))}: are their files whole?"
            )


def _far(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places of the values that are far from the rest, on a logarithmic scale."""
    if len(values) < FEWEST:
        return np.zeros(0, np.int64)
    size = np.log(np.maximum(values, 1))
    low, middle, high = np.percentile(size, (5, 50, 95))
    below, above = (FAR * max(spread, 0.1) for spread in (middle - low, high - middle))
    return np.flatnonzero((size < middle - below) | (size > middle + above))


# ---- classes


def _classes(dataset: EventDataset, splits: Splits) -> Iterator[str]:
    """Classes that are tested or validated but not learnt, and the other way round."""
    found = {name: set(store.target[sample].tolist()) for name, (store, sample) in splits._asdict().items()}
    for lacking, having in (("train", "test"), ("test", "train"), ("train", "val"), ("val", "train")):
        if classes := found[having] - found[lacking]:
            names = ", ".join(dataset.class_name(label) for label in sorted(classes)[:5])
            more = f" and {len(classes) - 5} more" if len(classes) > 5 else ""
            yield f"{lacking} has no recording of {names}{more}, which {having} has"
