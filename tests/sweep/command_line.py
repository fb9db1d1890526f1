"""`train.py -m` on the smallest of networks."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
QUICK = ("trainer.max_epochs=1", "trainer.limit_train_batches=2", "model.hidden=[20]", "study=study")


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
