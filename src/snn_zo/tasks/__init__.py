"""What is learned: the target, the loss, the metrics, and the one that a network is judged by."""

from snn_zo.tasks.classification import Classification
from snn_zo.tasks.losses import LOSSES, MAE, MSE, TET, ClassLoss, CrossEntropy, Loss, MSECount, ValueLoss
from snn_zo.tasks.making import make_task, task_of
from snn_zo.tasks.regression import Regression
from snn_zo.tasks.task import Task

__all__ = [
    "LOSSES",
    "MAE",
    "MSE",
    "TET",
    "ClassLoss",
    "Classification",
    "CrossEntropy",
    "Loss",
    "MSECount",
    "Regression",
    "Task",
    "ValueLoss",
    "make_task",
    "task_of",
]
