"""The metric that a task is judged by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["max", "min"]
"""Whether the largest or the smallest value is the best."""


@dataclass(frozen=True)
class Headline:
    """A metric as tables, figures and summaries speak of it.

    Attributes:
        name: as it is logged behind `train/`, `val/` and `test/`: `acc`.
        title: in words: `accuracy`.
        direction: whether the largest or the smallest value is the best.
        unit: `%` for a fraction that is shown in per cent, else the unit of the number, perhaps none.
    """

    name: str
    title: str
    direction: Direction = "max"
    unit: str = ""

    def logged(self, stage: str) -> str:
        """Name of the logged value of a stage, `train`, `val` or `test`."""
        return f"{stage}/{self.name}"
