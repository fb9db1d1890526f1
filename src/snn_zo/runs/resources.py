"""Whether this machine has what a run folder asks for."""

from __future__ import annotations

import os
from collections.abc import Iterator

from snn_zo.config import Composed, ConfigError
from snn_zo.config.schema import NetworkSettings, TrainSettings
from snn_zo.runs.process import processes

WORD = 4
"""Bytes of a weight, of an event or of a random word."""

FEW = 8
"""Processes that any machine can start."""


def require_resources(composed: Composed) -> None:
    """Check how many processes and how much memory a run takes, before it takes them.

    Raises:
        ConfigError: more than there is.
    """
    settings, config = composed.settings, composed.config
    most = max(os.cpu_count() or 1, FEW)
    for name, count in (("data.workers", settings.data.workers), ("trainer.devices", processes(config))):
        if count > most:
            raise ConfigError(f"{name} is {count}, and a run folder may ask for {most} at most on this machine")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name, words in _sizes(settings):
        if WORD * words > memory:
            need, there = (f"{size / 1e9:.3g} GB" for size in (WORD * words, memory))
            raise ConfigError(f"{name} would take {need} and more, and this machine has {there}")


def _sizes(settings: TrainSettings) -> Iterator[tuple[str, int]]:
    """What makes a run large, each with the words that it takes at least."""
    data, model = settings.data, settings.model
    if isinstance(model, NetworkSettings):
        sizes = model.sizes(data.in_shape)
        yield f"model.{model.sized_by}", max(sizes.weights + sizes.last * settings.task.target.outputs, sizes.neurons)
    yield "data.batch_size times data.steps", data.batch_size * data.steps
    yield "data.samples", getattr(data, "classes", 1) * getattr(data, "samples", 0) * data.inputs
    yield "data.targets", getattr(data, "targets", 1) * getattr(data, "samples", 0)
    yield "strategy.pool", getattr(settings.strategy, "pool", 0)
    for name, own in model.layers.items() if isinstance(model, NetworkSettings) else ():
        yield f"model.layers.{name}.strategy.pool", getattr(own.strategy, "pool", 0)
