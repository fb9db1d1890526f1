"""What a config that came with a run folder may say: a folder from a stranger must not be able to run code."""

from __future__ import annotations

import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, entry_points, packages_distributions, requires
from typing import Any

import yaml  # type: ignore[import-untyped]
from omegaconf import DictConfig, ListConfig, OmegaConf

from snn_zo.config.build import ConfigError
from snn_zo.config.limits import LIGHTNING_CALLBACKS
from snn_zo.config.sources import STRATEGIES, root
from snn_zo.untrusted import line

GROUPS = ("strategy", "data", "model", "loss", "optim", "trainer", "regularizer")
"""What every run's config has."""

LIGHTNING = {f"lightning.pytorch.callbacks.{name}" for name in LIGHTNING_CALLBACKS}
"""Lightning's callbacks that neither write files of their own nor connect to anything."""

_OWN = ("strategy", "data", "model", "loss", "optim", "schedule", "callbacks")
"""Groups in which a package of the user's own can have something."""

_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")

Place = tuple[str, ...]


def require_trusted(config: DictConfig | ListConfig) -> None:
    """Check a config before anything in it is resolved, imported or made.

    In each place it may name what our own `conf/` names there, `LIGHTNING` among the callbacks, torch's optimizers and
    schedulers in `optim` and `schedule`, strategies that an installed package offers in `strategy`, and whatever is
    defined in the user's own packages that are listed, separated by commas, in the environment variable SNN_ZO_TRUST.

    Raises:
        ConfigError: it names something else, lacks a group, or holds interpolations, which a run's config is written
            without, or arguments by position.
    """
    content = OmegaConf.to_container(config, resolve=False)
    for place, key, value in _items(content, ()):
        if "${" in f"{key} {value}":
            raise ConfigError(f"config.yaml holds {_quoted(value)}, which a run folder may not: it is written resolved")
        if key in ("_args_", "_recursive_") or (key == "_partial_" and place not in (("optim",), ("schedule",))):
            raise ConfigError(f"config.yaml holds {'.'.join((*place, key))}, which a run folder may not")
        if key == "_target_" and not _belongs(value, place):
            raise ConfigError(
                f"config.yaml names {_quoted(value)} as {_quoted('.'.join(place))}, which a run folder may not"
                f"{_advice(value, place)}"
            )
    for group in GROUPS:
        if not isinstance(content, dict) or not isinstance(content.get(group), dict):
            raise ConfigError(f"config.yaml is not a run's config: {group} must be a group of settings")


def _items(node: object, place: Place) -> Iterator[tuple[Place, str | None, Any]]:
    """Places, keys and values at any depth; a `_target_` comes with whatever it is, everything else as plain values."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "_target_":
                yield place, key, value if isinstance(value, str) else repr(value)
            else:
                yield place, str(key), None
                yield from _items(value, (*place, str(key)))
    elif isinstance(node, list):
        for item in node:
            yield from _items(item, (*place, "[]"))
    else:
        yield place, None, node


def _belongs(target: str, place: Place) -> bool:
    """Whether what is named can be had in that place."""
    module, _, name = target.rpartition(".")
    if target in _presets().get(_kind(place), ()) or (
        place and place[0] in _OWN and "[]" not in place and _is_own(target)
    ):
        return True
    if _kind(place) == ("strategy",):
        return target in {entry.value.replace(":", ".") for entry in entry_points(group=STRATEGIES)}
    if place in (("optim",), ("schedule",)):
        return _is_of_torch(module, name, place[0])
    return _kind(place) == ("callbacks", "*") and target in LIGHTNING


@cache
def _presets() -> defaultdict[Place, set[str]]:
    """What the presets of `conf/` name, by the kind of place."""
    found: defaultdict[Place, set[str]] = defaultdict(set)
    presets = root() / "conf"
    for path in presets.glob("*/**/*.yaml"):
        # what is in a folder `base` is for the place of whoever includes it
        group = tuple(part for part in path.relative_to(presets).parent.parts if part != "base")
        if group[0] == "hydra":
            continue
        for place, key, value in _items(yaml.load(path.read_text(), Loader=yaml.CSafeLoader), group):
            if key == "_target_":
                found[_kind(place)].add(value)
    found["callbacks", "*", "table"] = found["energy",]
    found["trainer",].add("lightning.pytorch.Trainer")
    return found


def _kind(place: Place) -> Place:
    """Places that hold the same kind of thing, as one: strategies consist of strategies, callbacks have any name."""
    if place[:2] == ("model", "layers") and place[3:4] == ("strategy",):
        place = place[3:]
    if place[:1] == ("strategy",) and "[]" not in place:
        return ("strategy",)
    return ("callbacks", "*", *place[2:]) if place[:1] == ("callbacks",) and len(place) > 1 else place


def _is_name(target: object) -> bool:
    return isinstance(target, str) and _NAME.fullmatch(target) is not None


def _is_of_torch(module: str, name: str, group: str) -> bool:
    """Whether it is a class of torch.optim or torch.optim.lr_scheduler that makes steps."""
    if module != {"optim": "torch.optim", "schedule": "torch.optim.lr_scheduler"}[group]:
        return False
    from torch import optim

    base = optim.Optimizer if group == "optim" else optim.lr_scheduler.LRScheduler
    found = getattr(optim if group == "optim" else optim.lr_scheduler, name, None)
    return isinstance(found, type) and issubclass(found, base)


def _is_own(target: str) -> bool:
    """Whether it is defined in a package of SNN_ZO_TRUST, and not only imported there."""
    listed = {name.strip() for name in os.environ.get("SNN_ZO_TRUST", "").split(",")}
    package = target.partition(".")[0]
    if not _is_name(target) or package not in listed or not _may_be_own(package):
        return False
    module, _, name = target.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError):
        return False
    home = str(getattr(found, "__module__", "")).partition(".")[0]
    return home in listed and _may_be_own(home)


@cache
def _may_be_own(package: str) -> bool:
    """Whether a package can be the user's: not of Python, and installed only if it requires this one."""
    if package in sys.stdlib_module_names or package in ("snn_zo", "hydra_plugins"):
        return False
    return all(map(_requires_us, packages_distributions().get(package, ())))


def _requires_us(distribution: str) -> bool:
    try:
        return any(re.match(r"snn[-_.]zo\b", each, re.IGNORECASE) for each in requires(distribution) or ())
    except PackageNotFoundError:
        return False


def _advice(target: str, place: Place) -> str:
    if not _is_name(target):
        return ": it is no name"
    package = target.partition(".")[0]
    if place and place[0] in _OWN and _may_be_own(package):
        return f": if {package} is your own, set SNN_ZO_TRUST={package}"
    return ""


def _quoted(value: object) -> str:
    """As one line of bounded length."""
    return (line(str(value)) or repr(value))[:200]
