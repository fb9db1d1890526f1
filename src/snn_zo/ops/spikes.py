"""Spikes as they travel between layers: events, active set, and one autograd vector over the active set."""

from __future__ import annotations

import math
from enum import Enum
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

from snn_zo.ops.first_order import apply_first_order, first_order
from snn_zo.ops.record import Record


class Rows(NamedTuple):
    """Index sets in compressed sparse rows, one row for each (sample, time step).

    Attributes:
        ptr: [B * T + 1] int64; row r holds col[ptr[r]:ptr[r + 1]].
        col: [K] int32 neuron indices; ascending in each row, repeated where a neuron counts more than once. Entries
            from ptr[-1] on are padding: on a GPU, a list is made before its length is known, and is longer.
    """

    ptr: Tensor
    col: Tensor

    @classmethod
    def from_flat(cls, index: Tensor, rows: int, width: int) -> Rows:
        """Rows of the ascending flat indices row * width + col."""
        row = torch.div(index, width, rounding_mode="floor")
        ptr = torch.zeros(rows + 1, dtype=torch.int64, device=index.device)
        torch.cumsum(torch.bincount(row, minlength=rows), 0, out=ptr[1:])
        return cls(ptr, (index - row * width).int())

    @classmethod
    def empty(cls, rows: int, device: torch.device | str = "cpu") -> Rows:
        """No index in any row."""
        ptr = torch.zeros(rows + 1, dtype=torch.int64, device=device)
        return cls(ptr, torch.zeros(0, dtype=torch.int32, device=device))

    def row(self) -> Tensor:
        """[K] int64, the row of each entry; the number of rows for padding."""
        entry = torch.arange(len(self.col), device=self.ptr.device)
        return torch.searchsorted(self.ptr, entry, right=True) - 1

    def flat(self, width: int) -> Tensor:
        """[K] int64, row * width + col; rows * width or more for padding."""
        return self.row() * width + self.col

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Rows:
        """The same rows on another device."""
        return Rows(*(part.to(device, non_blocking=non_blocking) for part in self))


class Everywhere(Enum):
    """Stands for rows of all neurons, which nobody lists."""

    EVERYWHERE = "everywhere"


EVERYWHERE: Final = Everywhere.EVERYWHERE


class Spikes:
    """Spikes of B samples, T time steps and N neurons, which may be laid out as channels, rows and columns.

    `handle` carries autograd: the gradient of the loss with respect to handle[k] is dL/ds at the k-th active element,
    so that backward passes between layers move compact vectors and never a dense [B, T, N] gradient. One `Spikes` may
    feed several consumers; autograd adds up their gradients.

    Attributes:
        shape: (B, T, N).
        features: shape of a sample's neurons at one time step, (N,) or (C, H, W); N is its product.
        channels_last: how neurons of features (C, H, W) are numbered, as in torch's memory format of that name: neuron
            (c, y, x) has the number (y W + x) C + c, and (c H + y) W + x where it is False.
        events: rows (b, t) -> neurons that spiked; a count c repeats its neuron c times.
        active: rows (b, t) -> neurons with g != 0, the only ones that a gradient passes through; a backend may list a
            few with g = 0 among them. EVERYWHERE where nearly all are active: g and handle then have an entry for
            every element, K = B * T * N.
        g: [K] local derivative at the active elements.
        handle: [K] floating point; its type is the type of the network.
        record: what the operation that made them did.
        scale: value of one spike, where it is not 1: counts stay whole numbers behind an average pooling or a dropout,
            and the operation that makes a current of them multiplies its weight by the scale.

    Raises:
        ValueError: the product of the features is not N, or channels are last where there are none.
    """

    __slots__ = ("active", "channels_last", "events", "features", "g", "handle", "record", "scale", "shape")

    def __init__(
        self,
        shape: tuple[int, int, int],
        events: Rows,
        active: Rows | Everywhere,
        g: Tensor,
        handle: Tensor,
        record: Record | None = None,
        features: tuple[int, ...] | None = None,
        channels_last: bool = False,
        scale: float = 1.0,
    ) -> None:
        if features is not None and math.prod(features) != shape[2]:
            raise ValueError(f"spikes of {shape[2]} neurons cannot have the feature shape {list(features)}")
        self.shape, self.features = shape, (shape[2],) if features is None else features
        if channels_last and len(self.features) != 3:
            raise ValueError(f"features {list(self.features)} have no channels that could be last")
        self.channels_last, self.scale = channels_last, scale
        self.events, self.active, self.g, self.handle = events, active, g, handle
        self.record = Record() if record is None else record

    @classmethod
    def from_events(
        cls,
        shape: tuple[int, int, int],
        events: Rows,
        dtype: torch.dtype = torch.float32,
        features: tuple[int, ...] | None = None,
        channels_last: bool = False,
    ) -> Spikes:
        """Spikes that no gradient passes through, such as recorded data."""
        nothing = torch.zeros(0, dtype=dtype, device=events.col.device)
        inactive = Rows.empty(shape[0] * shape[1], events.col.device)
        return cls(shape, events, inactive, nothing, nothing, features=features, channels_last=channels_last)

    @classmethod
    def from_dense(cls, x: Tensor) -> Spikes:
        """Spikes from a dense tensor of spike counts; every element is active if x requires grad, else none.

        Args:
            x: [B, T, N] or [B, T, C, H, W] floating point, non-negative integers.

        Raises:
            ValueError: x has another type or fewer dimensions, or holds anything but counts.
        """
        if x.dim() < 3 or not x.is_floating_point():
            raise ValueError(f"spikes are [B, T, N] floating point, got {list(x.shape)} {x.dtype}")
        features = tuple(x.shape[2:])
        x = x.flatten(2)
        counts = x.detach().long()
        if not torch.equal(counts.to(x.dtype), x.detach()) or bool((counts < 0).any()):
            raise ValueError("spikes are counts: every element must be a non-negative integer")
        b, t, n = x.shape
        flat = counts.flatten()
        index = torch.arange(len(flat), device=x.device).repeat_interleave(flat)
        spikes = cls.from_events((b, t, n), Rows.from_flat(index, b * t, n), x.dtype, features)
        if x.requires_grad and torch.is_grad_enabled():
            spikes.active = EVERYWHERE
            spikes.handle = x.flatten()
            spikes.g = torch.ones_like(x.detach()).flatten()
        return spikes

    def to_dense(self) -> Tensor:
        """[B, T, *features] spike counts times the scale; the backward gathers at the active set."""
        b, t, n = self.shape
        active = None if self.active is EVERYWHERE else self.active.flat(n)
        counts = apply_first_order(_Counts, self.handle, self.events.flat(n), active, (b, t, n))
        if self.scale != 1:
            counts = counts * self.scale
        if not self.channels_last:
            return counts.view(b, t, *self.features)
        channels, height, width = self.features
        return counts.view(b, t, height, width, channels).permute(0, 1, 4, 2, 3)

    def count(self) -> Tensor:
        """[B, N] spikes per sample and neuron over all time steps; the backward gathers at the active set."""
        b, t, n = self.shape

        def neuron(rows: Rows) -> Tensor:
            return torch.div(rows.row(), t, rounding_mode="floor") * n + rows.col

        if self.active is EVERYWHERE:
            every = torch.arange(b * n, device=self.handle.device).view(b, 1, n)
            active = every.expand(b, t, n).flatten()
        else:
            active = neuron(self.active)
        return apply_first_order(_Counts, self.handle, neuron(self.events), active, (b, n))

    def active_elements(self) -> Tensor:
        """Ascending flat indices (b * T + t) * N + n, int64, of the elements with g != 0."""
        active = self.g.nonzero().squeeze(1)
        return active if self.active is EVERYWHERE else self.active.flat(self.shape[2])[active]

    @property
    def active_count(self) -> Tensor:
        """Number of elements with g != 0, a 0-dim tensor: to read it, the host has to wait for the device."""
        return self.g.count_nonzero()

    @property
    def event_count(self) -> Tensor:
        """Number of events, a 0-dim tensor."""
        return self.events.ptr[-1]

    def by_neuron(self) -> Tensor:
        """[N] int64, the number of each neuron's events."""
        (ptr, col), n = self.events, self.shape[2]
        if col.is_cpu:
            return torch.bincount(col[: int(ptr[-1])], minlength=n)
        given = torch.arange(len(col), device=col.device) < ptr[-1]
        # padding goes to a place of its own
        counts = torch.zeros(n + 1, dtype=torch.int64, device=col.device)
        return counts.index_add_(0, torch.where(given, col, n), torch.ones_like(counts[:1]).expand(len(col)))[:n]

    def active_by_neuron(self) -> Tensor:
        """[N] int64, the number of each neuron's elements with g != 0."""
        n = self.shape[2]
        if self.active is EVERYWHERE:
            # sums of bytes, which 255 rows do not overflow, take an eighth of the time
            parts = (rows.ne(0).view(torch.uint8).sum(0, dtype=torch.uint8) for rows in self.g.view(-1, n).split(255))
            return torch.stack(list(parts)).sum(0)
        active, col = self.g != 0, self.active.col
        if col.is_cpu:
            return torch.bincount(col[active], minlength=n)
        counts = torch.zeros(n, dtype=torch.int64, device=col.device)
        return counts.index_add_(0, col.clamp(0, n - 1), active.long())

    def view(self, *features: int, channels_last: bool = False) -> Spikes:
        """The same spikes with another feature shape, which moves nothing: neurons keep their numbers.

        Raises:
            ValueError: its product is not N, or channels are last where there are none.
        """
        active, g, handle = self.active, self.g, self.handle
        return Spikes(self.shape, self.events, active, g, handle, self.record, features, channels_last, self.scale)

    def scaled(self, scale: float) -> Spikes:
        """The same spikes, each with this value."""
        active, g, handle = self.active, self.g, self.handle
        last = self.channels_last
        return Spikes(self.shape, self.events, active, g, handle, self.record, self.features, last, scale)

    def detach(self) -> Spikes:
        """The same spikes and active set without their autograd graph."""
        handle, record, last = self.handle.detach(), self.record, self.channels_last
        return Spikes(self.shape, self.events, self.active, self.g, handle, record, self.features, last, self.scale)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Spikes:
        """The same spikes on another device."""
        events = self.events.to(device, non_blocking)
        active = self.active if self.active is EVERYWHERE else self.active.to(device, non_blocking)
        g, handle = (part.to(device, non_blocking=non_blocking) for part in (self.g, self.handle))
        last = self.channels_last
        return Spikes(self.shape, events, active, g, handle, self.record, self.features, last, self.scale)

    def __repr__(self) -> str:
        shape = [*self.shape[:2], *self.features]
        return f"Spikes({shape}, {int(self.event_count)} events, {int(self.active_count)} active)"


class _Counts(torch.autograd.Function):
    """Histogram of the events; its gradient with respect to the handle is read off at the active elements' bins
    (None where the handle has an entry for each bin)."""

    @staticmethod
    def forward(handle: Tensor, bins: Tensor, active: Tensor | None, shape: tuple[int, ...]) -> Tensor:
        size = torch.Size(shape).numel()
        # padding is counted in a bin of its own; sums of ones are exact in any order
        counts = torch.zeros(size + 1, dtype=torch.int32, device=bins.device)
        counts.index_add_(0, bins.clamp(max=size), torch.ones_like(bins, dtype=torch.int32))
        return counts[:size].view(shape).to(handle.dtype, copy=True)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, _, active, ctx.shape = inputs
        ctx.save_for_backward(active)
        ctx.save_for_forward(active)

    @staticmethod
    @first_order
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        (active,) = ctx.saved_tensors
        if active is None:
            return grad.flatten(), None, None, None
        return grad.flatten()[active.clamp(max=grad.numel() - 1)], None, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        (active,) = ctx.saved_tensors
        if active is None:
            return tangent.view(ctx.shape).clone()
        size = torch.Size(ctx.shape).numel()
        return tangent.new_zeros(size + 1).index_add(0, active.clamp(max=size), tangent)[:size].view(ctx.shape).clone()
