"""The settings of a benchmark; nothing here loads torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any, NamedTuple

import hydra
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from snn_zo.config import ConfigError, build
from snn_zo.config.names import require_name
from snn_zo.neuron import Neuron, Readout
from snn_zo.places import require_folder
from snn_zo.strategies import Strategy

PEERS = ("loop", "unbind", "snntorch", "spikingjelly")
AXES = ("active", "steps", "hidden", "batch")
DEVICES = ("cpu", "cuda")


class Case(NamedTuple):
    """One point of a sweep: the axis and the value that it has there, both None without a sweep; or `variant` and its
    name."""

    axis: str | None
    value: float | str | None
    settings: BenchSettings


@dataclass(frozen=True)
class BenchSettings:
    """The root of `conf/bench.yaml`, which says what each setting is."""

    inputs: int
    hidden: list[int]
    classes: int
    batch: int
    steps: int
    input_rate: float
    spike_rate: float
    active: float | None
    neuron: Neuron
    readout: Readout
    strategies: list[Any]
    backends: list[str] | None
    peers: list[str] | None
    peer_slope: float
    peer_limit: int | None
    baseline: str
    rounds: int
    warmup: int
    threads: int | None
    device: str
    memory: bool
    graph: bool
    sweep: dict[str, Any]
    variants: dict[str, Any] | None
    outputs: str
    name: str
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("inputs", "classes", "batch", "steps", "rounds", "peer_slope"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be a positive number, got {getattr(self, name):g}")
        for name, least in (("warmup", 0), ("seed", 0), ("threads", 1)):
            if getattr(self, name) is not None and getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError(f"hidden must name at least one layer of at least one neuron, got {list(self.hidden)}")
        for name, most in (("input_rate", 1), ("spike_rate", 0.5), ("active", 1)):
            value = getattr(self, name)
            if value is not None and not (0 <= value <= most and (value or name == "input_rate")):
                raise ValueError(f"{name} must be a fraction of at most {most}, got {value:g}")
        kinds = (("strategies", list), ("backends", list), ("peers", list), ("sweep", dict), ("variants", dict))
        for name, kind in kinds:
            if not isinstance(getattr(self, name), kind | None):
                raise ValueError(f"{name} must be a {kind.__name__}, got '{getattr(self, name)}'")
        require_known("peers", self.peers or (), PEERS)
        require_known("sweep", self.sweep, AXES)
        require_known("device", [self.device], DEVICES)
        require_folder("outputs", self.outputs, "SNN_ZO_OUTPUTS")
        require_name("name", self.name)
        for name, changes in (self.variants or {}).items():
            require_known(f"variants.{name}", changes, [field.name for field in fields(self)])
        self.cases()

    def cases(self) -> list[Case]:
        """The settings of each case: a variant's, or one axis of `sweep` moved while the others stay where they are."""
        fixed = replace(self, sweep={}, variants=None) if any(self.sweep.values()) or self.variants else self
        cases = [Case("variant", name, replace(fixed, **changes)) for name, changes in (self.variants or {}).items()]
        if not any(self.sweep.values()):
            return cases or [Case(None, None, self)]
        for axis, values in self.sweep.items():
            kind = int | float if axis == "active" else int
            if not isinstance(values, list) or not all(isinstance(value, kind) for value in values):
                raise ValueError(f"sweep.{axis} must be a list of numbers, got '{values}'")
            for value in values:
                moved: Any = [value] * len(self.hidden) if axis == "hidden" else value
                cases.append(Case(axis, value, replace(fixed, **{axis: moved})))
        return cases


def require_known(field: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raise ValueError with the nearest known name for the first name that is not known."""
    known = list(known)
    for name in names:
        if name not in known:
            near = get_close_matches(str(name), known, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ValueError(f"{field}: there is no '{name}'; {hint}choose from {', '.join(known)}")


def load_strategies(items: list[Any]) -> dict[str, Strategy]:
    """Strategies by name, from the config group `strategy`.

    Args:
        items: names, or {name: {setting: value}} to change settings, which then become part of the name.

    Raises:
        ConfigError: a name or setting is unknown, or a value impossible.
    """
    strategies: dict[str, Strategy] = {}
    for item in items:
        changes = item if isinstance(item, dict) else {item: {}}
        for name, settings in changes.items():
            label = f"{name}({','.join(f'{key}={value}' for key, value in settings.items())})" if settings else name
            strategies[label] = _load(name, settings)
    return strategies


def _load(name: str, settings: dict[str, Any]) -> Strategy:
    loader = GlobalHydra.instance().config_loader()
    try:
        require_known("strategies", [name], loader.get_group_options("strategy"))
    except ValueError as error:
        raise ConfigError(str(error)) from error
    node = hydra.compose(f"strategy/{name}").strategy
    OmegaConf.set_struct(node, False)  # build has the better answer to an unknown key
    node = OmegaConf.merge(node, settings)
    assert isinstance(node, DictConfig)
    strategy: Strategy = build(node, f"strategies.{name}")
    return strategy
