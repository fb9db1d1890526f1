"""What a config that came with a run folder may say: a folder from a stranger must not be able to run code."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from snn_zo.config.build import ConfigError
from snn_zo.config.sources import STRATEGIES, root

LIGHTNING = {
    "lightning.Trainer",
    "lightning.pytorch.Trainer",
    *(
        f"lightning.pytorch.callbacks.{name}"
        for name in (
            *("DeviceStatsMonitor", "EarlyStopping", "GradientAccumulationScheduler", "LearningRateMonitor"),
            *("ModelSummary", "RichModelSummary", "RichProgressBar", "StochasticWeightAveraging", "TQDMProgressBar"),
        )
    ),
}
"""Lightning's classes that neither write files of their own nor connect to anything."""

_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


def require_trusted(config: DictConfig | ListConfig) -> None:
    """Check a config before anything in it is resolved, imported or made.

    It may name the targets that our own `conf/` names, `LIGHTNING`, torch's optimizers and schedulers, strategies
    that an installed package offers, and whatever is defined in the packages that the user lists, separated by commas,
    in the environment variable SNN_ZO_TRUST.

    Raises:
        ConfigError: it names something else, or holds interpolations, which a run's config is written without.
    """
    content = OmegaConf.to_container(config, resolve=False)
    allowed = LIGHTNING | _preset_targets()
    allowed |= {entry.value.replace(":", ".") for entry in entry_points(group=STRATEGIES)}
    for key, value in _items(content):
        if key == "_target_" and value not in allowed and not (_is_optimizer(value) or _is_own(value)):
            package = str(value).partition(".")[0]
            advice = f"if you trust it, set SNN_ZO_TRUST={package}" if _is_name(value) else "it is no name"
            raise ConfigError(f"config.yaml names {_quoted(value)}, which a run folder may not: {advice}")
    for key, value in _items(content):
        if "${" in f"{key} {value}":
            raise ConfigError(f"config.yaml holds {_quoted(value)}, which a run folder may not: it is written resolved")


def _items(node: Any) -> Iterator[tuple[Any, Any]]:
    """Keys and values at any depth; a `_target_` comes with whatever it is, everything else as plain values."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "_target_":
                yield key, value if isinstance(value, str) else repr(value)
            else:
                yield key, None
                yield from _items(value)
    elif isinstance(node, list):
        for item in node:
            yield from _items(item)
    else:
        yield None, node


def _preset_targets() -> set[str]:
    """Every `_target_` in `conf/`."""
    presets = root() / "conf"
    texts = (path.read_text() for path in presets.rglob("*.yaml") if not path.is_relative_to(presets / "hydra"))
    return {target for text in texts for target in re.findall(r"^\s*_target_: (\S+)", text, re.MULTILINE)}


def _is_name(target: Any) -> bool:
    return isinstance(target, str) and _NAME.fullmatch(target) is not None


def _is_optimizer(target: str) -> bool:
    """Whether it is a class of torch.optim or torch.optim.lr_scheduler that makes steps."""
    from torch import optim

    module, _, name = target.rpartition(".")
    bases = {"torch.optim": optim.Optimizer, "torch.optim.lr_scheduler": optim.lr_scheduler.LRScheduler}
    found = getattr(optim if module == "torch.optim" else optim.lr_scheduler, name, None)
    return module in bases and isinstance(found, type) and issubclass(found, bases[module])


def _is_own(target: str) -> bool:
    """Whether it is defined in a package of SNN_ZO_TRUST, and not only imported there."""
    own = {name.strip() for name in os.environ.get("SNN_ZO_TRUST", "").split(",")}
    if not _is_name(target) or target.partition(".")[0] not in own:
        return False
    module, _, name = target.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError):
        return False
    return str(getattr(found, "__module__", "")).partition(".")[0] in own


def _quoted(value: Any) -> str:
    """As one line of bounded length."""
    text = str(value)
    return text if text.isprintable() and len(text) < 200 else repr(text[:200])
