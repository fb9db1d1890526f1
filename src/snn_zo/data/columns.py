"""Columns of numbers, which may be stored in any numeric type, as whole numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LARGEST = 2**62
"""Numbers stay below it, so that the difference of two still fits into 64 bits."""
_NEEDED = ("t", "x")


def whole(name: str, values: NDArray, scale: int = 1) -> NDArray[np.int64]:
    """`values` x `scale`, rounded down; what is not scaled must be whole to begin with.

    Args:
        name: of the column, for messages.
        values: one column, of any type.
        scale: microseconds in the unit of a time.

    Raises:
        ValueError: it holds something else than numbers, nan, infinity, fractions, or numbers that are too large.
    """
    import numpy as np

    if values.dtype.kind not in "biuf" or values.ndim != 1:
        raise ValueError(f"column {name} holds {values.dtype} of {values.ndim} dimensions, not a number an event")
    if values.dtype.kind != "f":
        # python's integers do not overflow
        for value in (int(values.min()), int(values.max())) if len(values) else ():
            if abs(value * scale) >= LARGEST:
                raise ValueError(f"column {name} holds {value}, which is too large")
        return values.astype(np.int64) * scale
    exact = values.astype(np.float64) * scale
    for impossible, what in (
        (~np.isfinite(exact), "no finite number"),
        (np.abs(exact) >= LARGEST, "too large"),
        ((exact != np.floor(exact)) & (name != "t"), "no whole number"),
    ):
        if impossible.any():
            raise ValueError(f"column {name} holds {values[impossible.argmax()]}, which is {what}")
    return np.floor(exact).astype(np.int64)


def whole_events(events: NDArray[np.void]) -> NDArray[np.void]:
    """Events with the fields t in us, x and perhaps y and p, as whole numbers.

    Raises:
        ValueError: there is no such field, or what it holds cannot be; see `whole`.
    """
    names = events.dtype.names or ()
    if missing := [name for name in _NEEDED if name not in names]:
        raise ValueError(f"there is no column {missing[0]} among ({', '.join(names)})")
    return stack(**{name: whole(name, events[name]) for name in ("t", "x", "y", "p") if name in names})


def stack(**columns: NDArray[np.int64]) -> NDArray[np.void]:
    """Columns of one length as a structured array."""
    import numpy as np

    sizes = {name: len(column) for name, column in columns.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError("unequal numbers of " + ", ".join(f"{name} ({size})" for name, size in sizes.items()))
    events = np.empty(sizes["t"], [(name, np.int64) for name in columns])
    for name, column in columns.items():
        events[name] = column
    return events
