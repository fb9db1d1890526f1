"""Event cameras: pixels with two polarities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from snn_zo.data.dataset import EventDataset

Polarities = Literal["separate", "merged"]


@dataclass(frozen=True, kw_only=True)
class Camera(EventDataset):
    """Recordings of an event camera.

    Attributes:
        polarities: `separate` inputs for each polarity, or `merged`.
    """

    polarities: Polarities = "separate"

    shaping = (*EventDataset.shaping, "polarities")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_one_of("polarities", get_args(Polarities))

    @property
    def merged(self) -> bool:
        """Whether both polarities of a pixel are one input."""
        return self.polarities == "merged"
