"""A run, and the same run killed at some moments and resumed: `python killed_runs.py FOLDER SEED MOMENTS OVERRIDE...`.

A moment is `*N`, N random ones over the whole run, or the name of a function of `snn_zo.experiment` that the run does
not get past. Runs are forks of this process, which has imported everything. Prints a line for each moment, with what
was different in the end.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import torch

from snn_zo import cli, experiment
from snn_zo.runs.table_file import TableFile

FILES = ("metrics.csv", "energy.csv", "confusion.csv")


def forked(folder: Path, arguments: list[str], kill_at: str | None = None) -> int:
    """Start to train in a fork; its process."""
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        with (folder / "said").open("a") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        if kill_at:
            setattr(experiment, kill_at, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        sys.argv = ["train.py", *arguments]
        code = 1
        try:
            cli.train()
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        finally:
            sys.stdout.flush()
            os._exit(code)
    return child


def ended(child: int) -> int:
    """Exit code of a fork."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def begun(child: int, run: Path) -> float:
    """When a run began to work, at which it is waited for."""
    while not (run / "env.json").exists():
        assert os.waitpid(child, os.WNOHANG) == (0, 0)
        time.sleep(0.001)
    return time.monotonic()


def result(run: Path) -> dict[str, Any]:
    """What a run has found, without what clocks said."""
    summary = json.loads((run / "summary.json").read_text())
    for name in ("timing", "wandb_id"):
        del summary[name]
    for name in ("measured", "measurement"):
        del summary["energy"][name]
    found = {"summary": summary} | {name: (run / name).read_text() for name in FILES}
    for name in ("best", "last"):
        weights = torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]
        found[name] = {key: value.tolist() for key, value in weights.items()}
    return found


def main() -> None:
    """See above."""
    folder, overrides = Path(sys.argv[1]), sys.argv[4:]
    chosen = random.Random(int(sys.argv[2]))
    folder.mkdir(exist_ok=True)
    arguments = [*overrides, f"outputs={folder}", "study=killed", "logger=none"]
    assert ended(forked(folder, [*arguments, "name=warm"])) == 0, (folder / "said").read_text()  # makes the store
    child = forked(folder, [*arguments, "name=whole"])
    since = begun(child, folder / "killed" / "whole")
    assert ended(child) == 0
    whole_s, expected = time.monotonic() - since, result(folder / "killed" / "whole")
    print(f"epochs {expected['summary']['epochs']}, in {whole_s:.1f} s, best {expected['summary']['checkpoint']}")
    kind = sys.argv[3]
    many = int(kind[1:]) if kind.startswith("*") else 0
    # one in each of equal parts of the run, so that the last ones are in its test
    moments = [(part + chosen.random()) / many for part in range(many)] or [kind]
    for number, moment in enumerate(moments):
        run = folder / "killed" / f"run{number}"
        child = forked(folder, [*arguments, f"name={run.name}"], moment if isinstance(moment, str) else None)
        if isinstance(moment, float):
            begun(child, run)
            time.sleep(moment * whole_s)
            os.kill(child, signal.SIGKILL)
        code, epochs = ended(child), len(TableFile(run / "metrics.csv").rows())
        if json.loads((run / "summary.json").read_text())["status"] != "completed":
            assert ended(forked(folder, [f"resume={run}"])) == 0, (folder / "said").read_text()[-2000:]
        found = result(run)
        different = [name for name in expected if found[name] != expected[name]]
        state = f"exit code {code} after {epochs} epochs: {f'DIFFERENT {different}' if different else 'same'}"
        print(f"moment {moment}: {state}", flush=True)


if __name__ == "__main__":
    main()
