"""Everything that tests write goes to temporary folders, and nothing goes to the network."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # before the first kernel is seen

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session", autouse=True)
def _contained(tmp_path_factory: pytest.TempPathFactory) -> None:
    patch = pytest.MonkeyPatch()
    patch.setenv("SNN_ZO_CACHE", str(tmp_path_factory.mktemp("cache")))
    patch.setenv("SNN_ZO_OUTPUTS", str(tmp_path_factory.mktemp("outputs")))
    patch.setenv("WANDB_MODE", "disabled")
    torch.set_num_threads(1)  # tensors this small only lose by sharing, the more so on a busy machine


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`python train.py` with overrides, in an empty folder; runs go to `outputs` there."""

    def run(*overrides: str, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = os.environ | {"SNN_ZO_OUTPUTS": str(tmp_path / "outputs")} | environment
        command = [sys.executable, str(ROOT / "train.py"), *overrides]
        return subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)

    return run
