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
from snn_zo.config import Composed, ConfigError, build
from snn_zo.config.command_line import arranged
from snn_zo.config.literal import as_typed
from snn_zo.config.mistakes import EXPECTED, explain, is_of_hydra
from snn_zo.config.schema import TrainSettings
from snn_zo.config.sources import choices, register, root, study_name
from snn_zo.config.without_effect import require_effect
from snn_zo.places import expanded
from snn_zo.screen import keep_open, lost
from snn_zo.untrusted import said

RANKS = ("RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK")
"""Variables in which torchrun, srun, jsrun and mpirun say which of several processes one is."""


def train() -> None:
    """`snn-zo-train`, `python train.py`: one run, or a sweep with -m; exit code 1 and one line on a mistake."""
    keep_open()
    _require_one_process()
    _require_no_trainer_variables()
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
            failed = SweepLauncher.sweep.conclude()
    if failed:
        sys.exit(1)


def bench() -> None:
    """`snn-zo-bench`, `python -m snn_zo.bench`: training steps side by side; exit code 1 if a number is refused."""
    keep_open()
    _start("bench", _bench_job)
    _require_shown()


def describe() -> None:
    """`python -m snn_zo.data describe data=...`: what is in a data set, as a table and a page."""
    keep_open()
    if sys.argv[1:2] != ["describe"]:
        print(
            "usage: python -m snn_zo.data describe [data=NAME] [data.KEY=VALUE ...]    a table, and a page of figures"
        )
        sys.exit(0 if "--help" in sys.argv else 1)
    del sys.argv[1]
    _start("train", _describe_job)
    _require_shown()


def _require_one_process() -> None:
    """Without this, each of the processes that a launcher starts would do the same run."""
    if "LOCAL_RANK" in os.environ:
        _fail("one process is to be started, without torchrun: trainer.devices=2 starts as many as there are devices")
    for name in RANKS:
        if os.environ.get(name, "0") not in ("", "0"):
            _fail(
                f"{name}={os.environ[name]}: srun, mpirun or the like has started several of these, which would all do "
                "the same run. Start one: trainer.devices=2 takes two devices, -m seed=0,1 does two runs. Where each "
                f"has settings of its own, unset {name}"
            )


def _require_no_trainer_variables() -> None:
    """Lightning takes them for arguments of its Trainer, and nothing would say so."""
    for name, value in os.environ.items():
        if name.startswith("PL_TRAINER_") and value:
            setting = name.removeprefix("PL_TRAINER_").lower()
            _fail(f"{name}={value} is set in the environment: unset it, and give trainer.{setting}={value} to a run")


def _wait_asleep() -> None:
    """Let torch's idle threads sleep: where they spin, a second process on the machine slows a step down tenfold."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _start(config_name: str, job: Callable[[DictConfig], Any], may_sweep: bool = False) -> None:
    """Hand over to Hydra."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else hydra prints and exits before the line below can be written
    logging.raiseExceptions = False  # a full disk is said once, not with every log record
    sys.argv[1:] = map(as_typed, sys.argv[1:])
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
        composed = Composed.of(config)
        folder = _resumed(composed.settings, overrides) if composed.settings.resume else None
        from snn_zo import experiment
    except EXPECTED as error:
        _fail(explain(error))
    try:
        if folder:
            return experiment.resume(folder, config if any(map(_is_of_logger, overrides)) else None)
        return experiment.run(composed, study_name(hydra_config), overrides)
    except (*EXPECTED, experiment.RunFailed) as error:
        _fail(explain(error))
    except OSError as error:
        if folder:
            _fail(f"{_words(error)}; to go on with a run, its folder has to be writable")
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

        description.run(dataset, config.dataset, expanded(config.outputs) / "data" / config.dataset)
    except EXPECTED as error:
        _fail(explain(error))
    except OSError as error:
        _fail_for_want_of_a_place(error)


def _resumed(settings: TrainSettings, overrides: list[str]) -> Path:
    """The run folder that `resume=` names."""
    from snn_zo.runs.folder import RunFolder

    others = [each for each in overrides if not each.startswith(("resume=", "outputs=")) and not _is_of_logger(each)]
    if others:
        raise ConfigError(f"resume takes all settings but logger from the run folder: drop {' '.join(others)}")
    if settings.resume != "latest":
        return expanded(settings.resume or "")
    try:
        return RunFolder.latest(expanded(settings.outputs)).path
    except FileNotFoundError as error:
        raise ConfigError(f"resume=latest: {error}") from error


def _is_of_logger(override: str) -> bool:
    return override.lstrip("+~").startswith(("logger=", "logger."))


def evaluate() -> None:
    """`snn-zo-eval run=FOLDER`: test the best checkpoint of a run again."""
    keep_open()
    arguments = sys.argv[1:]
    if len(arguments) != 1 or not arguments[0].startswith("run="):
        print("usage: snn-zo-eval run=FOLDER    test the best checkpoint of a run again")
        sys.exit(0 if arguments == ["--help"] else 1)
    _require_no_trainer_variables()
    _wait_asleep()
    from snn_zo import experiment

    try:
        metrics = experiment.evaluate(expanded(arguments[0].removeprefix("run=")))
    except EXPECTED as error:
        _fail(explain(error))
    except OSError as error:
        _fail(_words(error))
    for name, value in metrics.items():
        print(f"{name}  {value:.6g}")
    _require_shown()


def report() -> None:
    """`snn-zo-report FOLDER ...`: compare the runs in these folders."""
    import argparse

    keep_open()
    parser = argparse.ArgumentParser(prog="snn-zo-report", description="compare runs, by method and settings")
    parser.add_argument("folders", nargs="+", type=expanded, metavar="FOLDER", help="run folders, or folders of them")
    parser.add_argument("--csv", type=expanded, metavar="FILE", help="write a line a run")
    parser.add_argument("--summary", type=expanded, metavar="FILE", help="write a line a variant, as CSV")
    parser.add_argument("--latex", type=expanded, metavar="FILE", help="write a table for LaTeX, with booktabs")
    parser.add_argument(
        "--html", type=expanded, metavar="FILE", help="the dashboard (default: report.html in the first folder)"
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
        _fail(f"{_words(error)}; --html FILE puts the dashboard elsewhere, --no-html leaves it out")
    _require_shown()


def _require_shown() -> None:
    """A command whose result is what it prints has failed where that did not arrive."""
    if error := lost():
        if not isinstance(error, BrokenPipeError):  # a reader that has had enough knows
            print(f"error: standard output: {error.strerror}", file=sys.stderr)
        sys.exit(1)


def _words(error: OSError) -> str:
    return f"{error.strerror or error}: {error.filename}" if error.filename else str(error.strerror or error)


def _fail_for_want_of_a_place(error: OSError) -> NoReturn:
    _fail(f"{_words(error)}; outputs=FOLDER (or SNN_ZO_OUTPUTS) names another place")


def _fail(message: str) -> NoReturn:
    sys.stdout.flush()  # what was said before comes before
    print(f"error: {said(message)}", file=sys.stderr)
    sys.exit(1)
