"""What a run ran on: versions, code and machine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "snn_zo", "torch", "lightning", "hydra-core", "omegaconf", "torchmetrics", "tonic", "wandb", "numpy", "scipy",
    "scikit-learn", "numba", "triton",
)  # fmt: skip


def environment(backend: str) -> dict[str, Any]:
    """Versions, git commit and uncommitted changes of the code, hardware, and the backend that runs."""
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "command": sys.argv,
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "git": _git(Path(__file__).parents[1]),
        "hardware": {
            "host": platform.node(),
            "system": platform.platform(),
            "cpu": _cpu(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "gpus": gpus,
        },
        "backend": backend,
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _git(folder: Path) -> dict[str, str] | None:
    """Commit and diff of the checkout that the package lies in; None when it is installed without one."""

    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)

    try:
        # exit code 1: inside a checkout and not ignored by it, as a virtual environment's copy would be
        if git("check-ignore", "-q", str(folder)).returncode != 1:
            return None
        head = git("rev-parse", "HEAD")
        return {"sha": head.stdout.strip(), "diff": git("diff", "HEAD").stdout} if head.returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired):
        return None


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
