"""Index sets as compiled loops take them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from snn_zo.ops.spikes import Rows


class RowArrays(NamedTuple):
    """The arrays of `snn_zo.ops.Rows`: rows (b, t) in compressed form.

    Attributes:
        ptr: [B * T + 1] int64; row r holds col[ptr[r]:ptr[r + 1]].
        col: [K] int32.
    """

    ptr: NDArray[np.int64]
    col: NDArray[np.int32]

    @classmethod
    def of(cls, rows: Rows) -> RowArrays:
        """The same memory, without a copy."""
        return cls(rows.ptr.numpy(), rows.col.numpy())

    @classmethod
    def none(cls) -> RowArrays:
        """No rows at all, where there are none to read."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int32))

    def tensors(self) -> Rows:
        """The same memory as tensors."""
        return Rows(torch.from_numpy(self.ptr), torch.from_numpy(self.col))
