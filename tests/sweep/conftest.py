"""Jobs made by Hydra as a sweep makes them, and `train.py` on the smallest of networks."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf, open_dict

from snn_zo.config import build
from snn_zo.config.schema import TrainSettings
from snn_zo.config.sources import root
from snn_zo.sweep.jobs import Job

ROOT = Path(__file__).parents[2]
QUICK = ("trainer.max_epochs=1", "trainer.limit_train_batches=2", "model.hidden=[20]", "study=study")
INF = ("optim=sgd", "optim.lr=1e38,0.01")


@pytest.fixture(scope="session")
def config() -> DictConfig:
    """A run's config, resolved, as it comes without overrides."""
    with initialize_config_dir(str(root() / "conf"), version_base="1.3"):
        composed = compose("train", return_hydra_config=True)
        with open_dict(composed):
            composed.hydra.runtime.choices = {"strategy": "local_zo", "data": "digits"}
            composed.method, composed.dataset = "local_zo", "digits"
            del composed["hydra"]
    return composed


@pytest.fixture
def job(config: DictConfig, tmp_path: Path) -> Callable[..., Job]:
    """A job with some settings, not yet placed; its study is `study`."""

    def make(*overrides: str, study: str = "study") -> Job:
        own = OmegaConf.merge(config, {"outputs": str(tmp_path)}, OmegaConf.from_dotlist(list(overrides)))
        assert isinstance(own, DictConfig)
        return Job(list(overrides), " ".join(overrides), build(own, "", TrainSettings), own, study)

    return make


def start(folder: Path, *overrides: str, flags: tuple[str, ...] = ("-m",), **options) -> subprocess.Popen[str]:
    """A sweep in a process group of its own; runs go to `outputs` in the folder."""
    variables = os.environ | {"SNN_ZO_OUTPUTS": "outputs"} | options.pop("env", {})
    command = [sys.executable, str(ROOT / "train.py"), *flags, *overrides]
    return subprocess.Popen(
        command, cwd=folder, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
        # the tests' own processes may ignore it, which a child inherits
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **options,
    )  # fmt: skip


def sweep(folder: Path, *overrides: str, **options) -> subprocess.CompletedProcess[str]:
    """A sweep, to its end."""
    process = start(folder, *overrides, **options)
    stdout, stderr = process.communicate(timeout=300)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def summaries(folder: Path) -> dict[Path, dict]:
    """The runs in `outputs`, in the order of their jobs."""
    return {path.parent: json.loads(path.read_text()) for path in sorted(folder.glob("outputs/*/*/summary.json"))}
