"""Entry points. Nothing here loads torch until the settings have been checked."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from snn_zo.bench.settings import BenchSettings, load_strategies
from snn_zo.config import ConfigError, build
from snn_zo.config.command_line import arranged
from snn_zo.config.mistakes import EXPECTED, explain, is_of_hydra
from snn_zo.config.schema import TrainSettings
from snn_zo.config.sources import choices, register, root, study_name
from snn_zo.config.without_effect import require_effect


def train() -> None:
    """`snn-zo-train`, `python train.py`: one run, or a sweep with -m; exit code 1 and one line on a mistake."""
    if "LOCAL_RANK" in os.environ:
        _fail("one process is to be started, without torchrun: trainer.devices=2 starts as many as there are devices")
    _wait_asleep()
    failed = 0
    try:
        _start("train", _job, may_sweep=True)
    except KeyboardInterrupt:
        _fail("stopped by a signal")
    finally:
        # however it ended: what its jobs have shown
        from hydra_plugins.snn_zo_launcher import SweepLauncher

        if SweepLauncher.sweep:
            try:
                failed = SweepLauncher.sweep.conclude()
            except BrokenPipeError as error:
                _fail_for_want_of_a_place(error)
    if failed:
        sys.exit(1)


def bench() -> None:
    """`snn-zo-bench`, `python -m snn_zo.bench`: training steps side by side; exit code 1 if a number is refused."""
    _start("bench", _bench_job)


def describe() -> None:
    """`python -m snn_zo.data describe data=...`: what is in a data set, as a table and a page."""
    if sys.argv[1:2] != ["describe"]:
        print(
            "usage: python -m snn_zo.data describe [data=NAME] [data.KEY=VALUE ...]    a table, and a page of figures"
        )
        sys.exit(0 if "--help" in sys.argv else 1)
    del sys.argv[1]
    _start("train", _describe_job)


def _wait_asleep() -> None:
    """Let torch's idle threads sleep: where they spin, a second process on the machine slows a step down tenfold."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _start(config_name: str, job: Callable[[DictConfig], Any], may_sweep: bool = False) -> None:
    """Hand over to Hydra."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else hydra prints and exits before the line below can be written
    logging.raiseExceptions = False  # a full disk is said once, not with every log record
    try:
        sys.argv[1:] = arranged(sys.argv[1:], may_sweep)
    except ConfigError as error:
        _fail(str(error))
    register(sys.argv[1:])
    main = hydra.main(version_base="1.3", config_path=str(root() / "conf"), config_name=config_name)(job)
    try:
        main()
    except EXPECTED as error:
        _fail(explain(error))
    except OSError as error:
        _fail_for_want_of_a_place(error)
    except Exception as error:
        if not is_of_hydra(error):
            raise
        _fail(f"Hydra cannot use this command line: {explain(error)}")


def _job(config: DictConfig) -> float:
    """One run; returns its objective."""
    hydra_config = HydraConfig.get()
    overrides: Any = OmegaConf.to_container(hydra_config.overrides.task, resolve=False)
    # exiting here keeps hydra from adding lines of its own
    try:
        require_effect(hydra_config, config.outputs)
        if hydra_config.mode == RunMode.MULTIRUN:
            names = ", ".join(choices("hydra/launcher"))
            raise ConfigError(f"hydra/launcher: choose from {names}, which know run folders")
        settings = build(config, "", TrainSettings)
        folder = _resumed(settings, overrides) if settings.resume else None
        from snn_zo import experiment
    except EXPECTED as error:
        _fail(explain(error))
    try:
        if folder:
            return experiment.resume(folder)
        return experiment.run(settings, config, study_name(hydra_config), overrides)
    except (*EXPECTED, experiment.RunFailed) as error:
        _fail(explain(error))
    except OSError as error:
        _fail_for_want_of_a_place(error)


def _bench_job(config: DictConfig) -> None:
    """One benchmark."""
    try:
        require_effect(HydraConfig.get(), config.outputs)
        settings = build(config, "", BenchSettings)
        strategies = load_strategies(settings.strategies)
        from snn_zo.bench import suite

        complete = suite.run(settings, strategies, config)
    except EXPECTED as error:
        _fail(explain(error))
    except OSError as error:
        _fail_for_want_of_a_place(error)
    if not complete:
        sys.exit(1)


def _describe_job(config: DictConfig) -> None:
    """One page."""
    try:
        require_effect(HydraConfig.get(), config.outputs)
        dataset = build(config, "", TrainSettings).data
        from snn_zo.data import description

        description.run(dataset, config.dataset, Path(config.outputs) / "data" / config.dataset)
    except EXPECTED as error:
        _fail(explain(error))
    except OSError as error:
        _fail_for_want_of_a_place(error)


def _resumed(settings: TrainSettings, overrides: list[str]) -> Path:
    """The run folder that `resume=` names."""
    from snn_zo.runs.folder import RunFolder

    others = [override for override in overrides if override.partition("=")[0] not in ("resume", "outputs")]
    if others:
        raise ConfigError(f"resume takes all settings from the run folder: drop {' '.join(others)}")
    if settings.resume != "latest":
        return Path(str(settings.resume))
    try:
        return RunFolder.latest(Path(settings.outputs)).path
    except FileNotFoundError as error:
        raise ConfigError(f"resume=latest: {error}") from error


def evaluate() -> None:
    """`snn-zo-eval run=FOLDER`: test the best checkpoint of a run again."""
    arguments = sys.argv[1:]
    if len(arguments) != 1 or not arguments[0].startswith("run="):
        print("usage: snn-zo-eval run=FOLDER    test the best checkpoint of a run again")
        sys.exit(0 if arguments == ["--help"] else 1)
    _wait_asleep()
    from snn_zo import experiment

    try:
        metrics = experiment.evaluate(Path(arguments[0].removeprefix("run=")))
    except EXPECTED as error:
        _fail(explain(error))
    for name, value in metrics.items():
        print(f"{name}  {value:.6g}")


def report() -> None:
    """`snn-zo-report FOLDER ...`: compare the runs in these folders."""
    import argparse

    parser = argparse.ArgumentParser(prog="snn-zo-report", description="compare runs, by method and settings")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="run folders, or folders of them")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write a line a run")
    parser.add_argument("--summary", type=Path, metavar="FILE", help="write a line a variant, as CSV")
    parser.add_argument("--latex", type=Path, metavar="FILE", help="write a table for LaTeX, with booktabs")
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="the dashboard (default: report.html in the first folder)"
    )
    parser.add_argument("--no-html", action="store_true", help="no dashboard")
    arguments = parser.parse_args()

    from snn_zo.atomic import write_atomically
    from snn_zo.report import export
    from snn_zo.report.comparison import compare
    from snn_zo.report.runs import read_runs
    from snn_zo.report.table import print_comparison

    files = {arguments.csv: export.runs_csv, arguments.summary: export.summary_csv, arguments.latex: export.latex}
    try:
        comparison = compare(read_runs(arguments.folders))
        print_comparison(comparison)
        for path, text in files.items():
            if path:
                write_atomically(path, text(comparison))
                print(path)
        if not arguments.no_html:
            from snn_zo.report.dashboard import write_dashboard

            page = arguments.html or arguments.folders[0] / "report.html"
            write_dashboard(comparison, page)
            print(page)
    except FileNotFoundError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.strerror}: {error.filename}")


def _fail_for_want_of_a_place(error: OSError) -> NoReturn:
    if isinstance(error, BrokenPipeError):  # nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    where = f": {error.filename}" if error.filename else ""
    _fail(f"{error.strerror or error}{where}; outputs=FOLDER (or SNN_ZO_OUTPUTS) names another place")


def _fail(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(1)
