"""Commands whose settings Hydra composes: training, benchmarks, descriptions of data."""

from __future__ import annotations

import dataclasses
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from snn_zo.bench.settings import BenchSettings, load_strategies
from snn_zo.cli.help import text, wanted
from snn_zo.cli.pages import BENCH, DESCRIBE, TRAIN, Page
from snn_zo.cli.surroundings import let_idle_threads_sleep, require_no_trainer_variables, require_one_process
from snn_zo.config import Composed, ConfigError, build
from snn_zo.config.command_line import arranged
from snn_zo.config.literal import as_typed
from snn_zo.config.mistakes import EXPECTED, explain, is_of_hydra
from snn_zo.config.names import DASHBOARD
from snn_zo.config.schema import DataSettings, TrainSettings
from snn_zo.config.sources import choices, register, root, study_name
from snn_zo.config.without_effect import require_effect
from snn_zo.exits import fail, reason, require_printed
from snn_zo.places import expanded
from snn_zo.screen import keep_open

ELSEWHERE = "outputs=FOLDER (or SNN_ZO_OUTPUTS) names another place"


def train() -> None:
    """`snn-zo train`, `python train.py`: one run, or a sweep with -m; exit code 1 and one line on a mistake."""
    keep_open()
    require_one_process()
    require_no_trainer_variables()
    let_idle_threads_sleep()
    failed = 0
    try:
        _start("train", _train, TRAIN, may_sweep=True)
    except KeyboardInterrupt:
        fail("stopped by a signal")
    finally:
        # however it ended: what its jobs have shown
        from hydra_plugins.snn_zo_launcher import SweepLauncher

        if SweepLauncher.sweep:
            failed = SweepLauncher.sweep.conclude()
    if failed:
        sys.exit(1)


def bench() -> None:
    """`snn-zo bench`, `python -m snn_zo.bench`: training steps side by side; exit code 1 if a number is refused."""
    keep_open()
    _start("bench", _bench, BENCH)
    require_printed()


def describe() -> None:
    """`snn-zo data describe`, `python -m snn_zo.data describe`: what is in a data set, as a table and a page."""
    keep_open()
    if sys.argv[1:2] != ["describe"]:
        print("usage: snn-zo data describe [data=NAME] [data.KEY=VALUE ...]    a table, and a page of figures")
        sys.exit(0 if {"--help", "-h"} & {*sys.argv} else 1)
    del sys.argv[1]
    _start("train", _describe, DESCRIBE)
    require_printed()


def _start(config_name: str, job: Callable[[DictConfig], float | None], page: Page, may_sweep: bool = False) -> None:
    """Hand over to Hydra, which calls the job with a config, or for a sweep the launcher with many."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else hydra prints and exits before the line below can be written
    logging.raiseExceptions = False  # a full disk is said once, not with every log record
    sys.argv[1:] = map(as_typed, sys.argv[1:])
    try:
        sys.argv[1:] = arranged(sys.argv[1:], may_sweep)
    except ConfigError as error:
        fail(str(error))
    register(sys.argv[1:])
    if wanted(sys.argv[1:]):
        with _errors_in_one_line():
            print(text(page, config_name, sys.argv[1:]))
        require_printed()
        sys.exit()
    main = hydra.main(version_base="1.3", config_path=str(root() / "conf"), config_name=config_name)(job)
    try:
        with _errors_in_one_line():
            main()
    except Exception as error:
        if not is_of_hydra(error):
            raise
        fail(f"Hydra cannot use this command line: {explain(error)}")


@contextmanager
def _errors_in_one_line(*expected: type[Exception], advice: str = ELSEWHERE) -> Iterator[None]:
    """Around a job too, since exiting there keeps Hydra from adding lines of its own.

    Args:
        expected: exceptions that are the user's to mend, besides those of settings and data.
        advice: what to do where a file cannot be read or written.
    """
    mistakes: tuple[type[Exception], ...] = (*EXPECTED, *expected)
    try:
        yield
    except mistakes as error:
        fail(explain(error))
    except OSError as error:
        fail(f"{reason(error)}; {advice}")


def _train(config: DictConfig) -> float:
    """One run; returns its objective."""
    hydra_config = HydraConfig.get()
    overrides = [str(override) for override in hydra_config.overrides.task]
    with _errors_in_one_line():
        require_effect(hydra_config, config.outputs)
        if hydra_config.mode == RunMode.MULTIRUN:
            names = ", ".join(choices("hydra/launcher"))
            raise ConfigError(f"hydra/launcher: choose from {names}, which know run folders")
        composed = Composed.of(config)
        extends = any(override.lstrip("+").startswith("trainer.max_epochs=") for override in overrides)
        folder = _to_resume(composed.settings, overrides, extends) if composed.settings.resume else None
        from snn_zo import experiment
    if folder and extends:
        with (
            _page_kept_up(_study_of_longer(folder, composed.settings, overrides)),
            _errors_in_one_line(experiment.RunFailed),
        ):
            return experiment.extend(folder, config, overrides)
    if folder:
        advice = "to go on with a run, its folder has to be writable"
        with _page_kept_up(folder.parent), _errors_in_one_line(experiment.RunFailed, advice=advice):
            return experiment.resume(folder, config if any(map(_is_about_logger, overrides)) else None)
    study = composed.settings.study or study_name(hydra_config)
    folder_of_study = expanded(composed.settings.outputs) / study
    with _page_kept_up(folder_of_study), _errors_in_one_line(experiment.RunFailed):
        return experiment.run(composed, study, overrides)


@contextmanager
def _page_kept_up(study: Path) -> Iterator[None]:
    """Around a run: where the study has a page already, it is written anew, however the run ended."""
    try:
        yield
    finally:
        if (study / DASHBOARD).is_file():
            from snn_zo.report.study import write_study

            try:
                write_study(study)
            except Exception as error:  # of a run whose results are saved
                print(f"error: {study / DASHBOARD} is what it was: {reason(error)}", file=sys.stderr)


def _study_of_longer(folder: Path, settings: TrainSettings, overrides: list[str]) -> Path:
    """The study of the run that extends the one in a folder: that of the latter, as far as nothing else is said."""
    elsewhere = any(override.lstrip("+").startswith("outputs=") for override in overrides)
    outputs = expanded(settings.outputs) if elsewhere else folder.parent.parent
    return outputs / (settings.study or folder.parent.name)


def _bench(config: DictConfig) -> None:
    """One benchmark."""
    with _errors_in_one_line():
        require_effect(HydraConfig.get(), config.outputs)
        settings = build(config, "", BenchSettings)
        strategies = load_strategies(settings.strategies)
        from snn_zo.bench import suite

        complete = suite.run(settings, strategies, config)
    if not complete:
        sys.exit(1)


def _describe(config: DictConfig) -> None:
    """One page."""
    with _errors_in_one_line():
        require_effect(HydraConfig.get(), config.outputs)
        if config.get("data"):
            OmegaConf.resolve(config.data)  # while the settings are there that those of the data may refer to
        fields = [field.name for field in dataclasses.fields(DataSettings)]
        settings = build(OmegaConf.masked_copy(config, fields), "", DataSettings)
        from snn_zo.data import description

        folder = expanded(settings.outputs) / "data" / settings.dataset
        description.run(settings.data, settings.dataset, folder)


def _to_resume(settings: TrainSettings, overrides: list[str], extends: bool) -> Path:
    """The run folder that `resume=` names, where nothing else is said than can be.

    Args:
        settings: of the command line.
        overrides: of the command line.
        extends: whether a completed run is to be trained on.
    """
    from snn_zo.runs.folder import RunFolder

    said = ("resume=", "outputs=", *(("trainer.max_epochs=", "study=", "name=") if extends else ()))
    others = [each for each in overrides if not each.lstrip("+").startswith(said) and not _is_about_logger(each)]
    if others:
        taken = "logger, outputs, study and name" if extends else "logger"
        raise ConfigError(f"resume takes all settings but {taken} from the run folder: drop {' '.join(others)}")
    if settings.resume != "latest":
        return expanded(settings.resume or "")
    try:
        return RunFolder.latest(expanded(settings.outputs)).path
    except FileNotFoundError as error:
        raise ConfigError(f"resume=latest: {error}") from error


def _is_about_logger(override: str) -> bool:
    return override.lstrip("+~").startswith(("logger=", "logger."))
