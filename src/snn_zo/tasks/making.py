"""Which task a target and a loss make."""

from __future__ import annotations

from snn_zo.target import Target
from snn_zo.tasks.classification import Classification
from snn_zo.tasks.losses import LOSSES, Loss
from snn_zo.tasks.regression import Regression
from snn_zo.tasks.task import Task

TASKS: tuple[type[Task], ...] = (Classification, Regression)


def task_of(loss: Loss) -> type[Task]:
    """The kind of task that a loss is for.

    Raises:
        ValueError: it is for none.
    """
    for task in TASKS:
        if isinstance(loss, task.losses):
            return task
    kinds = " or ".join(task.losses.__name__ for task in TASKS)
    raise ValueError(f"loss must be a dataclass and a {kinds} of snn_zo.tasks, got {type(loss).__name__}")


def make_task(target: Target, loss: Loss) -> Task:
    """The task of learning a target by a loss.

    Raises:
        ValueError: the loss does not fit the target.
    """
    task = task_of(loss)
    if not isinstance(target, task.of):
        own = next((name for name, kind in LOSSES.items() if kind is type(loss)), type(loss).__name__)
        there = next(each for each in TASKS if isinstance(target, each.of))
        raise ValueError(
            f"loss={own} is for {task.learns}, and the data's targets are {there.learns}: "
            f"choose from {', '.join(_names(there))}"
        )
    return task(target, loss)


def _names(task: type[Task]) -> list[str]:
    return [name for name, loss in LOSSES.items() if issubclass(loss, task.losses)]
