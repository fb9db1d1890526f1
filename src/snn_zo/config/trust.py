"""What a config that came with a run folder may name: a folder from a stranger must not be able to run code."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from omegaconf import DictConfig, ListConfig

from snn_zo.config.build import ConfigError

PACKAGES = ("snn_zo", "torch", "lightning", "torchmetrics")
"""Packages whose building blocks may be named; SNN_ZO_TRUST (comma-separated) adds packages of the user's own."""


def require_trusted(config: DictConfig | ListConfig) -> None:
    """Check every `_target_` of a config.

    Raises:
        ConfigError: one is neither a building block of a known package nor in a package named by SNN_ZO_TRUST.
    """
    own = tuple(name for name in os.environ.get("SNN_ZO_TRUST", "").split(",") if name)
    for target in _targets(config):
        package = str(target).partition(".")[0]
        if package not in own and not (package in PACKAGES and _is_building_block(str(target))):
            raise ConfigError(
                f"config.yaml names {target}, which a run folder may not: if you trust it, set SNN_ZO_TRUST={package}"
            )


def _targets(node: Any) -> Iterator[Any]:
    if isinstance(node, DictConfig):
        for key in node:
            if key == "_target_":
                yield node[key]
            else:
                yield from _targets(node[key])
    elif isinstance(node, ListConfig):
        for item in node:
            yield from _targets(item)


def _is_building_block(target: str) -> bool:
    """Whether a target is defined where it is named from (and not os.system by way of torch.os.system), and is one
    of our own objects or a class that a config has a use for."""
    import lightning
    import torch
    import torchmetrics
    from lightning.pytorch.loggers import Logger

    module, _, name = target.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        return False
    home = str(getattr(found, "__module__", "")).partition(".")[0]
    if home == "snn_zo":
        return callable(found)
    useful = (
        torch.nn.Module,
        torch.optim.Optimizer,
        torch.optim.lr_scheduler.LRScheduler,
        lightning.Trainer,
        lightning.Callback,
        Logger,
        torchmetrics.Metric,
    )
    return home in PACKAGES and isinstance(found, type) and issubclass(found, useful)
