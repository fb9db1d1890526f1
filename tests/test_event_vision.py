"""Experiments on event vision and images, from files in the original formats through an epoch to a result."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from snn_zo.config import Composed
from snn_zo.experiment import run
from snn_zo.runs.folder import RunFolder
from tests.config.test_build import composed
from tests.data.idx.files import contents, put
from tests.data.test_formats import cifar10_dvs, dvs_gesture, n_caltech101, nmnist


def fashion_mnist(root: Path, rng: np.random.Generator) -> None:
    put(root / "FashionMNIST" / "raw", contents(40))


FILES: dict[str, Callable[[Path, np.random.Generator], None]] = {
    "nmnist": nmnist,
    "fashion_mnist": fashion_mnist,
    "dvs_gesture": dvs_gesture,
    "cifar10_dvs": cifar10_dvs,
    "n_caltech101": n_caltech101,
}
SMALL = ("model.network=[3c5,p2,3c3,p2]", "data.steps=5", "model.gain=30")
TINY = ("model.width=0.02",)
RUNS = {
    "nmnist_conv": ("nmnist", *SMALL),
    "fashion_mnist_conv": ("fashion_mnist", *SMALL),
    "dvs_gesture": ("dvs_gesture", *SMALL),
    "dvs_gesture_published": ("dvs_gesture", *TINY),
    "cifar10_dvs": ("cifar10_dvs", *SMALL),
    "cifar10_dvs_published": ("cifar10_dvs", *TINY),
    "n_caltech101": ("n_caltech101", *SMALL),
    "n_caltech101_published": ("n_caltech101", *TINY),
}
OF_ANY = (
    *("trainer.max_epochs=1", "trainer.accelerator=cpu", "backend=reference", "logger=none", "schedule=none"),
    *("trainer.limit_train_batches=2", "trainer.limit_val_batches=1", "trainer.limit_test_batches=1"),
    *("callbacks.progress=null", "data.val_fraction=0.25", "data.batch_size=8", "study=tried", "name=run"),
)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Callable[[str], Path]:
    """Folder that holds a data set's files; each is written once."""
    made: dict[str, Path] = {}

    def folder(data: str) -> Path:
        if data not in made:
            made[data] = tmp_path_factory.mktemp(data)
            FILES[data](made[data], np.random.default_rng(0))
        return made[data]

    return folder


def trained(data: Path, outputs: Path, *overrides: str) -> RunFolder:
    places = (f"data.root={data}", f"data.cache_dir={data / 'cache'}", f"outputs={outputs}")
    run(Composed.of(composed(*places, *OF_ANY, *overrides)), "tried", [])
    return RunFolder(outputs / "tried" / "run")


@pytest.mark.parametrize(("experiment", "data_and_settings"), RUNS.items(), ids=RUNS)
@pytest.mark.filterwarnings("ignore")
def test_experiment_trains_and_tests(experiment, data_and_settings, root, tmp_path):
    data, *overrides = data_and_settings
    summary = trained(root(data), tmp_path, f"experiment={experiment}", *overrides).read_summary()
    assert summary["status"] == "completed"
    assert summary["backend"] == "reference"
    assert 0 <= summary["metrics"]["test/acc"] <= 1
    layers = summary["sparsity"]["layers"]
    assert list(layers)[:2] == ["conv1", "conv2"]
    assert layers["conv1"]["spike_rate"] > 0
    assert summary["energy"]["modelled"] is not None


@pytest.mark.filterwarnings("ignore")
def test_images_as_they_are_train_a_residual_network(root, tmp_path):
    direct = ("data=fashion_mnist", "data.code=direct", "data.steps=3", "loss=tet")
    resnet = ("model=resnet", "model.norm=tdbn", "model.width=0.05")
    summary = trained(root("fashion_mnist"), tmp_path, *direct, *resnet).read_summary()
    assert summary["status"] == "completed"
    assert summary["sparsity"]["layers"]["stem"]["spike_rate"] > 0
