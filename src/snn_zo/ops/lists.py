"""Index lists by torch's own operations, for devices whose results the host does not wait for.

Lists keep the length that they could have at most: what is left over is padding, see `Rows`. In flat indices, the
number of all elements stands for nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from snn_zo.ops.derived import passed_on
from snn_zo.ops.spikes import Rows, Spikes


class Entries(NamedTuple):
    """Entries of an index list, one by one.

    Attributes:
        row: [K] int64, B * T or more for padding.
        neuron: [K] int64.
        given: [K] bool, those that are no padding.
    """

    row: Tensor
    neuron: Tensor
    given: Tensor

    @classmethod
    def of(cls, rows: Rows) -> Entries:
        """The entries of rows."""
        row = rows.row()
        given = row < len(rows.ptr) - 1
        return cls(row, torch.where(given, rows.col, 0).long(), given)

    def moved(self, number: Tensor, width: int, total: int) -> Tensor:
        """Flat indices of their images, of the shape of `number`: row * width + number; total where there is none.

        Args:
            number: [K] or [K, M] int64, -1 for none.
            width: neurons of the result.
            total: all elements of the result.
        """
        shape = (-1,) + (1,) * (number.dim() - 1)
        there = self.given.view(shape) & (number >= 0)
        return torch.where(there, self.row.view(shape) * width + number, total)


def rows_of(flat: Tensor, rows: int, width: int) -> Rows:
    """Rows of flat indices in any order."""
    ordered = flat.sort().values
    bounds = torch.arange(rows + 1, device=flat.device) * width
    return Rows(torch.searchsorted(ordered, bounds), (ordered % width).int())


def once(flat: Tensor, total: int) -> Tensor:
    """The same indices in ascending order, each of them once, and nothing in the place of the others."""
    ordered = flat.sort().values
    again = torch.zeros_like(ordered, dtype=torch.bool)
    again[1:] = ordered[1:] == ordered[:-1]
    # no list of different elements is longer than all of them
    return ordered.masked_fill(again, total).sort().values[:total]


def activate(spikes: Spikes, active: Tensor, sources: list[tuple[Tensor, Tensor, Tensor | None]]) -> Spikes:
    """Give spikes their active elements.

    Args:
        spikes: that have none.
        active: ascending flat indices without a repetition.
        sources: of each input its handle, the flat indices that its active elements have become, and the derivatives of
            these by them, 1 for None.
    """
    (b, t, n), total = spikes.shape, spikes.shape[0] * spikes.shape[1] * spikes.shape[2]
    bounds = torch.arange(b * t + 1, device=active.device) * n
    spikes.active = Rows(torch.searchsorted(active, bounds), (active % n).int())
    handles = []
    for handle, image, factor in sources:
        link = torch.where(image < total, torch.searchsorted(active, image), -1)
        handles.append(passed_on(handle, link, len(active), factor))
    spikes.handle = torch.stack(handles).sum(0) if len(handles) > 1 else handles[0]
    spikes.g = (active < total).to(spikes.handle.dtype)
    return spikes
