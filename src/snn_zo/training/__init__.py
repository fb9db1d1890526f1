"""Training: the LightningModule and its learning-rate schedules."""

from snn_zo.training.classifier import SpikingClassifier

__all__ = ["SpikingClassifier"]
