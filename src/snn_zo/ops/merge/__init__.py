"""Two layers' spikes into one: residual connections and concatenation."""

from __future__ import annotations

import math
from typing import Literal, get_args

from snn_zo.ops.backends import implementation
from snn_zo.ops.pool2d import in_order
from snn_zo.ops.shapes import require_spikes
from snn_zo.ops.spikes import Spikes

Merging = Literal["add", "and", "iand", "cat"]
"""How two layers' spikes become one."""


def merge(a: Spikes, b: Spikes, how: Merging, backend: str = "auto") -> Spikes:
    """Counts of both, at each time step.

    `add` is a + b, `and` is a b and `iand` is (1 - min(a, 1)) b: the functions of SEW residual blocks (Fang et al.
    2021, table 1), where a is what the block's layers make and b its input. `cat` puts the channels of b behind those
    of a, or neurons behind neurons.

    Args:
        a, b: [B, T, *features] spikes. Their features agree, but for the number of channels or neurons in `cat`.
        how: `add`, `and`, `iand` or `cat`.
        backend: `auto` or the name of a backend.

    Returns:
        [B, T, *features] spikes in the order of a. Active are the elements that depend on an active element of a or b:
        all of them in `add` and `cat`, those that the other lets through in `and` and `iand`; none when gradients are
        disabled.

    Raises:
        ValueError: shapes do not fit, one spike is not worth the same in both (nor 1, for `and` and `iand`), or the
            backend does not run here or does not support this.
    """
    _require_alike(a, b, how)
    features = merged_shape(a.features, b.features, how)
    if len(features) == 3:
        b = in_order(b, a.channels_last, backend)
    run = implementation("merge", backend, a.handle, math.prod(features))
    merged: Spikes = run(a.scaled(1.0), b.scaled(1.0), how, features)
    return merged.scaled(a.scale)


def merged_shape(one: tuple[int, ...], other: tuple[int, ...], how: Merging) -> tuple[int, ...]:
    """Features of merged spikes.

    Raises:
        ValueError: those of both do not fit together, or there is no such way to merge.
    """
    if how not in get_args(Merging):
        raise ValueError(f"spikes are merged by one of {', '.join(get_args(Merging))}, got {how!r}")
    skipped = 1 if how == "cat" else 0
    if len(one) != len(other) or one[skipped:] != other[skipped:]:
        raise ValueError(f"features {list(one)} and {list(other)} do not fit together for {how!r}")
    return one if how != "cat" else (one[0] + other[0], *one[1:])


def _require_alike(a: Spikes, b: Spikes, how: Merging) -> None:
    for each in (a, b):
        require_spikes(each, scaled=True)
    if a.shape[:2] != b.shape[:2]:
        raise ValueError(f"spikes of {list(a.shape[:2])} and {list(b.shape[:2])} samples and steps cannot be merged")
    if a.scale != b.scale or (how in ("and", "iand") and a.scale != 1):
        raise ValueError(
            f"spikes of the values {a.scale:g} and {b.scale:g} cannot be merged by {how!r}, as the result is counts: "
            "merge them before an average pooling or a dropout"
        )
