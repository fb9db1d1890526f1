"""Shapes of a convolution in two dimensions, with a sum pooling before it if wanted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, conv_transpose2d, pad

Pair = tuple[int, int]
"""For rows and for columns."""


def pair(value: int | Pair) -> Pair:
    """One number for both directions, or a number for each."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])


@dataclass(frozen=True)
class Convolution:
    """What is connected to what.

    The input is first pooled: sums over `pool` squares that do not overlap; rows and columns that fill no square are
    left out, as by torch.nn.functional.avg_pool2d. Then comes torch.nn.functional.conv2d.

    Attributes:
        in_shape: (C_in, H, W) of the input, before it is pooled.
        channels: C_out.
        kernel, stride, padding, pool: (rows, columns).
        groups: into which input and output channels are divided; each output sees only the input of its group.

    Raises:
        ValueError: these make no convolution.
    """

    in_shape: tuple[int, int, int]
    channels: int
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    groups: int = 1
    pool: Pair = (1, 1)

    def __post_init__(self) -> None:
        if len(self.in_shape) != 3:
            raise ValueError(f"a convolution needs an input (C, H, W), got {list(self.in_shape)}")
        for name in ("kernel", "stride", "pool"):
            if min(getattr(self, name)) < 1:
                raise ValueError(f"{name} must be positive, got {list(getattr(self, name))}")
        if min(self.padding) < 0 or self.channels < 1 or self.groups < 1:
            raise ValueError(
                f"padding must be 0 or more, channels and groups positive, got {list(self.padding)}, {self.channels} "
                f"and {self.groups}"
            )
        if self.in_shape[0] % self.groups or self.channels % self.groups:
            raise ValueError(f"{self.in_shape[0]} and {self.channels} channels do not divide into {self.groups} groups")
        if min(self.out_shape) < 1:
            raise ValueError(
                f"a kernel {list(self.kernel)} does not fit into an input {list(self.pooled_shape[1:])} with a padding "
                f"of {list(self.padding)}"
            )

    @property
    def pooled_shape(self) -> tuple[int, int, int]:
        """(C_in, H, W) of what is convolved."""
        channels, height, width = self.in_shape
        return channels, height // self.pool[0], width // self.pool[1]

    @property
    def padded_shape(self) -> tuple[int, int, int]:
        """(C_in, H, W) of what is convolved, with its padding."""
        channels, height, width = self.pooled_shape
        return channels, height + 2 * self.padding[0], width + 2 * self.padding[1]

    @property
    def out_shape(self) -> tuple[int, int, int]:
        """(C_out, H_out, W_out)."""
        _, *sizes = self.pooled_shape
        height, width = (
            (size + 2 * padding - kernel) // stride + 1
            for size, padding, kernel, stride in zip(sizes, self.padding, self.kernel, self.stride, strict=True)
        )
        return self.channels, height, width

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """(C_out, C_in / groups, rows, columns) of the kernel."""
        return self.channels, self.in_shape[0] // self.groups, *self.kernel

    @property
    def products(self) -> int:
        """Multiply-adds of the dense convolution of one sample at one time step, those with the padding among them."""
        return math.prod(self.out_shape) * math.prod(self.weight_shape[1:])

    def reached(self, weight: Tensor | None = None) -> Tensor:
        """[C_in, H, W] int64, how many neurons each number that is convolved (after the pooling) has a weight to.

        Args:
            weight: [C_out, C_in / groups, rows, columns], of which those that are 0 do not count; None where all do.
        """
        kernel = torch.ones(self.weight_shape) if weight is None else (weight != 0)
        neurons = torch.ones(self.out_shape, dtype=torch.float64, device=kernel.device)
        _, *sizes = self.padded_shape
        # rows and columns that the stride leaves over at the end
        left = [(size - kernel) % stride for size, kernel, stride in zip(sizes, self.kernel, self.stride, strict=True)]
        counts = conv_transpose2d(
            neurons, kernel.double(), stride=self.stride, padding=self.padding, output_padding=left, groups=self.groups
        )
        return counts.round().long()

    def at_inputs(self, values: Tensor, channels_last: bool, outside: int = 0) -> Tensor:
        """[N_in] the value of the number that each input is summed into by the pooling.

        Args:
            values: [C_in, H, W] of what is convolved.
            channels_last: how the inputs are numbered.
            outside: value of an input that lies in no square.
        """
        (rows, columns), (_, height, width) = self.pool, self.in_shape
        spread = values.repeat_interleave(rows, 1).repeat_interleave(columns, 2)
        spread = pad(spread, (0, width - spread.shape[2], 0, height - spread.shape[1]), value=outside)
        return (spread.permute(1, 2, 0) if channels_last else spread).flatten()


@cache
def fan_out(convolution: Convolution, channels_last: bool, device: torch.device) -> Tensor:
    """[N_in] int64, how many neurons each input reaches; 0 where it lies in no square of the pooling.

    Args:
        convolution: what is connected to what.
        channels_last: how the inputs are numbered.
        device: where the numbers are wanted.
    """
    return convolution.at_inputs(convolution.reached(), channels_last).to(device)


def convolved(values: Tensor, weight: Tensor, bias: Tensor | None, convolution: Convolution) -> Tensor:
    """[B, T, H_out, W_out, C_out] current that values [B, T, C, H, W] make."""
    flat = values.flatten(0, 1)
    if convolution.pool != (1, 1):
        flat = avg_pool2d(flat, convolution.pool, divisor_override=1)
    current = conv2d(flat, weight, bias, convolution.stride, convolution.padding, groups=convolution.groups)
    return current.unflatten(0, values.shape[:2]).permute(0, 1, 3, 4, 2)
