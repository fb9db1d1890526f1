"""Merging on a GPU, by torch's sorting: nothing waits for the device, but for `and`, whose events nobody can bound."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from snn_zo.ops.lists import Entries, activate, once, rows_of
from snn_zo.ops.merge import reference
from snn_zo.ops.merge.numbers import numbers_in
from snn_zo.ops.spikes import EVERYWHERE, Rows, Spikes


def merge(a: Spikes, b: Spikes, how: str, features: tuple[int, ...]) -> Spikes:
    """See `snn_zo.ops.merge.merge`."""
    (samples, steps, _), n = a.shape, math.prod(features)
    rows, total, device = samples * steps, samples * steps * n, a.handle.device
    before = a.features[0] if how == "cat" else 0
    numbers = [
        torch.from_numpy(numbers_in(x, how, features, in_front)).to(device, non_blocking=True)
        for x, in_front in ((a, 0), (b, before))
    ]

    def flat(listed: Rows, number: Tensor) -> Tensor:
        entries = Entries.of(listed)
        return entries.moved(number[entries.neuron], n, total)

    one, other = (flat(x.events, number) for x, number in zip((a, b), numbers, strict=True))
    spikes = Spikes.from_events(
        (samples, steps, n), rows_of(_events(one, other, how, total), rows, n), a.handle.dtype, features,
        a.channels_last,
    )  # fmt: skip
    if not torch.is_grad_enabled():
        return spikes
    if EVERYWHERE in (a.active, b.active):
        dense = reference.merged(a, b, how)
        spikes.active = EVERYWHERE
        spikes.handle = (dense.permute(0, 1, 3, 4, 2) if a.channels_last else dense).flatten()
        spikes.g = torch.ones_like(spikes.handle.detach())
        return spikes
    places = [flat(x.active, number) for x, number in zip((a, b), numbers, strict=True)]  # type: ignore[arg-type]
    factors = _factors(places, one, other, how)
    images = [
        place if factor is None else torch.where(factor == 0, total, place)
        for place, factor in zip(places, factors, strict=True)
    ]
    sources = list(zip((a.handle, b.handle), images, factors, strict=True))
    return activate(spikes, once(torch.cat(images), total), sources)


def _events(one: Tensor, other: Tensor, how: str, total: int) -> Tensor:
    """Flat indices of the events of the result, in any order."""
    if how in ("add", "cat"):
        return torch.cat([one, other])
    if how == "and":
        return one.repeat_interleave(_times(one, other))
    return torch.where(_times(other, one) == 0, other, total)


def _factors(places: list[Tensor], one: Tensor, other: Tensor, how: str) -> list[Tensor | None]:
    """Derivatives of the result at active elements of both; None for 1."""
    if how in ("add", "cat"):
        return [None, None]
    of_other, of_one = _times(places[0], other), _times(places[1], one)
    if how == "and":
        return [of_other, of_one]
    return [torch.where(_times(places[0], one) <= 1, -of_other, 0), (of_one == 0).long()]


def _times(which: Tensor, listed: Tensor) -> Tensor:
    """How often each index is in an ascending list."""
    return torch.searchsorted(listed, which, right=True) - torch.searchsorted(listed, which)
