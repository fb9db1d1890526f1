"""Entry points. Nothing here loads torch until the settings have been checked."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import NoReturn

import hydra
from omegaconf import DictConfig

from snn_zo.config import build
from snn_zo.config.mistakes import EXPECTED, explain
from snn_zo.config.schema import TrainSettings
from snn_zo.config.sources import register, root


def train() -> None:
    """`snn-zo-train`, `python train.py`: one run, or a sweep with -m; exit code 1 and one line on a mistake."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else hydra prints and exits before the line below can be written
    register(sys.argv[1:])
    main = hydra.main(version_base="1.3", config_path=str(root() / "conf"), config_name="train")(_job)
    try:
        main()
    except EXPECTED as error:
        _fail(explain(error))


def _job(config: DictConfig) -> float:
    """One run; returns its objective."""
    from hydra.core.hydra_config import HydraConfig

    try:
        settings = build(config, "", TrainSettings)
        from snn_zo.experiment import run

        hydra_config = HydraConfig.get()
        return run(settings, config, dict(hydra_config.runtime.choices), list(hydra_config.overrides.task))
    except EXPECTED as error:
        _fail(explain(error))
    except Exception:
        # exiting here keeps hydra from adding a line of its own
        traceback.print_exc()
        sys.exit(1)


def report() -> None:
    """`snn-zo-report FOLDER ...`: a table of the runs in these folders."""
    from snn_zo.report.table import print_table

    folders = [Path(argument) for argument in sys.argv[1:]]
    if not folders or "--help" in sys.argv:
        print("usage: snn-zo-report FOLDER ...    a table of the runs below these folders, by method")
        sys.exit(0 if folders else 1)
    try:
        print_table(folders)
    except FileNotFoundError as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(1)
