"""How much of the network takes part: active backward neurons, spikes, silent neurons."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import lightning
import torch
from torch import Tensor

from snn_zo.ops import Spikes

log = logging.getLogger(__name__)

MEASURES = ("active", "spike_rate", "silent")


@dataclass
class _Layer:
    """Sums over the steps of an epoch; on the device, whose counts nobody waits for before the epoch ends."""

    steps: int = 0
    elements: int = 0
    active: Tensor | float = 0.0
    spikes: Tensor | float = 0.0
    paths: Counter[str] = field(default_factory=Counter)
    fired: Tensor | bool = False

    def add(self, spikes: Spikes) -> None:
        b, t, n = spikes.shape
        self.steps += 1
        self.elements = t * n
        self.active += spikes.active_count.double() / b
        self.spikes += spikes.event_count.double() / b
        self.paths.update(f"{what}: {how}" for what, how in spikes.path.items())
        self.fired |= spikes.fired()

    def fractions(self) -> dict[str, float]:
        size = self.steps * self.elements
        return {
            "active": float(self.active) / size,
            "spike_rate": float(self.spikes) / size,
            "silent": _silent(self.fired),
        }


def _silent(fired: Tensor | bool) -> float:
    fired = torch.as_tensor(fired)
    return int((~fired).sum()) / len(fired)


class SparsityMonitor(lightning.Callback):
    """Fractions over each training epoch, by hidden layer and in all.

    `active` is the share of elements (sample, step, neuron) with g != 0, `spike_rate` the share that spiked, `silent`
    the share of neurons without a spike all epoch. Logged as `sparsity/<measure>` and `sparsity/<layer>/<measure>`;
    a layer without a spike or an active element all epoch is reported dead, with what to change.

    Attributes:
        fractions: the last epoch's, {"all" or layer: {measure: value}}.
        paths: what the backend chose to do in the last epoch, {layer: {"what: how": number of batches}}.
        dead: names of the layers that were dead in the last epoch.
    """

    def __init__(self) -> None:
        self._layers: dict[str, _Layer] = {}
        self.fractions: dict[str, dict[str, float]] = {}
        self.paths: dict[str, dict[str, int]] = {}
        self.dead: list[str] = []

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start counting anew."""
        self._layers = {}

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Count the batch's spikes and active elements."""
        hidden: dict[str, Spikes] = outputs["hidden"]
        for name, spikes in hidden.items():
            self._layers.setdefault(name, _Layer()).add(spikes)
        elements = sum(t * n for _, t, n in (spikes.shape for spikes in hidden.values()))
        active = sum(spikes.active_count / spikes.shape[0] for spikes in hidden.values())
        pl_module.log("active", active / elements, prog_bar=True, logger=False)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Log the epoch's fractions and name dead layers."""
        self.fractions = {"all": self._overall()} | {name: layer.fractions() for name, layer in self._layers.items()}
        self.paths = {name: dict(layer.paths) for name, layer in self._layers.items() if layer.paths}
        for name, values in self.fractions.items():
            prefix = "sparsity" if name == "all" else f"sparsity/{name}"
            pl_module.log_dict({f"{prefix}/{measure}": value for measure, value in values.items()})
        dead = [name for name in self._layers if min(self._alive(name)) == 0]
        for name in dead:
            if name not in self.dead:
                log.warning("%s", self._advice(name, trainer.current_epoch))
        self.dead = dead

    def _alive(self, name: str) -> tuple[float, float]:
        return self.fractions[name]["spike_rate"], self.fractions[name]["active"]

    def _overall(self) -> dict[str, float]:
        layers = list(self._layers.values())
        elements = sum(layer.elements for layer in layers)
        steps = layers[0].steps
        fired = torch.cat([torch.as_tensor(layer.fired) for layer in layers])
        return {
            "active": float(sum(layer.active for layer in layers)) / (steps * elements),
            "spike_rate": float(sum(layer.spikes for layer in layers)) / (steps * elements),
            "silent": _silent(fired),
        }

    def _advice(self, name: str, epoch: int) -> str:
        if self.fractions[name]["spike_rate"] == 0:
            return (
                f"{name} is dead: no spike in epoch {epoch}. Raise model.gain or model.neuron.tau, "
                "or lower model.neuron.v_th."
            )
        return (
            f"{name} is dead: no neuron was active in the backward pass of epoch {epoch}. Widen the strategy "
            "(a larger delta or b_th), or raise model.gain."
        )
