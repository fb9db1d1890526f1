import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from hydra.utils import instantiate
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from omegaconf import OmegaConf
from torch.utils.data import DataLoader

from snn_zo.callbacks import Checkpoint
from snn_zo.config import ConfigError
from snn_zo.config.sources import root
from snn_zo.runs.resumed_state import ResumedFiles


class Scripted(lightning.LightningModule):
    """Validation accuracies from a list, one a validation; the one weight counts the training steps.

    Args:
        accuracies: of all validations.
        before: number of validations that an earlier session has made.
    """

    def __init__(self, accuracies: list[float], before: int = 0) -> None:
        super().__init__()
        self.accuracies, self.before, self.validated = accuracies, before, list[int]()
        self.steps = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        return -self.steps

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.validated.append(int(self.steps.item()))
        self.log("val/acc", self.accuracies[len(self.validated) - 1 + self.before])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1.0)


def checkpoint(folder: Path, **options: object) -> Checkpoint:
    """As runs use it."""
    node = OmegaConf.load(root() / "conf" / "callbacks" / "default.yaml").checkpoint
    return instantiate(node, dirpath=str(folder), **{"monitor": "val/acc", "mode": "max"} | options)


def fit(
    callback: lightning.Callback,
    accuracies: list[float],
    resumed: Path | None = None,
    before: int = 0,
    batches: int = 1,
    others: tuple[lightning.Callback, ...] = (),
    **options: Any,
) -> lightning.Trainer:
    module = Scripted(accuracies, before)
    files = ResumedFiles(module)
    trainer = lightning.Trainer(
        accelerator="cpu",
        callbacks=[*others, callback],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        plugins=[files],
        **{"max_epochs": len(accuracies), "num_sanity_val_steps": 0} | options,
    )
    files.trainer = trainer
    loaders = DataLoader(torch.zeros(batches)), DataLoader(torch.zeros(1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(module, *loaders, ckpt_path=resumed, weights_only=True)
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
    assert callback.best_path == tmp_path / "best.ckpt"
    assert callback.best.score == pytest.approx(accuracies[best])
    assert (callback.best.epoch, callback.best.step) == (best, best + 1)


def test_checkpoint_lightning_takes_the_first_of_equals(tmp_path):
    """One of the things that our own is there for."""
    fit(ModelCheckpoint(tmp_path, "best", monitor="val/acc", mode="max", enable_version_counter=False), [0.5, 0.8, 0.8])
    assert saved(tmp_path / "best.ckpt")[0] == 1


def test_checkpoint_best_of_a_loss(tmp_path):
    callback = checkpoint(tmp_path, mode="min")
    fit(callback, [0.5, 0.2, 0.2, 0.4])
    assert saved(tmp_path / "best.ckpt")[0] == 2
    assert callback.best.score == pytest.approx(0.2)


@pytest.mark.parametrize("accuracies", [[0.1, 0.5, 0.9], [0.9, 0.5, 0.1], [0.5, 0.5]])
def test_checkpoint_last_is_the_last_epoch(tmp_path, accuracies):
    """Also where the last epoch was not the best: what a run that is resumed goes on from."""
    callback = checkpoint(tmp_path)
    fit(callback, accuracies)
    assert saved(tmp_path / "last.ckpt") == (len(accuracies) - 1, len(accuracies))
    assert callback.last_path == tmp_path / "last.ckpt"
    assert {path.name for path in tmp_path.iterdir()} == {"best.ckpt", "last.ckpt"}


@pytest.mark.parametrize(
    ("before", "after", "best"), [([0.9], [0.1, 0.2], 0), ([0.2, 0.9], [0.9], 2), ([0.2, 0.4], [0.5, 0.6], 3)]
)
def test_checkpoint_restored_in_another_folder(tmp_path, before, after, best):
    """After a move: paths point to where the folder is now, scores are kept, nothing appears at the old place."""
    fit(checkpoint(tmp_path / "old"), before)
    (tmp_path / "old").rename(tmp_path / "new")
    callback = checkpoint(tmp_path / "new")
    fit(callback, before + after, tmp_path / "new" / "last.ckpt", len(before))
    assert callback.best_path == tmp_path / "new" / "best.ckpt"
    assert callback.last_path == tmp_path / "new" / "last.ckpt"
    assert callback.best.score == pytest.approx((before + after)[best])
    assert saved(tmp_path / "new" / "best.ckpt")[0] == best
    assert not (tmp_path / "old").exists()


def test_checkpoint_restored_state(tmp_path):
    """All that was chosen, and nothing of where."""
    old = checkpoint(tmp_path / "old")
    fit(old, [0.2, 0.9])
    (tmp_path / "old").rename(tmp_path / "new")
    new = checkpoint(tmp_path / "new")
    new.load_state_dict(old.state_dict())
    assert new.best == old.best
    assert new.best.metrics == {"val/acc": pytest.approx(0.9)}
    assert str(tmp_path) not in str(old.state_dict())


def test_checkpoint_whose_best_is_gone_chooses_anew(tmp_path, caplog):
    fit(checkpoint(tmp_path), [0.9])
    (tmp_path / "best.ckpt").unlink()
    callback = checkpoint(tmp_path)
    fit(callback, [0.9, 0.2], tmp_path / "last.ckpt", 1)
    assert callback.best.score == pytest.approx(0.2)
    assert "best.ckpt is missing" in caplog.text


# ---- only what was validated


@pytest.mark.parametrize(
    ("options", "validated", "accuracies", "best"),
    [
        # four batches an epoch; the weight is the number of steps
        ({"check_val_every_n_epoch": 2, "max_epochs": 5}, [8, 16], [0.5, 0.4], 8),
        ({"check_val_every_n_epoch": 2, "max_epochs": 5}, [8, 16], [0.5, 0.5], 16),
        ({"check_val_every_n_epoch": 3, "max_epochs": 4}, [12], [0.5], 12),
        ({"max_steps": 3}, [3], [0.5], 3),
        ({"max_steps": 6}, [4, 6], [0.1, 0.5], 6),
        ({"max_steps": 6}, [4, 6], [0.5, 0.1], 4),
        ({"max_steps": 8}, [4, 8], [0.1, 0.5], 8),
        ({"max_steps": 10, "check_val_every_n_epoch": 2}, [8], [0.5], 8),
        ({"val_check_interval": 0.5, "max_epochs": 2}, [2, 4, 6, 8], [0.1, 0.5, 0.9, 0.2], 6),
        ({"val_check_interval": 0.5, "max_epochs": 1}, [2, 4], [0.5, 0.5], 4),
        ({"val_check_interval": 0.75, "max_epochs": 2}, [3, 7], [0.5, 0.4], 3),
        ({"val_check_interval": 1, "max_epochs": 1}, [1, 2, 3, 4], [0.5, 0.9, 0.4, 0.9], 4),
        ({"val_check_interval": 3, "max_epochs": 2}, [3, 7], [0.5, 0.6], 7),
        ({"val_check_interval": 6, "check_val_every_n_epoch": None, "max_epochs": 4}, [6, 12], [0.6, 0.5], 6),
        ({"accumulate_grad_batches": 4, "val_check_interval": 0.5, "max_epochs": 1}, [0, 1], [0.6, 0.5], 0),
        ({"num_sanity_val_steps": 1, "max_epochs": 2}, [0, 4, 8], [0.9, 0.5, 0.4], 4),
    ],
)
def test_checkpoint_best_holds_the_weights_that_were_validated(tmp_path, options, validated, accuracies, best):
    callback = checkpoint(tmp_path)
    trainer = fit(callback, accuracies, batches=4, **{"max_epochs": -1} | options)
    assert trainer.lightning_module.validated == validated
    assert saved(tmp_path / "best.ckpt")[1] == callback.best.step == best
    assert callback.best.score == pytest.approx(accuracies[validated.index(best)])


def test_checkpoint_of_what_is_not_a_number_is_the_last(tmp_path):
    callback = checkpoint(tmp_path)
    fit(callback, [math.nan, math.nan])
    assert saved(tmp_path / "best.ckpt")[0] == 1
    assert math.isnan(callback.best.score)


# ---- resuming


@pytest.mark.parametrize("options", [{}, {"max_steps": 100}, {"val_check_interval": 0.5}])
def test_checkpoint_of_a_training_that_stopped_early_trains_no_more(tmp_path, options):
    accuracies = [0.9] + [0.5] * 20
    stopping = EarlyStopping("val/acc", mode="max", patience=3, strict=False)
    trainer = fit(checkpoint(tmp_path), accuracies, batches=2, others=(stopping,), **options)
    steps, epochs = trainer.global_step, trainer.current_epoch
    again = EarlyStopping("val/acc", mode="max", patience=3, strict=False)
    resumed = fit(checkpoint(tmp_path), accuracies, tmp_path / "last.ckpt", batches=2, others=(again,), **options)
    assert (resumed.global_step, resumed.current_epoch) == (steps, epochs)
    assert resumed.lightning_module.validated == []
    assert again.stopped_epoch == stopping.stopped_epoch


@pytest.mark.parametrize(("end", "validated"), [(7, [6, 7]), (8, [6, 8]), (9, [6, 8, 9])])
def test_checkpoint_of_a_training_that_counts_steps_goes_on_at_the_next_epoch(tmp_path, end, validated):
    accuracies = [0.1, 0.2, 0.3, 0.4, 0.5]
    fit(checkpoint(tmp_path), accuracies, batches=2, max_epochs=2)
    trainer = fit(checkpoint(tmp_path), accuracies, tmp_path / "last.ckpt", 2, batches=2, max_epochs=9, max_steps=end)
    assert trainer.lightning_module.validated == validated
    assert trainer.global_step == saved(tmp_path / "last.ckpt")[1] == end


# ---- checkpoints of strangers


def changed(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, path)


FOREIGN = {
    "best_model_path": "{}",
    "kth_best_model_path": "{}",
    "best_k_models": {"{}": torch.tensor(0.1)},
    "kth_value": torch.tensor(0.1),
    "last_model_path": "{}",
    "dirpath": "{}",
    "best_model_score": torch.tensor(0.1),
    "monitor": "val/acc",
}


@pytest.mark.parametrize("place", ["{parent}/victim", "local://{parent}/victim", "http://127.0.0.1:9/victim"])
@pytest.mark.parametrize("key", ["Checkpoint", "ModelCheckpoint", "Lightning's"])
def test_checkpoint_of_a_stranger_deletes_and_asks_nothing(tmp_path, monkeypatch, key, place):
    """Lightning's own callback would remove what a state calls the previous checkpoint, on any file system."""
    (tmp_path / "victim").mkdir()
    fit(checkpoint(tmp_path / "run"), [0.1])
    place = place.format(parent=tmp_path)
    lightnings = ModelCheckpoint(tmp_path / "run", "top", monitor="val/acc", mode="max")
    state = {name: place if value == "{}" else value for name, value in FOREIGN.items()}
    state["best_k_models"] = {place: torch.tensor(0.1)}
    name = lightnings.state_key if key == "Lightning's" else key

    def change(content: dict[str, Any]) -> None:
        content["callbacks"][name] = content["callbacks"].get(name, {}) | state

    changed(tmp_path / "run" / "last.ckpt", change)
    asked = []
    monkeypatch.setattr("fsspec.implementations.http.HTTPFileSystem._request", asked.append, raising=False)
    monkeypatch.setattr(
        "fsspec.implementations.local.LocalFileSystem.rm",
        lambda _, path, **__: asked.append(path) if "victim" in path else None,
    )
    fit(checkpoint(tmp_path / "run"), [0.1, 0.9, 0.9], tmp_path / "run" / "last.ckpt", 1, others=(lightnings,))
    assert (tmp_path / "victim").is_dir()
    assert not asked


def test_checkpoint_of_a_stranger_names_no_other_callback_in_a_warning(tmp_path):
    fit(checkpoint(tmp_path), [0.1])
    changed(tmp_path / "last.ckpt", lambda content: content["callbacks"].update({"\x1b[31mred": {"a": 1}}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        files = ResumedFiles(Scripted([]))
        files.trainer = fit(checkpoint(tmp_path), [0.1])
        assert list(files.load_checkpoint(tmp_path / "last.ckpt")["callbacks"]) == ["Checkpoint"]


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("callbacks"),
        lambda content: content.update(callbacks=None),
        lambda content: content["callbacks"].clear(),
        lambda content: content.pop("loops"),
        lambda content: content["loops"].update(fit_loop=[]),
        lambda content: content["loops"]["fit_loop"]["epoch_progress"]["current"].update(processed="1"),
        lambda content: content["loops"]["fit_loop"]["epoch_progress"]["current"].update(ready=2),
        lambda content: content["loops"]["fit_loop"]["epoch_progress"].pop("total"),
        lambda content: content.update(lr_schedulers=None),
        lambda content: content.update(optimizer_states=3),
        lambda content: content.update(epoch="x"),
    ],
)
def test_checkpoint_that_no_run_can_be_resumed_from_is_refused(tmp_path, change):
    fit(checkpoint(tmp_path), [0.1])
    changed(tmp_path / "last.ckpt", change)
    with pytest.raises(ConfigError, match=r"a run cannot be resumed from .*last\.ckpt: ") as caught:
        fit(checkpoint(tmp_path), [0.1, 0.2], tmp_path / "last.ckpt", 1)
    assert "\n" not in str(caught.value)


def test_checkpoint_from_within_an_epoch_is_refused(tmp_path):
    """As best.ckpt may be, in last.ckpt's place."""
    fit(checkpoint(tmp_path), [0.9, 0.5], batches=2, val_check_interval=1, max_epochs=1)
    with pytest.raises(ConfigError, match="it was written within an epoch"):
        fit(checkpoint(tmp_path), [0.9, 0.5], tmp_path / "best.ckpt", batches=2)


@pytest.mark.parametrize("value", [[1], {"a": {"b": [1]}}, torch.zeros(2)])
def test_checkpoint_early_stopping_takes_plain_numbers(tmp_path, value):
    stopping = EarlyStopping("val/acc", mode="max")
    fit(checkpoint(tmp_path), [0.1], others=(stopping,))
    changed(tmp_path / "last.ckpt", lambda content: content["callbacks"][stopping.state_key].update(wait_count=value))
    with pytest.raises(ConfigError, match="cannot be resumed from"):
        fit(checkpoint(tmp_path), [0.1, 0.2], tmp_path / "last.ckpt", 1, others=(EarlyStopping("val/acc", mode="max"),))
