"""Shapes of a pooling in two dimensions: which elements of its input belong to which cell of its output."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, get_args

from snn_zo.ops.convolution import Pair

Kind = Literal["sum", "average", "max"]
"""What is taken of the elements of a cell; of spikes, which are 0 or 1, the largest is their `or`."""

Cells = tuple[tuple[int, int], ...]
"""(first, behind the last) row or column of each cell, without those that are padding."""


@dataclass(frozen=True)
class Pooling(ABC):
    """What every pooling has.

    Attributes:
        in_shape: (C, H, W) of the input.
        kind: of the pooling.
    """

    in_shape: tuple[int, int, int]
    kind: Kind

    def __post_init__(self) -> None:
        if len(self.in_shape) != 3:
            raise ValueError(f"a pooling needs an input (C, H, W), got {list(self.in_shape)}")
        if self.kind not in get_args(Kind):
            raise ValueError(f"a pooling is one of {', '.join(get_args(Kind))}, got {self.kind!r}")

    @property
    @abstractmethod
    def cells(self) -> tuple[Cells, Cells]:
        """Rows and columns of the cells."""

    @property
    @abstractmethod
    def cell_size(self) -> int:
        """Number by which the sum over a cell is divided for its average.

        Raises:
            ValueError: cells differ.
        """

    @property
    def out_shape(self) -> tuple[int, int, int]:
        """(C, H_out, W_out)."""
        rows, columns = self.cells
        return self.in_shape[0], len(rows), len(columns)

    @property
    def most_cells(self) -> int:
        """The largest number of cells that an element belongs to."""
        most = 1
        for size, cells in zip(self.in_shape[1:], self.cells, strict=True):
            most *= max(sum(first <= place < last for first, last in cells) for place in range(size))
        return most

    @property
    def additions(self) -> int:
        """Elements of all cells of one sample at one time step, each of which a dense pooling adds or compares."""
        rows, columns = (sum(last - first for first, last in cells) for cells in self.cells)
        return self.in_shape[0] * rows * columns


@dataclass(frozen=True)
class WindowPooling(Pooling):
    """Cells of one size at equal distances, as those of torch.nn.functional.max_pool2d and avg_pool2d.

    Rows and columns behind the last whole cell are left out. Padding counts as elements that hold nothing, also in an
    average.

    Attributes:
        kernel, stride, padding: (rows, columns).

    Raises:
        ValueError: these make no pooling.
    """

    kernel: Pair
    stride: Pair
    padding: Pair = (0, 0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(*self.kernel, *self.stride) < 1:
            raise ValueError(f"kernel and stride must be positive, got {list(self.kernel)} and {list(self.stride)}")
        if any(not 0 <= padding <= kernel // 2 for padding, kernel in zip(self.padding, self.kernel, strict=True)):
            raise ValueError(
                f"padding must lie between 0 and half of the kernel {list(self.kernel)}, got {list(self.padding)}"
            )
        if min(self.out_shape) < 1:
            raise ValueError(
                f"a kernel {list(self.kernel)} does not fit into an input {list(self.in_shape[1:])} with a padding of "
                f"{list(self.padding)}"
            )

    @property
    def cells(self) -> tuple[Cells, Cells]:
        """See `Pooling.cells`."""
        rows, columns = (
            tuple(
                (max(first, 0), min(first + kernel, size))
                for first in range(-padding, size + padding - kernel + 1, stride)
            )
            for size, kernel, stride, padding in zip(
                self.in_shape[1:], self.kernel, self.stride, self.padding, strict=True
            )
        )
        return rows, columns

    @property
    def cell_size(self) -> int:
        """See `Pooling.cell_size`."""
        return self.kernel[0] * self.kernel[1]


@dataclass(frozen=True)
class AdaptivePooling(Pooling):
    """Cells that divide the input into as many as are wanted, as torch.nn.functional.adaptive_max_pool2d does.

    Attributes:
        size: (rows, columns) of the output.

    Raises:
        ValueError: these make no pooling, or the average of cells of unequal size is wanted, for which no one number
            can be divided by.
    """

    size: Pair

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.size) < 1 or any(
            wanted > there for wanted, there in zip(self.size, self.in_shape[1:], strict=True)
        ):
            raise ValueError(f"an input {list(self.in_shape[1:])} cannot be pooled to {list(self.size)}")
        if self.kind == "average":
            self.cell_size  # noqa: B018

    @property
    def cells(self) -> tuple[Cells, Cells]:
        """See `Pooling.cells`."""
        rows, columns = (
            tuple((i * there // wanted, -(-(i + 1) * there // wanted)) for i in range(wanted))
            for there, wanted in zip(self.in_shape[1:], self.size, strict=True)
        )
        return rows, columns

    @property
    def cell_size(self) -> int:
        """See `Pooling.cell_size`."""
        sizes = [{last - first for first, last in cells} for cells in self.cells]
        if any(len(each) > 1 for each in sizes):
            raise ValueError(
                f"the cells that divide an input {list(self.in_shape[1:])} into {list(self.size)} differ in size, and "
                "an average would need a divisor for each: choose kind=sum, or a size that divides the input"
            )
        return sizes[0].pop() * sizes[1].pop()
