"""Building an event store: pieces of a part are read, checked and binned on all cores, and written as they come."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from errno import EROFS
from pathlib import Path

import numpy as np
from filelock import FileLock
from joblib import Parallel, delayed
from rich.console import Console
from rich.progress import track

from snn_zo.data.binning import Packed, pack
from snn_zo.data.errors import BadRecordingError, DataError
from snn_zo.data.reader import EventReader
from snn_zo.data.recordings import Listing, Recordings
from snn_zo.data.store import About, DamagedStoreError, EventStore, Piece

log = logging.getLogger(__name__)

_ORPHANS_LIVE_S = 10
"""Seconds after which a reading process without work ends, as when the process that it worked for was killed."""


def open_or_build(dataset: EventReader, part: str, thorough: bool = False, anew: bool = False) -> EventStore:
    """The store of a part; made if it is not there, made again if it is damaged.

    Args:
        dataset: what to pack.
        part: of the data set.
        thorough: check every recording of a store that is there, as one has been found damaged.
        anew: make the store, whether it is there or not.

    Raises:
        DataError: recordings are missing or cannot be read, or the store cannot be written.
    """
    path = dataset.cache_file(part)
    try:
        store = (None if anew else _sound(path, thorough)) or _build_alone(dataset, part, path, thorough, anew)
    except OSError as error:
        place = f"{error.strerror or error}: {error.filename or path}"
        kind = "that can be written" if isinstance(error, PermissionError) or error.errno == EROFS else "with room"
        raise DataError(f"{place}; set data.cache_dir (or SNN_ZO_CACHE) to a folder {kind}") from error
    return store


def _sound(path: Path, thorough: bool) -> EventStore | None:
    try:
        store = EventStore(path)
        if thorough:
            store.check(np.arange(len(store)))
    except FileNotFoundError:
        return None
    except DamagedStoreError as error:
        log.warning("%s; making it again", error)
        return None
    return store


def _build_alone(dataset: EventReader, part: str, path: Path, thorough: bool, anew: bool) -> EventStore:
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        # another process may have made it in the meantime
        return (None if anew else _sound(path, thorough)) or _build(dataset, part, path)


def _build(dataset: EventReader, part: str, path: Path) -> EventStore:
    for left_over in path.parent.glob(f".{path.name}.*"):  # of a process that was killed: we hold the lock
        left_over.unlink(missing_ok=True)
    about: About = {"data": type(dataset).__name__, "part": part, "bad": []}
    EventStore.write(path, dataset.grid, _pieces(dataset, part, about["bad"]), about)
    return EventStore(path)


def _pieces(dataset: EventReader, part: str, bad: list[str]) -> Iterator[Piece]:
    """All recordings of a part, packed, in order; reasons for what is left out are added to `bad`."""
    listing = _typed(dataset, part, dataset.listing(part))
    if dataset.limit is not None:
        listing = listing.first_of_each(dataset.target.strata(listing.target), dataset.limit)
    listing = _in_range(dataset, part, listing, bad)
    pieces = [np.arange(len(listing))[i : i + dataset.chunk] for i in range(0, len(listing), dataset.chunk)]
    jobs = (delayed(_packed)(dataset, part, listing.take(piece)) for piece in pieces)
    options = {} if dataset.workers_are == "threads" else {"idle_worker_timeout": _ORPHANS_LIVE_S}
    cores = 1 if len(pieces) < 2 else -1
    workers = Parallel(n_jobs=cores, prefer=dataset.workers_are, return_as="generator", **options)
    console = Console(stderr=True)
    found = 0
    for (packed, origin), faults in track(
        workers(jobs),
        f"packing {type(dataset).__name__} {part}",
        len(pieces),
        console=console,
        transient=True,
        disable=len(pieces) < 2 or not console.is_terminal,
    ):
        bad += faults
        found += len(origin)
        yield packed, origin
    if not found:
        reason = f" that can be used: {bad[0]}" if bad else ""
        raise DataError(f"{dataset.where(part, listing, 0)}: there are no recordings{reason}")


def _typed(dataset: EventReader, part: str, listing: Listing) -> Listing:
    """The same recordings, with targets of the type and shape that the data set says."""
    try:
        return replace(listing, target=dataset.target.typed(listing.target))
    except ValueError as error:
        raise DataError(f"{type(dataset).__name__}, part {part}: {error}") from error


def _in_range(dataset: EventReader, part: str, listing: Listing, bad: list[str]) -> Listing:
    """The recordings whose target is in range, before any is read."""
    valid = dataset.target.valid(listing.target)
    for i in np.flatnonzero(~valid).tolist():
        fault = f"{dataset.misplaced(part, listing, i)}: remove or replace it"
        if dataset.on_bad == "error":
            raise BadRecordingError(fault)
        bad.append(fault)
    return listing.take(np.flatnonzero(valid))


def _packed(dataset: EventReader, part: str, listing: Listing) -> tuple[Piece, list[str]]:
    """Some recordings, packed, and why others are left out."""
    try:
        return (pack(_checked(dataset, part, listing), dataset.grid), listing.number), []
    except BadRecordingError:
        if dataset.on_bad == "error":
            raise
    good, origin, faults = [], [], []
    for i in range(len(listing)):
        one = listing.take(np.array([i]))
        try:
            good.append(pack(_checked(dataset, part, one), dataset.grid))
            origin.append(one.number)
        except BadRecordingError as error:
            faults.append(str(error))
    return (
        Packed.concatenate(good, dataset.grid, dataset.target),
        np.concatenate([listing.number[:0], *origin]),
    ), faults


def _checked(dataset: EventReader, part: str, listing: Listing) -> Recordings:
    recordings = dataset.recordings(part, listing)
    if fault := dataset.fault(recordings):
        raise BadRecordingError(f"{dataset.where(part, listing, fault[0])} {fault[1]}: remove or replace it")
    return recordings
