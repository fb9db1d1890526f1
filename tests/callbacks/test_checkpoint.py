import warnings
from contextlib import suppress
from pathlib import Path

import lightning
import pytest
import torch
from hydra.utils import instantiate
from lightning.pytorch.callbacks import ModelCheckpoint
from omegaconf import OmegaConf
from torch.utils.data import DataLoader

from snn_zo.callbacks import Checkpoint
from snn_zo.config.sources import root


class Scripted(lightning.LightningModule):
    """Validation accuracies from a list; the one weight counts the training steps."""

    def __init__(self, accuracies: list[float]) -> None:
        super().__init__()
        self.accuracies = accuracies
        self.steps = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        return -self.steps

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.log("val/acc", self.accuracies[self.current_epoch])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1.0)


def checkpoint(folder: Path, **options: object) -> Checkpoint:
    """As runs use it."""
    node = OmegaConf.load(root() / "conf" / "callbacks" / "default.yaml").checkpoint
    return instantiate(node, dirpath=str(folder), **options)


def fit(callback: ModelCheckpoint, accuracies: list[float], resumed: Path | None = None) -> lightning.Trainer:
    trainer = lightning.Trainer(
        accelerator="cpu",
        callbacks=[callback],
        max_epochs=len(accuracies),
        logger=False,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    batches = DataLoader(torch.zeros(1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(Scripted(accuracies), batches, batches, ckpt_path=resumed, weights_only=True)
    return trainer


def saved(path: Path) -> tuple[int, float]:
    """Epoch and weight of a checkpoint; after epoch e the weight is e + 1."""
    content = torch.load(path, weights_only=True)
    return content["epoch"], content["state_dict"]["steps"].item()


@pytest.mark.parametrize(
    ("accuracies", "best"),
    [
        ([0.1, 0.5, 0.9], 2),
        ([0.9, 0.5, 0.1], 0),
        ([0.5, 0.8, 0.8, 0.6], 2),
        ([0.8, 0.5, 0.8, 0.2], 2),
        ([0.5, 0.5, 0.5], 2),
        ([0.5, 0.5, 0.8, 0.8, 0.5], 3),
        ([0.0, 0.0], 1),
        ([float("nan"), 0.3, float("nan")], 1),
    ],
)
def test_checkpoint_best_is_the_last_of_equals(tmp_path, accuracies, best):
    callback = checkpoint(tmp_path)
    fit(callback, accuracies)
    assert saved(tmp_path / "best.ckpt") == (best, best + 1)
    assert callback.best_model_path == str(tmp_path / "best.ckpt")
    assert callback.best_model_score.item() == pytest.approx(accuracies[best])


def test_checkpoint_lightning_takes_the_first_of_equals(tmp_path):
    """What the subclass is there for; the day this fails it has become superfluous."""
    fit(ModelCheckpoint(tmp_path, "best", monitor="val/acc", mode="max", enable_version_counter=False), [0.5, 0.8, 0.8])
    assert saved(tmp_path / "best.ckpt")[0] == 1


def test_checkpoint_best_of_a_loss(tmp_path):
    callback = checkpoint(tmp_path, mode="min")
    fit(callback, [0.5, 0.2, 0.2, 0.4])
    assert saved(tmp_path / "best.ckpt")[0] == 2
    assert callback.best_model_score.item() == pytest.approx(0.2)


@pytest.mark.parametrize("accuracies", [[0.1, 0.5, 0.9], [0.9, 0.5, 0.1], [0.5, 0.5]])
def test_checkpoint_last_is_the_last_epoch(tmp_path, accuracies):
    """Also where the last epoch was not the best: what a run that is resumed goes on from."""
    callback = checkpoint(tmp_path)
    fit(callback, accuracies)
    assert saved(tmp_path / "last.ckpt") == (len(accuracies) - 1, len(accuracies))
    assert callback.last_model_path == str(tmp_path / "last.ckpt")
    assert {path.name for path in tmp_path.iterdir()} == {"best.ckpt", "last.ckpt"}


@pytest.mark.parametrize(
    ("before", "after", "best"), [([0.9], [0.1, 0.2], 0), ([0.2, 0.9], [0.9], 2), ([0.2, 0.4], [0.5, 0.6], 3)]
)
def test_checkpoint_restored_in_another_folder(tmp_path, before, after, best):
    """After a move: paths point to where the folder is now, scores are kept, nothing appears at the old place."""
    fit(checkpoint(tmp_path / "old"), before)
    (tmp_path / "old").rename(tmp_path / "new")
    callback = checkpoint(tmp_path / "new")
    fit(callback, before + after, tmp_path / "new" / "last.ckpt")
    assert callback.best_model_path == str(tmp_path / "new" / "best.ckpt")
    assert callback.last_model_path == str(tmp_path / "new" / "last.ckpt")
    assert callback.best_model_score.item() == pytest.approx((before + after)[best])
    assert saved(tmp_path / "new" / "best.ckpt")[0] == best
    assert not (tmp_path / "old").exists()


def test_checkpoint_restored_state(tmp_path):
    """All paths of the state, those that are keys as well; the rest as it was."""
    old = checkpoint(tmp_path / "old")
    fit(old, [0.2, 0.9])
    new = checkpoint(tmp_path / "new")
    new.load_state_dict(old.state_dict())
    best, last = str(tmp_path / "new" / "best.ckpt"), str(tmp_path / "new" / "last.ckpt")
    assert (new.best_model_path, new.kth_best_model_path, new.last_model_path) == (best, best, last)
    assert new.best_k_models == {best: old.best_model_score}
    assert (new.best_model_score, new.kth_value) == (old.best_model_score, old.kth_value)


@pytest.mark.parametrize("path", ["{folder}/../victim", "local://{parent}/victim"])
@pytest.mark.parametrize("role", ["last", "best"])
def test_checkpoint_of_a_stranger_deletes_nothing(tmp_path, role, path):
    """Lightning removes what the state calls the previous checkpoint, folders and all."""
    (tmp_path / "victim").mkdir()
    folder = tmp_path / "run"
    fit(checkpoint(folder), [0.1])
    content = torch.load(folder / "last.ckpt", weights_only=True)
    ((_, state),) = content["callbacks"].items()
    path = path.format(folder=state["dirpath"], parent=tmp_path)
    if role == "last":
        state["last_model_path"] = path
    else:
        state |= {"kth_best_model_path": path, "best_k_models": {path: state["best_model_score"]}}
    torch.save(content, folder / "last.ckpt")
    with suppress(Exception):  # to refuse the checkpoint is as good
        fit(checkpoint(folder), [0.1, 0.9, 0.9], folder / "last.ckpt")
    assert (tmp_path / "victim").exists()
