"""The files of conf/ and sweeps/: that each one works, and that the experiments say what the papers say."""

import csv
import json
import math
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback

from snn_zo.config.schema import ConvSettings, VGGSettings
from snn_zo.config.sources import root
from snn_zo.models import FeedForward
from snn_zo.neuron import Neuron
from snn_zo.regularizer import SpikeCount
from snn_zo.strategies import LocalZO
from snn_zo.tasks import TET
from tests.config.test_build import composed, settings

OF_TRAIN = [path for path in sorted((root() / "conf").glob("*/*.yaml")) if path.parent.name != "suite"]
PRESETS = [f"{path.parent.name}={path.stem}" for path in OF_TRAIN]
SWEEPS = [path.stem for path in sorted((root() / "sweeps").glob("*.yaml"))]
EXPERIMENTS = [preset for preset in PRESETS if preset.startswith("experiment=")]
CHOICES = {group: [preset for preset in PRESETS if preset.startswith(f"{group}=")] for group in ("optim", "schedule")}
COMPANIONS = {
    "loss=mse_count": ("model/readout=count",),
    "loss=mse": ("data=randman_regression",),
    "loss=mae": ("data=randman_regression",),
    "data=randman_regression": ("loss=mse",),
}
"""What a preset takes beside it."""


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_compose_and_build(preset):
    built = settings(preset, *COMPANIONS.get(preset, ()))
    group, _, choice = preset.partition("=")
    assert {"strategy": built.method, "data": built.dataset}.get(group, choice) == choice


@pytest.mark.parametrize("strategy", ["local_zo", "surrogate", "sparse_surrogate", "ssg"])
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_experiments_take_every_strategy(experiment, strategy):
    """None sets what only one of them has."""
    assert settings(experiment, f"strategy={strategy}").method == strategy


@pytest.mark.parametrize("sweep", SWEEPS)
def test_sweeps_build_in_every_combination(sweep):
    settings(f"sweeps={sweep}")
    params = yaml.safe_load((root() / "sweeps" / f"{sweep}.yaml").read_text())["hydra"]["sweeper"]["params"]
    parser = OverridesParser.create()
    axes = [values(parser.parse_override(f"{name}={value}")) for name, value in params.items()]
    for overrides in product(*axes):
        settings(f"sweeps={sweep}", *overrides)


def values(override: Override) -> list[str]:
    """All values of a swept setting; of an interval its ends."""
    name, value = override.get_key_element(), override.value()
    ends = [value.start, value.end] if isinstance(value, IntervalSweep) else override.sweep_string_iterator()
    return [f"{name}={each}" for each in ends]


@pytest.mark.parametrize("overrides", list(product(*CHOICES.values())), ids="-".join)
def test_optim_and_schedule_go_together(overrides):
    """The learning rate stays below the optimizer's, and a schedule but the constant one brings it down."""
    config = composed(*overrides)
    weight = torch.zeros(1, requires_grad=True)
    optimizer = instantiate(config.optim)([weight])
    schedule = instantiate(config.schedule)(optimizer, total_steps=20) if config.schedule else None
    rates = []
    for _ in range(20):
        rates.append(optimizer.param_groups[0]["lr"])
        (weight.sum() ** 2).backward()
        optimizer.step()
        if schedule:
            schedule.step()
    assert max(rates) == pytest.approx(config.optim.lr, rel=0.05)
    assert min(rates) > 0
    falls = schedule and "schedule=constant" not in overrides
    assert rates[-1] < 0.05 * config.optim.lr if falls else set(rates) == {config.optim.lr}


def test_callbacks_are_callbacks():
    callbacks = instantiate(settings().callbacks)
    assert all(isinstance(callback, Callback) for callback in callbacks.values())


def test_best_is_chosen_by_validation_accuracy():
    callbacks = settings().callbacks
    for name in ("checkpoint", "early_stopping"):
        assert (callbacks[name].monitor, callbacks[name].mode) == ("val/acc", "max")


# ---- the published settings


class Paper(NamedTuple):
    features: int
    classes: int
    steps: int
    dt: float
    batch_size: int
    lr: float
    readout: tuple[str, float]
    init: str
    at_most: float


PUBLISHED = {
    "fashion_mnist": Paper(784, 10, 100, 1.0, 256, 2e-4, ("max", 10.0), "normal", 1.0),
    "nmnist": Paper(1156, 10, 300, 1.0, 256, 2e-4, ("max", 10.0), "uniform", 1.0),
    "shd": Paper(700, 20, 500, 2.0, 256, 1e-3, ("sum", 20.0), "uniform", 10.0),
}

experiments = pytest.mark.parametrize(("name", "paper"), PUBLISHED.items(), ids=PUBLISHED)


SPARSE = ("nmnist_conv", "fashion_mnist_conv", "dvs_gesture", "cifar10_dvs", "n_caltech101")
"""Experiments with convolutional networks in the sparse regime."""

PUBLISHED_CONV = ("dvs_gesture_published", "cifar10_dvs_published", "n_caltech101_published")


def test_published_experiments_are_all():
    ours = {f"experiment={name}" for name in ("randman_regression", *SPARSE, *PUBLISHED_CONV)}
    assert {f"experiment={name}" for name in PUBLISHED} | ours == {each for each in PRESETS if "experiment=" in each}


@experiments
def test_experiment_data(name, paper):
    data = settings(f"experiment={name}").data
    assert settings(f"experiment={name}").dataset == name
    assert data.inputs == paper.features
    for field in ("classes", "steps", "dt", "batch_size"):
        assert getattr(data, field) == getattr(paper, field), field
    assert data.merged


@experiments
def test_experiment_network(name, paper):
    model = settings(f"experiment={name}").model
    assert model.hidden == [200, 200]
    assert model.bias is False
    assert model.neuron == Neuron(tau=10.0, dt=paper.dt, v_th=1.0, reset="soft", detach_reset=True)
    assert (model.readout.reduce, model.readout.tau) == paper.readout
    assert model.readout.dt == paper.dt


@experiments
def test_experiment_initial_weights(name, paper):
    """Uniform in +-1 / sqrt(fan in), or normal with standard deviation 10 (1 - beta) / sqrt(fan in)."""
    built = settings(f"experiment={name}")
    torch.manual_seed(0)
    given = {field: getattr(built.model, field) for field in ("hidden", "neuron", "readout", "init", "gain", "bias")}
    model = FeedForward(built.data.in_shape, built.data.classes, built.strategy, **given)
    assert built.model.init == paper.init
    widths = [paper.features, 200, 200, paper.classes]
    assert [tuple(layer.weight.shape) for layer in model.layers] == [(widths[i + 1], widths[i]) for i in range(3)]
    for layer in model.layers:
        weight = layer.weight.detach() * math.sqrt(layer.inputs)
        if paper.init == "normal":
            std = 10 * (1 - built.model.neuron.beta)
            assert weight.std().item() == pytest.approx(std, rel=0.05)
            assert weight.abs().max() > 2 * std
        else:
            assert weight.std().item() == pytest.approx(1 / math.sqrt(3), rel=0.05)
            assert 0.99 < weight.abs().max() <= 1 + 1e-6


def test_experiment_gain_is_ten_times_the_leak():
    model = settings("experiment=fashion_mnist").model
    assert model.gain == pytest.approx(10 * (1 - math.exp(-0.1)), rel=1e-15)


@experiments
def test_experiment_training(name, paper):
    built, config = settings(f"experiment={name}"), composed(f"experiment={name}")
    optimizer = instantiate(config.optim)([torch.zeros(1, requires_grad=True)])
    (group,) = optimizer.param_groups
    assert type(optimizer) is torch.optim.Adam
    assert (group["lr"], group["betas"], group["weight_decay"]) == (paper.lr, (0.9, 0.999), 0)
    assert not built.schedule
    assert built.regularizer == SpikeCount(upper=0.06, at_most=paper.at_most, lower=100.0, at_least=1e-3)


@experiments
def test_experiment_strategy(name, paper):
    """The methods of the comparison keep their own settings in every experiment."""
    assert settings(f"experiment={name}").strategy == LocalZO("normal", delta=0.05, samples=1)
    for strategy in ("ssg", "surrogate", "sparse_surrogate"):
        built = settings(f"experiment={name}", f"strategy={strategy}")
        assert built.strategy == settings(f"strategy={strategy}").strategy
        assert built.method == strategy


@experiments
def test_experiment_yields_to_the_command_line(name, paper):
    built = settings(f"experiment={name}", "model.neuron.tau=7", "data.dt=4", "regularizer=none")
    assert (built.model.neuron.tau, built.model.neuron.dt, built.model.readout.dt) == (7, 4, 4)
    assert not built.regularizer


# ---- convolutional networks


@pytest.mark.parametrize("name", SPARSE)
def test_sparse_experiments(name):
    """A narrow delta and one draw, short time steps, a small network."""
    built = settings(f"experiment={name}")
    assert built.dataset == name.removesuffix("_conv")
    assert built.strategy == LocalZO("normal", delta=0.05, samples=1)
    assert isinstance(built.model, ConvSettings)
    assert built.data.steps >= 25
    assert built.model.neuron.beta > 0.6


@pytest.mark.parametrize("name", PUBLISHED_CONV)
def test_published_convolutional_experiments(name):
    """As in the code of the LocalZO paper: T 6, beta 0.5, hard reset attached, five normal draws of delta 0.5."""
    built, config = settings(f"experiment={name}"), composed(f"experiment={name}")
    model = built.model
    assert built.dataset == name.removesuffix("_published")
    assert built.strategy == LocalZO("normal", delta=0.5, samples=5)
    assert (type(model), model.width, model.norm, model.bias) == (VGGSettings, 1.0, "tdbn", False)
    assert (model.neuron.v_th, model.neuron.reset, model.neuron.detach_reset) == (1.0, "hard", False)
    assert model.neuron.beta == pytest.approx(0.5, rel=1e-12)
    assert (model.readout.beta, model.readout.reduce, model.readout.scale) == (pytest.approx(0, abs=1e-9), "mean", 1)
    assert built.loss == TET(lambda_=0.05, phi=1.0)
    assert (built.data.steps, built.data.batch_size, built.regularizer) == (6, 64, SpikeCount(upper=0, lower=0))
    assert (config.optim._target_, config.optim.lr) == ("torch.optim.Adam", 1e-3)
    assert (config.schedule._target_, config.schedule.final) == ("snn_zo.training.schedules.cosine", 0.0)
    assert config.trainer.max_epochs == 300


# ---- debugging, through the command line


def completed(result, tmp_path: Path) -> Path:
    """The folder of the one run, which came to its end."""
    assert result.returncode == 0, result.stderr
    (path,) = (tmp_path / "outputs").glob("*/*/summary.json")
    summary = json.loads(path.read_text())
    assert summary["status"] == "completed"
    assert 0 <= summary["metrics"]["test/acc"] <= 1
    return path.parent


def metrics(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_debug_fast(tmp_path, train):
    folder = completed(train("debug=fast", "model.hidden=[20]"), tmp_path)
    (row,) = metrics(folder)
    assert (row["epoch"], row["step"]) == ("0", "2")
    assert not (folder / "wandb").exists()


def test_debug_profile(tmp_path, train):
    result = train("debug=profile", "model.hidden=[20]", "data.steps=20")
    folder = completed(result, tmp_path)
    assert len(metrics(folder)) == 1
    said = result.stdout + (folder / "run.log").read_text()
    assert "run_training_batch" in said
    assert "Profiler Report" in said


def test_debug_overfit(tmp_path, train):
    """The same batch again and again, until it is known."""
    result = train("debug=overfit", "trainer.max_epochs=40", "model.hidden=[50]", "optim.lr=5e-3")
    rows = metrics(completed(result, tmp_path))
    assert [row["step"] for row in rows] == [str(epoch + 1) for epoch in range(len(rows))]
    assert float(rows[0]["train/acc"]) < 0.5
    assert max(float(row["train/acc"]) for row in rows) > 0.8
    assert float(rows[-1]["train/loss"]) < 0.5 * float(rows[0]["train/loss"])
