"""The equations on dense counts, by autograd: the definition of correct."""

from __future__ import annotations

import torch
from torch import Tensor

from snn_zo.ops.derived import active_mask, spikes_of
from snn_zo.ops.spikes import Spikes


def merge(a: Spikes, b: Spikes, how: str, features: tuple[int, ...]) -> Spikes:
    """See `snn_zo.ops.merge.merge`; `features` are those of the result."""
    x, y = a.to_dense(), b.to_dense().to(a.handle.dtype)
    if how == "cat":
        counts = torch.cat([x, y], 2)
    elif how == "add":
        counts = x + y
    else:
        counts = x * y if how == "and" else (1 - x.clamp(max=1)) * y
    return spikes_of(counts, _active(a, b, x, y, how), a.channels_last)


def _active(a: Spikes, b: Spikes, x: Tensor, y: Tensor, how: str) -> Tensor | None:
    """Bool, the elements whose derivative by an active one is not 0; None for EVERYWHERE, where one of them is."""
    one, other = active_mask(a), active_mask(b)
    if one is None or other is None:
        return None
    if how == "cat":
        return torch.cat([one, other], 2)
    if how == "add":
        return one | other
    if how == "and":
        return one & (y > 0) | other & (x > 0)
    return one & (y > 0) & (x <= 1) | other & (x == 0)
