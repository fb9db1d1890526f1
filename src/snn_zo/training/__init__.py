"""Training: the LightningModules and their learning-rate schedules."""

from snn_zo.training.captured import CapturedModule
from snn_zo.training.module import SpikingModule
from snn_zo.training.step import DivergedError

__all__ = ["CapturedModule", "DivergedError", "SpikingModule"]
