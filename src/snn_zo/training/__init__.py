"""Training: the LightningModules and their learning-rate schedules."""

from snn_zo.training.captured import CapturedClassifier
from snn_zo.training.classifier import SpikingClassifier
from snn_zo.training.step import DivergedError

__all__ = ["CapturedClassifier", "DivergedError", "SpikingClassifier"]
