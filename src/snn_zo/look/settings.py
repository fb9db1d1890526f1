"""Settings of `snn-zo look`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from snn_zo.runs.folder import CheckpointName

Part = Literal["test", "val", "train"]
Order = Literal["number", "spikes", "active"]
MOST_SLICES = 12
"""Slices of time that have room beside each other."""
MOST_CHANNELS = 512


@dataclass(frozen=True)
class LookSettings:
    """Which recording is looked at, through which weights, and what is shown of it.

    Attributes:
        run: the run folder.
        sample: place of the recording in its part, from 0.
        recording: the same by its number in the data set, as predictions.csv has it; None for `sample`.
        part: of the data set.
        checkpoint: the weights that validation chose, or the last ones.
        slices: equal parts of the time that feature maps are shown in, beside the whole.
        order: of the channels: by number, or the ones with most spikes or most active elements first.
        channels: most channels of a layer that are shown.
    """

    run: str
    sample: int = 0
    recording: int | None = None
    part: Part = "test"
    checkpoint: CheckpointName = "best"
    slices: int = 6
    order: Order = "number"
    channels: int = 64

    def __post_init__(self) -> None:
        for name, kind in (("part", Part), ("checkpoint", CheckpointName), ("order", Order)):
            if getattr(self, name) not in get_args(kind):
                raise ValueError(f"{name} must be one of {', '.join(get_args(kind))}, got '{getattr(self, name)}'")
        for name, most in (("slices", MOST_SLICES), ("channels", MOST_CHANNELS)):
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name} must lie in 1 to {most}, got {getattr(self, name)}")
        if self.recording is not None and self.sample:
            raise ValueError("recording and sample name the same thing in two ways: give one of them")
