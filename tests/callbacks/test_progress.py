from types import SimpleNamespace

import pytest
import torch

from snn_zo.callbacks import Checkpoint, progress_bar
from snn_zo.target import Classes, Continuous
from snn_zo.tasks import MSE, CrossEntropy, make_task
from snn_zo.training import SpikingModule

LOGGED = {"loss": 0.5, "val/acc": 0.25, "val/r2": -1.5, "val/loss": 2.0, "val/top3": 0.75, "active": 0.0123}


@pytest.mark.parametrize(
    ("task", "monitor", "line"),
    [
        (make_task(Classes(2), CrossEntropy()), "val/acc", "loss 0.5000   val/acc 0.2500   active 1.23%"),
        (make_task(Classes(2), CrossEntropy()), "val/loss", "loss 0.5000   val/acc 0.2500   val/loss 2.0000   active"),
        (make_task(Continuous(1), MSE()), "val/r2", "loss 0.5000   val/r2 -1.5000   active 1.23%"),
    ],
)
def test_progress_shows_the_headline_and_the_monitor(capsys, task, monitor, line):
    """A line an epoch where there is no terminal."""
    trainer = SimpleNamespace(
        callback_metrics={name: torch.tensor(value) for name, value in LOGGED.items()},
        lightning_module=SpikingModule(torch.nn.Linear(1, 1), task, 0, torch.optim.SGD),
        checkpoint_callback=Checkpoint(monitor),
        current_epoch=1,
        max_epochs=3,
    )
    progress_bar().on_train_epoch_end(trainer, trainer.lightning_module)
    assert capsys.readouterr().out.startswith(f"epoch   2/3   {line}")
