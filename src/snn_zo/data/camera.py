"""Event cameras: pixels with two polarities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from snn_zo.data.dataset import EventDataset


@dataclass(frozen=True, kw_only=True)
class Camera(EventDataset):
    """Recordings of an event camera. Input (p * height + y) * width + x, without p where polarities are merged.

    Attributes:
        polarities: `separate` inputs for each polarity, or `merged`.
    """

    polarities: str = "separate"

    pixels: ClassVar[int]
    shaping = ("dt", "steps", "polarities")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_one_of("polarities", ("separate", "merged"))

    @property
    def merged(self) -> bool:
        """Whether both polarities of a pixel are one input."""
        return self.polarities == "merged"

    @property
    def features(self) -> int:
        """Pixels, each with one or two polarities."""
        return self.pixels if self.merged else 2 * self.pixels
