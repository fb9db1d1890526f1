"""Active elements of a layer, as its backward pass needs them."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from snn_zo.ops.spikes import Everywhere, Rows


class ActiveSet(NamedTuple):
    """Active elements of a layer; on a GPU about one per cent more are listed than are active, with g = 0.

    Attributes:
        rows: rows (b, t) of the active neurons; EVERYWHERE for every element.
        g: [K] local derivative, [B * T * N] where every element is meant.
        u: [K] distance to threshold, likewise; [0] where nothing reads it.
    """

    rows: Rows | Everywhere
    g: Tensor
    u: Tensor
