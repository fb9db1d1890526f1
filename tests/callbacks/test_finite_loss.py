import re
import warnings

import lightning
import pytest
import torch
from torch.utils.data import DataLoader

from snn_zo.callbacks import Checkpoint, FiniteLoss
from snn_zo.training import DivergedError

BATCHES = 3


class Scripted(lightning.LightningModule):
    """Losses from a list, one a step: d loss / d weight is 1 where they are finite."""

    def __init__(self, losses: list[float]) -> None:
        super().__init__()
        self.losses = losses
        self.weight = torch.nn.Parameter(torch.zeros(2))

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> dict[str, torch.Tensor]:
        return {"loss": self.weight.sum() + self.losses[self.global_step]}

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.log("val/acc", 0.5)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1.0)


def fit(module: Scripted, *callbacks: lightning.Callback) -> None:
    trainer = lightning.Trainer(
        accelerator="cpu",
        callbacks=list(callbacks),
        max_epochs=len(module.losses) // BATCHES,
        logger=False,
        enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(module, DataLoader(torch.zeros(BATCHES)), DataLoader(torch.zeros(1)))


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("step", range(2 * BATCHES))
def test_finite_loss_stops_before_the_weights_change(step, loss):
    module = Scripted([0.0] * step + [loss] + [0.0] * (2 * BATCHES - step - 1))
    with pytest.raises(DivergedError) as caught:
        fit(module, FiniteLoss())
    assert module.weight.tolist() == [-step, -step]
    message = str(caught.value)
    assert message.startswith(f"the loss is {loss} in epoch {step // BATCHES + 1}, step {step + 1}; ")
    assert "last good checkpoint: none yet." in message
    assert "\n" not in message


def test_finite_loss_names_the_last_checkpoint(tmp_path):
    """The one on disk holds the weights from before the epoch that diverged."""
    module = Scripted([0.0] * 7 + [float("nan")] + [0.0])
    last = tmp_path / "last.ckpt"
    checkpoint = Checkpoint("val/acc", dirpath=str(tmp_path))
    with pytest.raises(DivergedError, match=f"epoch 3, step 8; last good checkpoint: {re.escape(str(last))}") as caught:
        fit(module, FiniteLoss(), checkpoint)
    assert "\n" not in str(caught.value)
    assert torch.load(last, weights_only=True)["state_dict"]["weight"].tolist() == [-6, -6]


def test_finite_loss_no_checkpoint_yet(tmp_path):
    checkpoint = Checkpoint("val/acc", dirpath=str(tmp_path))
    with pytest.raises(DivergedError, match="epoch 1, step 2; last good checkpoint: none yet"):
        fit(Scripted([0.0, float("nan"), 0.0]), FiniteLoss(), checkpoint)


@pytest.mark.parametrize("loss", [0.0, -1e30, 3e38])
def test_finite_loss_lets_numbers_pass(loss):
    module = Scripted([loss] * BATCHES)
    fit(module, FiniteLoss())
    assert module.weight.tolist() == [-BATCHES, -BATCHES]


def test_run_says_in_one_line_that_it_diverged(tmp_path, train):
    """An infinite learning rate: the step after the first has no loss that is a number."""
    result = train("optim.lr=1e38", "optim=sgd", "trainer.max_epochs=1", "model.hidden=[20]", "name=run", "logger=none")
    assert result.returncode == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert re.match(r"error: the loss is (nan|inf) in epoch 1, step \d+; last good checkpoint: none yet", line)
    log = tmp_path / "outputs" / "digits" / "run" / "run.log"
    assert "DivergedError" in log.read_text()
