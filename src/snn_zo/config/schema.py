"""Settings that have no torch-free class of their own to be checked against.

Strategies, neurons and data sets are dataclasses and check themselves; these stand in for the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

from omegaconf import DictConfig

from snn_zo.config.monitors import check_monitors, follow_task, logged_names, require_logged
from snn_zo.config.names import require_name
from snn_zo.config.signature import signature
from snn_zo.data.dataset import EventDataset
from snn_zo.energy import CostTable
from snn_zo.network import CONNECTS, DEPTHS, Pooling, Shape, parts, resnet, shapes, vgg
from snn_zo.neuron import INITS, NORMS, CountReadout, Neuron, Readout
from snn_zo.places import require_folder
from snn_zo.regularizer import SpikeCount
from snn_zo.strategies import Strategy
from snn_zo.strategies.registry import lookup
from snn_zo.tasks import Loss, Task, make_task

_NEED_LOGGER = ("callbacks.DeviceStatsMonitor", "callbacks.LearningRateMonitor")

NEURON = {field.name: field.default for field in fields(Neuron)}
"""Settings of a neuron with their defaults."""

LEAKY = "snn_zo.neuron.Readout"

OF_ONES_OWN = "of_ones_own"
"""Metadata of a field that may hold a class of the user's own: names of the arguments that the platform gives it."""

CALLED_WITH = "called_with"
"""Metadata of a field whose node is for Hydra to call: names of further arguments; None for a mapping of such nodes."""


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """The root of `conf/train.yaml`."""

    strategy: Strategy
    data: EventDataset
    model: NetworkSettings | DictConfig = field(metadata={OF_ONES_OWN: ("in_shape", "outputs", "strategy", "backend")})
    loss: Loss
    optim: DictConfig = field(metadata={CALLED_WITH: ("params",)})
    schedule: DictConfig | None = field(default=None, metadata={CALLED_WITH: ("optimizer", "total_steps")})
    trainer: DictConfig = field(metadata={CALLED_WITH: ()})
    callbacks: Any = field(default=None, metadata={CALLED_WITH: None})
    regularizer: SpikeCount
    logger: DictConfig | None = field(default=None, metadata={CALLED_WITH: ()})
    method: str
    dataset: str
    outputs: str
    seed: int = 0
    backend: str = "auto"
    cuda_graph: bool = False
    rate: float | None = None
    active: float | None = None
    study: str | None = None
    name: str | None = None
    resume: str | None = None
    rerun: str | None = None
    objectives: list[str] = field(default_factory=lambda: ["objective"])
    energy: CostTable | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed must lie in [0, 2^32), got {self.seed}")
        for key, share in (("rate", self.rate), ("active", self.active)):
            if share is not None and not 0 < share < 1:
                raise ValueError(f"{key} must be a share between 0 and 1, or null, got {share:g}")
        if self.rerun not in (None, "failed", "all"):
            raise ValueError(f"rerun must be failed or all, got '{self.rerun}'")
        require_folder("outputs", self.outputs, "SNN_ZO_OUTPUTS")
        for key, value in (("study", self.study), ("name", self.name)):
            if value is not None:
                require_name(key, value)
        endless = self.trainer.get("max_epochs") in (None, -1) and self.trainer.get("max_steps", -1) == -1
        if self.schedule and endless:
            raise ValueError("schedule needs an end: set trainer.max_epochs or trainer.max_steps, or schedule=none")
        for name, node in (self.callbacks or {}).items():
            if node and node.get("_target_", "").endswith(_NEED_LOGGER) and not self.logger:
                raise ValueError(f"callbacks.{name} writes to a logger: choose one, as logger=wandb")
        if self.energy is None and (self.callbacks or {}).get("energy"):
            raise ValueError("energy names the prices for callbacks.energy: choose one, or set that to null as well")
        task = self.task
        self._require_outputs()
        self._require_fit()
        if isinstance(self.callbacks, DictConfig):
            metrics = [*task.directions, *(["penalty"] if self.regularizer else [])]
            logged = logged_names(self.callbacks, metrics, self._spiking_layers())
            if logged is not None:
                require_logged(self.callbacks, logged)
            follow_task(self.callbacks, task.headline, task.directions)
            check_monitors(self.callbacks, task.headline, task.directions)

    def _spiking_layers(self) -> list[str] | None:
        """Names of the layers that spike; None for a model of the user's own, which alone knows."""
        if not isinstance(self.model, NetworkSettings):
            return None
        readout = ["readout"] if isinstance(self.model.readout, CountReadout) else []
        return [*self.model.names, *readout]

    @property
    def task(self) -> Task:
        """What is learned of the data, by the loss.

        Raises:
            ValueError: the loss does not fit the data.
        """
        return make_task(self.data.target, self.loss)

    def _require_outputs(self) -> None:
        """The model gives what the loss looks at; of one of the user's own, only its arguments are known."""
        if isinstance(self.model, NetworkSettings):
            readout = self.model.readout
            if self.loss.counts and not (isinstance(readout, CountReadout) and readout.scale == 1):
                raise ValueError("loss takes spike counts: model/readout=count gives them, with a scale of 1")
            if self.loss.every_step and isinstance(readout, CountReadout):
                raise ValueError("loss looks at the readout at every time step: model/readout=leaky gives that")
            return
        readout = self.model.get("readout")
        if self.loss.counts and isinstance(readout, DictConfig) and readout.get("_target_") == LEAKY:
            raise ValueError(f"loss takes spike counts, and model.readout is {LEAKY}: output neurons have to spike")
        if self.loss.every_step:
            target = str(self.model.get("_target_"))
            known = signature(target)
            if known and not known.takes_more and "every_step" not in known.kinds:
                raise ValueError(
                    f"loss looks at the readout at every time step, and {target} takes no every_step: docs/tasks.md"
                )

    def _require_fit(self) -> None:
        """The layers of the network fit to the data, and to one another."""
        if isinstance(self.model, NetworkSettings):
            try:
                self.model.sizes(self.data.in_shape)
            except ValueError as error:
                raise ValueError(f"model: {error}") from error


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """The part of `conf/train.yaml` that a description of a data set is made from."""

    data: EventDataset
    dataset: str
    outputs: str

    def __post_init__(self) -> None:
        require_folder("outputs", self.outputs, "SNN_ZO_OUTPUTS")


@dataclass(frozen=True)
class OwnSettings:
    """What a layer has of its own: settings of its neuron, and its strategy."""

    neuron: dict[str, Any] = field(default_factory=dict)
    strategy: Strategy | None = None

    def __post_init__(self) -> None:
        for name, value in self.neuron.items():
            kind = type(lookup(NEURON, "neuron: the setting", name))
            if not isinstance(value, kind) and not (kind is float and type(value) is int):
                raise ValueError(f"neuron.{name} must be of type {kind.__name__}, got '{value}'")


@dataclass(frozen=True)
class NetworkSettings:
    """What the configs of all networks have: the arguments of `snn_zo.models.stack.Maker` that a config gives."""

    neuron: Neuron = field(default_factory=Neuron)
    readout: Readout | CountReadout = field(default_factory=lambda: Readout(scale=7.0))
    init: str = "uniform"
    gain: float = 3.0
    bias: bool = False
    norm: str | None = None
    layers: dict[str, OwnSettings] = field(default_factory=dict)

    sized_by: ClassVar[str]
    """The setting that says how large the network is."""

    def __post_init__(self) -> None:
        names = dict.fromkeys(self.names)
        for name, own in self.layers.items():
            lookup(names, "layers: the layer", name)
            try:
                replace(self.neuron, **own.neuron)
            except ValueError as error:
                raise ValueError(f"layers.{name}.neuron.{error}") from error
        if self.init not in INITS:
            raise ValueError(f"init must be one of {', '.join(INITS)}, got '{self.init}'")
        if not 0 < self.gain < float("inf"):
            raise ValueError(f"gain must be a positive number, got {self.gain:g}")
        if self.norm not in (None, *NORMS):
            raise ValueError(f"norm must be one of {', '.join(NORMS)}, or null, got '{self.norm}'")
        if self.norm == "tdbn" and self.bias:
            raise ValueError("norm=tdbn has a shift of its own, and takes away whatever a bias adds: set bias=false")

    @property
    def names(self) -> list[str]:
        """Of the hidden layers that spike."""
        raise NotImplementedError

    def sizes(self, in_shape: Shape) -> Sizes:
        """How large the hidden layers are for an input.

        Raises:
            ValueError: a layer does not fit to what is in front of it.
        """
        raise NotImplementedError


class Sizes(NamedTuple):
    """Of the hidden layers of a network: all weights and neurons, and the neurons in front of the readout."""

    weights: int
    neurons: int
    last: int


@dataclass(frozen=True)
class FeedForwardSettings(NetworkSettings):
    """`conf/model/feed_forward.yaml`: the arguments of `snn_zo.models.FeedForward` that a config gives."""

    hidden: list[int] = field(default_factory=lambda: [200, 200])

    sized_by = "hidden"

    def __post_init__(self) -> None:
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError(f"hidden must name at least one layer of at least one neuron, got {list(self.hidden)}")
        super().__post_init__()

    @property
    def names(self) -> list[str]:
        """See `NetworkSettings.names`."""
        return [f"hidden{i + 1}" for i in range(len(self.hidden))]

    def sizes(self, in_shape: Shape) -> Sizes:
        """See `NetworkSettings.sizes`."""
        widths = (math.prod(in_shape), *self.hidden)
        return Sizes(sum(before * after for before, after in pairwise(widths)), sum(self.hidden), self.hidden[-1])


@dataclass(frozen=True)
class NotatedSettings(NetworkSettings):
    """Networks that the notation of `snn_zo.network` describes."""

    @property
    def notation(self) -> list[str]:
        """The elements."""
        raise NotImplementedError

    @property
    def names(self) -> list[str]:
        """See `NetworkSettings.names`."""
        return [part.name for part in parts(self.notation) if part.spikes]

    def sizes(self, in_shape: Shape) -> Sizes:
        """See `NetworkSettings.sizes`."""
        planned = parts(self.notation)
        out_shapes = shapes(planned, in_shape)
        weights = neurons = 0
        for part, before, after in zip(planned, [in_shape, *out_shapes[:-1]], out_shapes, strict=True):
            if not isinstance(part.element, Pooling):
                weights += part.element.weights(before)
                neurons += math.prod(after)
        return Sizes(weights, neurons, math.prod(out_shapes[-1]))


@dataclass(frozen=True)
class ConvSettings(NotatedSettings):
    """`conf/model/conv.yaml`: the arguments of `snn_zo.models.Conv` that a config gives."""

    network: list[str] = field(default_factory=lambda: ["16c5", "p2", "32c3", "p2"])

    sized_by = "network"

    @property
    def notation(self) -> list[str]:
        """See `NotatedSettings.notation`."""
        return self.network


@dataclass(frozen=True)
class VGGSettings(NotatedSettings):
    """`conf/model/vgg.yaml`: the arguments of `snn_zo.models.VGG` that a config gives."""

    width: float = 1.0

    sized_by = "width"

    def __post_init__(self) -> None:
        _require_width(self.width)
        super().__post_init__()

    @property
    def notation(self) -> list[str]:
        """See `NotatedSettings.notation`."""
        return vgg(self.width)


@dataclass(frozen=True)
class ResNetSettings(NetworkSettings):
    """`conf/model/resnet.yaml`: the arguments of `snn_zo.models.ResNet` that a config gives."""

    depth: int = 18
    connect: str = "add"
    width: float = 1.0

    sized_by = "width"

    def __post_init__(self) -> None:
        if self.depth not in DEPTHS:
            raise ValueError(f"depth must be {' or '.join(map(str, DEPTHS))}, got {self.depth}")
        if self.connect not in CONNECTS:
            raise ValueError(f"connect must be one of {', '.join(CONNECTS)}, got '{self.connect}'")
        _require_width(self.width)
        super().__post_init__()

    @property
    def names(self) -> list[str]:
        """See `NetworkSettings.names`."""
        any_map = (1, 64, 64)
        return [layer.name for layer in resnet(self.depth, self.width, any_map).layers]

    def sizes(self, in_shape: Shape) -> Sizes:
        """See `NetworkSettings.sizes`."""
        made = resnet(self.depth, self.width, in_shape)
        weights = sum(layer.element.weights(layer.in_shape) for layer in made.layers)
        neurons = sum(math.prod(layer.element.out_shape(layer.in_shape)) for layer in made.layers)
        last = made.blocks[-1].channels if made.full is None else math.prod(made.full.element.out_shape(in_shape))
        return Sizes(weights, neurons, last)


def _require_width(width: float) -> None:
    if not 0 < width < float("inf"):
        raise ValueError(f"width must be a positive number, got {width:g}")


SCHEMAS: dict[str, type] = {
    "snn_zo.models.FeedForward": FeedForwardSettings,
    "snn_zo.models.Conv": ConvSettings,
    "snn_zo.models.VGG": VGGSettings,
    "snn_zo.models.ResNet": ResNetSettings,
}
"""Schema by `_target_`, for targets that cannot be imported without torch."""
