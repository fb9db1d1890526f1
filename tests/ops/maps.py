"""Spikes of maps of channels whose active elements are chosen by the test, and their gradients."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from snn_zo.ops import Rows, Spikes
from snn_zo.ops.spikes import EVERYWHERE

DENSITIES = {"few": (0.2, 0.3), "nothing": (0.2, 0.0), "silent": (0.0, 0.3), "all": (1.0, 1.0)}
"""Shares of elements that spike, and that are active."""


def counts_of(shape: tuple[int, ...], density: float = 0.3, most: int = 1) -> Tensor:
    """Random counts [B, T, *features], float64, with autograd."""
    counts = (torch.rand(shape) < density) * torch.randint(1, most + 1, shape)
    return counts.double().requires_grad_()


def flat(dense: Tensor, channels_last: bool) -> Tensor:
    """Elements in the order of the neurons' numbers."""
    return (dense.permute(0, 1, 3, 4, 2) if channels_last else dense).flatten()


def spikes_from(counts: Tensor, active: Tensor | None, channels_last: bool) -> Spikes:
    """Spikes whose handle is a leaf; active EVERYWHERE for None."""
    b, t, *features = counts.shape
    n = torch.Size(features).numel()
    values = flat(counts.detach(), channels_last)
    events = Rows.from_flat(torch.arange(len(values)).repeat_interleave(values.long()), b * t, n)
    spikes = Spikes.from_events((b, t, n), events, counts.dtype, tuple(features), channels_last)
    if active is None:
        spikes.active, spikes.handle = EVERYWHERE, values.clone().requires_grad_()
    else:
        chosen = flat(active, channels_last).nonzero().squeeze(1)
        spikes.active, spikes.handle = Rows.from_flat(chosen, b * t, n), values[chosen].clone().requires_grad_()
    spikes.g = torch.ones_like(spikes.handle.detach())
    return spikes


def listed(rows: Rows, width: int) -> Tensor:
    """Flat indices without padding."""
    return rows.flat(width)[: rows.ptr[-1]]


def images(result: Callable[..., Tensor], *sources: tuple[Tensor, Tensor]) -> Tensor:
    """Bool, the elements of result(*counts) whose derivative by an active element of (counts, active) is not 0."""
    counts = tuple(each.detach() for each, _ in sources)
    # random, so that derivatives of opposite sign do not cancel
    tangents = tuple(active * torch.rand(active.shape, dtype=torch.float64) for _, active in sources)
    _, reached = torch.func.jvp(result, counts, tangents)
    return reached != 0


def check(made: Spikes, expected: Tensor, active: Tensor | None, sources: list[tuple[Spikes, Tensor]]) -> None:
    """Hold spikes to a dense result of torch's.

    Args:
        made: the spikes.
        expected: [B, T, *features] what torch makes of the sources' counts.
        active: bool of the same shape, which elements are to be active; None for EVERYWHERE.
        sources: spikes with the counts from which `expected` was made. Their gradients at active elements must be those
            of the counts.
    """
    for rows in [made.events] + ([] if made.active is EVERYWHERE else [made.active]):
        assert rows.ptr[0] == 0
        assert len(rows.ptr) == made.shape[0] * made.shape[1] + 1
        assert (listed(rows, made.shape[2]).diff() >= 0).all()
        assert (rows.flat(made.shape[2])[rows.ptr[-1] :] >= torch.Size(made.shape).numel()).all()
    torch.testing.assert_close(made.to_dense().detach(), expected.detach(), rtol=1e-15, atol=0)
    last = made.channels_last
    if active is None:
        assert made.active is EVERYWHERE
    else:
        assert torch.equal(listed(made.active, made.shape[2]), flat(active, last).nonzero().squeeze(1))
    slope = torch.randn_like(expected)
    for spikes, counts in sources:
        spikes.handle.grad = counts.grad = None
    (made.to_dense() * slope).sum().backward()
    # what the inactive elements of the result would pass on does not count
    reached = slope if active is None else slope * active
    expected.backward(reached)
    for spikes, counts in sources:
        grad = torch.zeros_like(counts) if counts.grad is None else counts.grad
        own = flat(grad, spikes.channels_last)
        own = own if spikes.active is EVERYWHERE else own[spikes.active.flat(spikes.shape[2])]
        got = torch.zeros_like(spikes.handle) if spikes.handle.grad is None else spikes.handle.grad
        torch.testing.assert_close(got, own, rtol=1e-12, atol=1e-12)
