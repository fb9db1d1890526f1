"""The settings of a benchmark; nothing here loads torch."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any, Literal, NamedTuple, get_args

import hydra
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from snn_zo.config import ConfigError, build
from snn_zo.config.names import require_name
from snn_zo.network import Shape, parts, shapes
from snn_zo.neuron import Neuron, Readout
from snn_zo.places import require_folder
from snn_zo.strategies import Strategy

PEERS = ("loop", "unbind", "snntorch", "spikingjelly")
Axis = Literal["active", "density", "steps", "hidden", "channels", "size", "batch"]
AXES: tuple[Axis, ...] = get_args(Axis)
FRACTIONS: tuple[Axis, ...] = ("active", "density")
"""The axes along which a case moves a share of all elements."""
WIDTHS: dict[str, str] = {"hidden": r"^\d+$", "channels": r"^\d+(?=c)"}
"""What an axis replaces in the layers of a network as they are written."""
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

    inputs: int | list[int]
    hidden: list[Any]
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
        for name in ("classes", "batch", "steps", "rounds", "peer_slope"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be a positive number, got {getattr(self, name):g}")
        for name, least in (("warmup", 0), ("seed", 0), ("threads", 1)):
            if getattr(self, name) is not None and getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
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
        self._require_network()
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
            kind = int | float if axis in FRACTIONS else int
            if not isinstance(values, list) or not all(isinstance(value, kind) for value in values):
                raise ValueError(f"sweep.{axis} must be a list of numbers, got '{values}'")
            cases += [Case(axis, value, replace(fixed, **self._moved(axis, value))) for value in values]
        return cases

    @property
    def in_shape(self) -> Shape:
        """(N_in,) or (C, H, W)."""
        return (self.inputs,) if isinstance(self.inputs, int) else tuple(self.inputs)

    @property
    def neurons(self) -> list[int]:
        """Number of neurons of each hidden layer."""
        layers = parts(self.hidden)
        return [
            math.prod(shape) for part, shape in zip(layers, shapes(layers, self.in_shape), strict=True) if part.spikes
        ]

    def _require_network(self) -> None:
        if not isinstance(self.inputs, int | list) or len(self.in_shape) not in (1, 3) or min(self.in_shape) < 1:
            raise ValueError(f"inputs must be a positive number or channels, rows and columns, got {self.inputs}")
        if not isinstance(self.hidden, list) or not self.hidden:
            raise ValueError(f"hidden must name at least one layer, got '{self.hidden}'")
        try:
            shapes(parts(self.hidden), self.in_shape)
        except ValueError as error:
            raise ValueError(f"hidden: {error}") from error

    def _moved(self, axis: str, value: float) -> dict[str, Any]:
        """The settings that are others at a point of an axis."""
        if axis == "density":
            return {"input_rate": value, "spike_rate": value}
        channels, *sizes = self.in_shape
        if axis in ("channels", "size") and not sizes:
            raise ValueError(f"sweep.{axis} needs inputs of channels, rows and columns, got {self.inputs}")
        if axis == "hidden":
            return {"hidden": self._widened(axis, value)}
        if axis == "channels":
            return {"inputs": [value, *sizes], "hidden": self._widened(axis, value)}
        return {"inputs": [channels, value, value]} if axis == "size" else {axis: value}

    def _widened(self, axis: str, value: float) -> list[Any]:
        """The layers with another number of neurons or channels each."""
        moved, count = re.subn(WIDTHS[axis], str(value), "\n".join(map(str, self.hidden)), flags=re.MULTILINE)
        if not count:
            raise ValueError(f"sweep.{axis} finds nothing to move in hidden={self.hidden}")
        return [int(layer) if layer.isdigit() else layer for layer in moved.split("\n")]


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
