"""What a run ran on: versions, code and machine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryFile

PACKAGES = (
    "snn_zo", "torch", "lightning", "hydra-core", "omegaconf", "torchmetrics", "tonic", "wandb", "numpy", "scipy",
    "scikit-learn", "numba", "triton",
)  # fmt: skip


MAX_DIFF, MAX_UNTRACKED = 2**20, 1_000

UNKNOWN = "git could not say"
"""In place of changes; a checkout without changes has none."""

_PLAIN = (
    *("core.fsmonitor=false", "core.quotePath=true", "color.ui=never", "safe.directory=*"),
    *("diff.noprefix=false", "diff.mnemonicPrefix=false", "diff.relative=false"),
    *("core.attributesFile=/dev/null", "core.excludesFile=/dev/null"),
)
"""Settings under which every git says the same, and runs nothing. The package is executed from this checkout, so its
owner is trusted already."""


def environment(backend: str) -> dict[str, object]:
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


def _git(folder: Path) -> dict[str, object] | None:
    """Commit and changes of the checkout that the package lies in; None when it is installed without one.

    `diff` is what has changed since the commit, up to MAX_DIFF bytes, and `untracked` names up to MAX_UNTRACKED files
    of the package that git has not been told of.
    """
    try:
        # a checkout of something else may lie around the package: one that does not hold its files
        if _ask_git(folder, "ls-files", "--error-unmatch", "--", "__init__.py") is None:
            return None
        sha = _ask_git(folder, "rev-parse", "--verify", "HEAD")
        if sha is None:
            return None
        plain = ("--no-ext-diff", "--no-textconv", "--no-color", "--no-relative", "--text", "-O/dev/null")
        diff = _ask_git(folder, "diff", *plain, "HEAD")
        untracked = _ask_git(folder, "ls-files", "--others", "--exclude-standard", "-z")
    except (OSError, subprocess.TimeoutExpired):
        return None
    names = [UNKNOWN] if untracked is None else untracked.split("\0")[:-1][:MAX_UNTRACKED]
    return {"sha": sha.strip(), "diff": UNKNOWN if diff is None else diff, "untracked": names}


def _ask_git(folder: Path, *arguments: str) -> str | None:
    """What git says in a folder, whatever the user's settings and environment would have it say; None if it refuses."""
    command = ["git", "-C", str(folder), *(word for setting in _PLAIN for word in ("-c", setting)), *arguments]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    variables |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_ATTR_NOSYSTEM": "1"}
    variables |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    with TemporaryFile() as output:
        process = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.DEVNULL,
            env=variables, timeout=10, check=False,
        )  # fmt: skip
        size = output.tell()
        output.seek(0)
        said = output.read(MAX_DIFF).decode(errors="replace")
    if process.returncode:
        return None
    return said if size <= MAX_DIFF else f"{said}\n... cut: {size} bytes in all\n"


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
