"""Training, validation and test recordings: seeded, stratified, and by speaker where that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from snn_zo.data.errors import DataError
from snn_zo.target import Classes, Target

if TYPE_CHECKING:
    from snn_zo.data.store import EventStore
    from snn_zo.target import Values


class Subset(NamedTuple):
    """Some recordings of a store, by their numbers [S]."""

    store: EventStore
    sample: NDArray[np.int64]


class Splits(NamedTuple):
    """Training, validation and test recordings."""

    train: Subset
    val: Subset
    test: Subset


def stratified(target: Target, values: Values, shares: tuple[float, ...], seed: int) -> list[NDArray[np.int64]]:
    """Seeded disjoint parts of range(S) with `shares` of every class, each in ascending order.

    Args:
        target: what is to be learned; it says what stands for classes where there are none.
        values: [S, ...] targets.
        shares: fractions; their sum is below 1 and the rest is the last part.
        seed: of the shuffle.

    Raises:
        DataError: there are too few recordings for every class to be in every part.
    """
    from sklearn.model_selection import train_test_split

    rest = np.arange(len(values))
    parts = []
    for share in shares:
        part_size = round(share * len(values))
        strata = target.strata(values[rest], min(part_size, len(rest) - part_size))
        try:
            rest, part = train_test_split(rest, test_size=part_size, stratify=strata, random_state=seed)
        except ValueError as error:
            raise _impossible(len(values), f"{share:g} and the rest", error) from error
        parts.append(np.sort(part))
    return [*parts, np.sort(rest)]


def fold_of(
    target: Target, values: Values, folds: int, fold: int, seed: int, group: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """One of K seeded stratified folds of range(S), and the rest; each in ascending order.

    Args:
        target: what is to be learned.
        values: [S, ...] targets.
        folds: K.
        fold: which one, 0 to K - 1.
        seed: of the shuffle.
        group: [S]; recordings of a group are never on both sides.

    Raises:
        DataError: there are too few recordings, or groups.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    splitter = StratifiedKFold if group is None else StratifiedGroupKFold
    groups = None if group is None else len(np.unique(group))
    strata = target.strata(values, len(values) // folds)
    smallest = int(np.bincount(strata)[np.unique(strata)].min())
    if folds > min(smallest, groups or smallest):
        of = " of a class" if isinstance(target, Classes) else ""
        what = f"{smallest} recordings{of}" if groups is None or smallest < groups else f"{groups} speakers"
        raise DataError(f"{what} cannot be split into {folds} folds: set data.folds to that or less")
    split = list(splitter(folds, shuffle=True, random_state=seed).split(strata, strata, group))
    rest, held_out = split[fold]
    return held_out, rest


def apart(group: NDArray[np.int64], share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Recordings of a seeded `share` of the groups (at least one), and those of the others; ascending.

    Raises:
        DataError: there is only one group.
    """
    from sklearn.model_selection import GroupShuffleSplit

    try:
        (split,) = GroupShuffleSplit(1, test_size=share, random_state=seed).split(group, groups=group)
    except ValueError as error:
        raise _impossible(len(np.unique(group)), "training and validation speakers", error, "speakers") from error
    rest, held_out = (np.sort(part) for part in split)
    return held_out, rest


def _impossible(count: int, parts: str, error: Exception, of: str = "recordings") -> DataError:
    return DataError(f"{count} {of} cannot be split into {parts}: {' '.join(str(error).split())}")


def everything(store: EventStore) -> Subset:
    """All recordings of a store."""
    return Subset(store, np.arange(len(store)))
