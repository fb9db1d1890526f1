"""The equations on dense counts, by autograd: the definition of correct."""

from __future__ import annotations

import torch
from torch import Tensor

from snn_zo.ops.derived import active_mask, spikes_of
from snn_zo.ops.spikes import Spikes


def merge(a: Spikes, b: Spikes, how: str, features: tuple[int, ...]) -> Spikes:
    """See `snn_zo.ops.merge.merge`; `features` are those of the result."""
    return spikes_of(merged(a, b, how), _active(a, b, how), a.channels_last)


def merged(a: Spikes, b: Spikes, how: str) -> Tensor:
    """[B, T, *features] dense counts."""
    x, y = a.to_dense(), b.to_dense().to(a.handle.dtype)
    if how == "cat":
        return torch.cat([x, y], 2)
    if how == "add":
        return x + y
    return x * y if how == "and" else (1 - x.clamp(max=1)) * y


def _active(a: Spikes, b: Spikes, how: str) -> Tensor | None:
    """Bool, the elements whose derivative by an active one is not 0; None for EVERYWHERE, where one of them is."""
    one, other = active_mask(a), active_mask(b)
    if one is None or other is None:
        return None
    if how == "cat":
        return torch.cat([one, other], 2)
    if how == "add":
        return one | other
    x, y = (each.to_dense().detach() for each in (a, b))
    if how == "and":
        return one & (y > 0) | other & (x > 0)
    return one & (y > 0) & (x <= 1) | other & (x == 0)
