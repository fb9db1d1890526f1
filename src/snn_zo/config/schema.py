"""Settings that have no torch-free class of their own to be checked against.

Strategies, neurons and data sets are dataclasses and check themselves; these stand in for the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from omegaconf import DictConfig, ListConfig

from snn_zo.config.monitors import check_monitors
from snn_zo.data.dataset import EventDataset
from snn_zo.energy import CostTable
from snn_zo.neuron import INITS, Neuron, Readout
from snn_zo.regularizer import SpikeCount
from snn_zo.strategies import Strategy

LIGHTNING_STRATEGIES = ("auto", "ddp")
"""What `trainer.strategy` may be: the others fork, need a notebook, split the weights, or are for other hardware."""


@dataclass(frozen=True)
class TrainSettings:
    """The root of `conf/train.yaml`. Groups of type Any are for Hydra to instantiate."""

    strategy: Strategy
    data: EventDataset
    model: FeedForwardSettings | DictConfig
    optim: Any
    schedule: Any
    trainer: Any
    callbacks: Any
    regularizer: SpikeCount
    logger: Any
    method: str
    dataset: str
    outputs: str
    seed: int = 0
    backend: str = "auto"
    cuda_graph: bool = False
    study: str | None = None
    name: str | None = None
    resume: str | None = None
    rerun: str | None = None
    objectives: list[str] = field(default_factory=lambda: ["objective"])
    energy: CostTable | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed must lie in [0, 2^32), got {self.seed}")
        if self.rerun not in (None, "failed", "all"):
            raise ValueError(f"rerun must be failed or all, got '{self.rerun}'")
        for key in ("study", "name"):
            value = getattr(self, key)
            if (value is not None and not re.fullmatch(r"[\w.+-]{1,200}", value)) or value in (".", ".."):
                raise ValueError(f"{key} becomes a folder: use up to 200 letters, digits and . + - _ in '{value}'")
        strategy = self.trainer.get("strategy", "auto")
        if strategy not in LIGHTNING_STRATEGIES:
            raise ValueError(f"trainer.strategy={strategy} cannot run here: use ddp, or auto")
        devices = self.trainer.get("devices", 1)
        if not isinstance(devices, int | ListConfig) and devices not in ("auto", "-1"):
            raise ValueError(f"trainer.devices must be a number, a list of numbers as [0,1], or auto, got '{devices}'")
        if self.trainer.get("num_nodes", 1) != 1:
            raise ValueError("trainer.num_nodes must be 1: a run takes the devices of one machine, a sweep several")
        if isinstance(self.callbacks, DictConfig):
            check_monitors(self.callbacks)


@dataclass(frozen=True)
class FeedForwardSettings:
    """`conf/model/feed_forward.yaml`: the arguments of `snn_zo.models.FeedForward` that a config gives."""

    hidden: list[int]
    neuron: Neuron
    readout: Readout
    init: str = "uniform"
    gain: float = 1.0
    bias: bool = False

    def __post_init__(self) -> None:
        if self.init not in INITS:
            raise ValueError(f"init must be one of {', '.join(INITS)}, got '{self.init}'")
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError(f"hidden must name at least one layer of at least one neuron, got {list(self.hidden)}")
        if not 0 < self.gain < float("inf"):
            raise ValueError(f"gain must be a positive number, got {self.gain:g}")


SCHEMAS: dict[str, type] = {"snn_zo.models.FeedForward": FeedForwardSettings}
"""Schema by `_target_`, for targets that cannot be imported without torch."""
