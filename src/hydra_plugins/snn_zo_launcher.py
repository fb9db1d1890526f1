"""Hydra's way to the jobs of a sweep. Hydra looks for plugins in this package, and imports all of them each time."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict

from snn_zo.config import ConfigError
from snn_zo.config.command_line import as_choice
from snn_zo.config.names import automatic_name, require_name
from snn_zo.config.sources import study_name
from snn_zo.config.without_effect import require_effect, require_effect_on_jobs
from snn_zo.places import expanded, require_folder


class SweepLauncher(Launcher):
    """Hands the jobs that a sweeper has made to a `snn_zo.sweep.Sweep`, in place of calling the task function.

    All jobs are composed and checked before the first one begins. A job that fails has no return value, which Hydra's
    own sweepers and Optuna's take as what it is: no reason to end the sweep.

    Args:
        engine: dotted name of the engine's class, see `snn_zo.sweep.engines`.
        settings: of the engine.
    """

    sweep: Any = None
    """Of this process; None where no job was launched."""

    def __init__(self, engine: str, **settings: Any) -> None:
        self.engine, self.settings = engine, settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """See Hydra."""
        self.context, self.config = hydra_context, config
        for name in ("optuna", "hydra_plugins.hydra_optuna_sweeper"):  # a job that failed has been said
            logging.getLogger(name).setLevel(logging.ERROR)
        directions = config.hydra.sweeper.get("direction")
        number = len(directions) if isinstance(directions, ListConfig) else 1
        if directions and number != len(config.objectives):
            raise ConfigError(f"objectives={config.objectives}: hydra.sweeper.direction has {number}")
        require_effect(config.hydra, config.outputs)
        require_effect_on_jobs(config.hydra, hydra_context.callbacks.callbacks)
        # as they were written: an interpolation is a job's to resolve
        hydra: Any = OmegaConf.to_container(config.hydra, resolve=False)
        params = hydra["sweeper"].get("params") or {}
        given = [*(f"{name}={value}" for name, value in params.items()), *hydra["overrides"]["task"]]
        _let_groups_be_null(hydra_context.config_loader)
        parsed = OverridesParser.create(hydra_context.config_loader).parse_overrides(given)
        self._overrides = {override.get_key_element(): override for override in parsed}
        self._study = self._study_of_all()
        # what sweepers write of their own goes to the study's folder, which Hydra makes before it asks for a job
        config.hydra.sweep.dir = str(_folder(config.outputs, config.study) / str(config.study or self._study))

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """See Hydra."""
        from snn_zo.sweep.sweep import Sweep

        setup_globals()
        jobs = [self._compose(list(overrides), initial_job_idx + i) for i, overrides in enumerate(job_overrides)]
        if SweepLauncher.sweep is None:
            SweepLauncher.sweep = Sweep(self._engine(), self.config.hydra.sweeper.get("n_trials"))
        SweepLauncher.sweep.run(jobs)
        return [
            JobReturn(overrides=job.overrides, cfg=job.config, status=JobStatus.COMPLETED, _return_value=job.result())
            for job in jobs
        ]

    def _engine(self) -> Any:
        from hydra.utils import get_class

        try:
            return get_class(self.engine)(**self.settings)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"hydra.launcher: {error}") from error

    def _compose(self, overrides: list[str], number: int) -> Any:
        """A job, with its config checked."""
        from snn_zo.config import Composed
        from snn_zo.sweep.jobs import Job

        config = self.context.config_loader.load_sweep_config(self.config, overrides)
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
        HydraConfig.instance().set_config(config)
        task = deepcopy(config)
        with open_dict(task):
            del task["hydra"]
        composed = Composed.of(task)
        if composed.settings.resume:
            raise ConfigError(
                "resume= goes on with one run, without -m; a sweep goes on by itself when it is started again"
            )
        OmegaConf.resolve(task)  # while `hydra:` is this job's
        fixed = {name for name, override in self._overrides.items() if not override.is_sweep_override()}
        swept = [override for override in overrides if override.partition("=")[0] not in fixed]
        return Job(overrides, swept, composed, self._study)

    def _study_of_all(self) -> str:
        """`study_name`, where what it goes by may be swept: `digits+shd`."""
        for group in ("sweeps", "experiment", "data"):
            override = self._overrides.get(group)
            if override and override.is_discrete_sweep():
                return automatic_name("+".join(sorted(set(override.sweep_string_iterator()))))
            if self.config.hydra.runtime.choices.get(group):
                break
        return study_name(self.config.hydra)


def _folder(outputs: Any, study: Any) -> Path:
    """That of all studies, once it and the study's name have been checked."""
    try:
        require_folder("outputs", str(outputs), "SNN_ZO_OUTPUTS")
        if study is not None:
            require_name("study", str(study))
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return expanded(str(outputs))


def _let_groups_be_null(loader: ConfigLoader) -> None:
    """Have what composes the jobs of a sweep understand `schedule=null`, as the command line does."""
    compose, groups = loader.load_sweep_config, loader.list_groups("")
    loader.load_sweep_config = lambda master_config, sweep_overrides: compose(  # type: ignore[method-assign]
        master_config, [as_choice(override, groups) for override in sweep_overrides]
    )
