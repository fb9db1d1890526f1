"""Settings of Hydra's own that would change nothing here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hydra.conf import HydraConf
from hydra.experimental.callback import Callback
from omegaconf import OmegaConf

from snn_zo.config.build import ConfigError

_PLACES = "a run's folder is <outputs>/<study>/<name>: set outputs=, study= or name="
_VARIABLES = "set the variable in the shell, for all jobs: NAME=VALUE python train.py -m ..."
_UNTOUCHED = {
    "run.dir": (".", _PLACES),
    "sweep.subdir": (".", _PLACES),
    "output_subdir": (None, _PLACES),
    "job.chdir": (False, _PLACES),
    "job.name": ("snn_zo", _PLACES),
}
_OF_JOBS: dict[str, tuple[object, str]] = {"job.env_set": ({}, _VARIABLES), "job.env_copy": ([], _VARIABLES)}


def require_effect(hydra: HydraConf, outputs: str) -> None:
    """Check that Hydra's settings say nothing about places, as runs have folders of their own.

    Args:
        hydra: Hydra's own config.
        outputs: folder of all studies.

    Raises:
        ConfigError: a setting would be ignored.
    """
    _require(hydra, _UNTOUCHED | {"sweep.dir": (outputs, _PLACES)})


def require_effect_on_jobs(hydra: HydraConf, callbacks: list[Callback]) -> None:
    """Check, for a sweep, that nothing is to be done around each job: they are processes, elsewhere perhaps.

    Args:
        hydra: Hydra's own config.
        callbacks: Hydra's.

    Raises:
        ConfigError: a setting would be ignored.
    """
    _require(hydra, _OF_JOBS)
    for callback in callbacks:
        for name in ("on_job_start", "on_job_end"):
            if getattr(type(callback), name) is not getattr(Callback, name):
                raise ConfigError(
                    f"hydra.callbacks: {name} of {type(callback).__name__} is not called in a sweep, whose jobs are "
                    "processes of their own: use on_multirun_start and on_multirun_end, or a callback of the trainer"
                )


def _require(hydra: Any, untouched: Mapping[str, tuple[object, str]]) -> None:
    for name, (value, instead) in untouched.items():
        if OmegaConf.select(hydra, name) != value:
            raise ConfigError(f"hydra.{name} has no effect here: {instead}")
