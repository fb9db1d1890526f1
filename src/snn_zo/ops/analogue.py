"""Input that is no spikes: an image that is held before the network, or a current; its first layer makes spikes of it.

This is direct coding (Rathi and Roy 2021): the current of the first layer is a dense product of the values and its
weights, one for all time steps where the values stay as they are.
"""

from __future__ import annotations

import torch
from torch import Tensor

from snn_zo.ops.spikes import Rows, Spikes


class Analogue:
    """Values of B samples over T time steps, which a first layer of spiking neurons takes in the place of `Spikes`.

    Attributes:
        values: [B, 1, *features] floating point, held over all steps; or [B, T, *features], a value for each.
        steps: T.

    Raises:
        ValueError: the values have another shape or type.
    """

    __slots__ = ("steps", "values")

    def __init__(self, values: Tensor, steps: int) -> None:
        if values.dim() < 3 or values.shape[1] not in (1, steps) or not values.is_floating_point():
            raise ValueError(
                f"analogue values are [B, 1, *features] or [B, {steps}, *features] floating point, got "
                f"{list(values.shape)} {values.dtype}"
            )
        self.values, self.steps = values, steps

    @property
    def shape(self) -> tuple[int, int, int]:
        """(B, T, N)."""
        return len(self.values), self.steps, self.values[0, 0].numel()

    @property
    def features(self) -> tuple[int, ...]:
        """Shape of a sample's values at one time step, (N,) or (C, H, W)."""
        return tuple(self.values.shape[2:])

    @property
    def products(self) -> int:
        """How often a layer multiplies a sample's values with its weights: once, or at each of the T steps."""
        return self.values.shape[1]

    def silent(self) -> Spikes:
        """Spikes of the same shape without an event: what an operation that counts spikes finds in these values."""
        (b, t, n), values = self.shape, self.values
        return Spikes.from_events((b, t, n), Rows.empty(b * t, values.device), values.dtype, self.features)

    def detach(self) -> Analogue:
        """The same without the autograd graph."""
        return Analogue(self.values.detach(), self.steps)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Analogue:
        """The same on another device."""
        return Analogue(self.values.to(device, non_blocking=non_blocking), self.steps)

    def __repr__(self) -> str:
        return f"Analogue({list(self.values.shape)}, {self.steps} steps)"


Input = Spikes | Analogue
"""What a network takes."""
