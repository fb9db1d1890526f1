"""How much of the network takes part: active backward neurons, spikes, silent neurons."""

from __future__ import annotations

import logging
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import lightning
import torch
from torch import Tensor

from snn_zo.data.store import Batch
from snn_zo.ops import Spikes
from snn_zo.runs.summary import Summary
from snn_zo.training.devices import mean_of_devices, of_all_devices

log = logging.getLogger(__name__)

MEASURES = ("active", "spike_rate", "silent")


@dataclass
class _Sums:
    """Sums over the steps of an epoch; on the device, whose counts nobody waits for before the epoch ends."""

    hidden: bool = True
    elements: int = 0
    active: Tensor | int = 0
    spikes: Tensor | int = 0
    paths: Counter[str] = field(default_factory=Counter)
    fired: Tensor = field(default_factory=lambda: torch.tensor(False))

    def add(self, spikes: Spikes) -> None:
        b, t, n = spikes.shape
        self.elements += b * t * n
        self.active += spikes.active_count
        self.spikes += spikes.event_count
        self.paths.update(f"{what}: {how}" for what, how in spikes.record.forms().items())
        self.fired = self.fired | spikes.fired()

    def on_host(self) -> _Sums:
        """The same in the host's memory."""
        return _Sums(self.hidden, self.elements, int(self.active), int(self.spikes), self.paths, self.fired.cpu())

    def __add__(self, other: _Sums) -> _Sums:
        """The same neurons on more samples."""
        return _Sums(
            self.hidden,
            self.elements + other.elements,
            self.active + other.active,
            self.spikes + other.spikes,
            self.paths + other.paths,
            self.fired | other.fired,
        )

    def fractions(self) -> dict[str, float]:
        return {
            "active": int(self.active) / self.elements,
            "spike_rate": int(self.spikes) / self.elements,
            "silent": int((~self.fired).sum()) / len(self.fired),
        }


class SparsityMonitor(lightning.Callback):
    """Fractions over each training epoch and all devices, by layer of neurons and in all hidden ones.

    `active` is the share of elements (sample, step, neuron) with g != 0, `spike_rate` the share that spiked, `silent`
    the share of neurons without a spike all epoch. Logged as `sparsity/<measure>` and `sparsity/<layer>/<measure>`;
    a layer without a spike or an active element all epoch is reported dead, with what to change. One that had neither
    in the first epoch, which saw all training batches, ends the training: no gradient reaches it, or what lies below
    it, so that it stays as it is and what lies above it gets no input.

    Attributes:
        fractions: the last epoch's, {"all" or layer: {measure: value}}.
        paths: what the backend chose to do in the last epoch, {layer: {"what: how": number of batches}}.
        dead: names of the layers that were dead in the last epoch.
    """

    def __init__(self) -> None:
        self._layers: dict[str, _Sums] = {}
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
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Count the batch's spikes and active elements."""
        hidden: dict[str, Spikes] = outputs["hidden"]
        # output neurons may spike, too, and be dead
        others = {done.layer.name: done.spikes for done in outputs["layers"] if done.spikes is not None}
        for name, spikes in (hidden | others).items():
            self._layers.setdefault(name, _Sums(name in hidden)).add(spikes)
        active = batch.share * _active(hidden) if hidden else torch.zeros((), device=outputs["loss"].device)
        pl_module.log("active", mean_of_devices(active), prog_bar=True, logger=False)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Log the epoch's fractions and name dead layers."""
        layers = self._of_all_devices()
        self.fractions = {"all": _overall(layers)} | {name: layer.fractions() for name, layer in layers.items()}
        self.paths = {name: dict(layer.paths) for name, layer in layers.items() if layer.paths}
        for name, values in self.fractions.items():
            prefix = "sparsity" if name == "all" else f"sparsity/{name}"
            pl_module.log_dict({f"{prefix}/{measure}": value for measure, value in values.items()})
        dead = [name for name in layers if min(self._alive(name)) == 0]
        for name in dead:
            if name not in self.dead:
                log.warning("%s", self._advice(name, trainer.current_epoch + 1))
        self.dead = dead
        if trainer.current_epoch == 0 and trainer.limit_train_batches == 1.0:
            unreachable = [name for name in dead if max(self._alive(name)) == 0]
            if unreachable:
                log.warning("No gradient reaches %s, and nothing can train it: the training ends", unreachable[0])
                trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """What the last epoch was like."""
        return {"fractions": self.fractions, "paths": self.paths, "dead": self.dead}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """What the last epoch before the run was resumed was like."""
        self.fractions, self.paths, self.dead = (state_dict[name] for name in ("fractions", "paths", "dead"))

    def contribution(self) -> Summary:
        """Fractions of the last epoch, and which layers were dead in it."""
        if not self.fractions:
            return Summary()
        layers = {name: values for name, values in self.fractions.items() if name != "all"}
        sparsity = {**self.fractions["all"], "layers": layers}
        return Summary(sparsity=sparsity, dead=bool(self.dead), dead_layers=self.dead, paths=self.paths)

    def _alive(self, name: str) -> tuple[float, float]:
        return self.fractions[name]["spike_rate"], self.fractions[name]["active"]

    def _of_all_devices(self) -> dict[str, _Sums]:
        layers: dict[str, _Sums] = {}
        for part in of_all_devices({name: layer.on_host() for name, layer in self._layers.items()}):
            for name, layer in part.items():
                layers[name] = layers[name] + layer if name in layers else layer
        return layers

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


def _active(hidden: dict[str, Spikes]) -> Tensor:
    elements = sum(math.prod(spikes.shape) for spikes in hidden.values())
    return torch.stack([spikes.active_count for spikes in hidden.values()]).sum() / elements


def _overall(layers: dict[str, _Sums]) -> dict[str, float]:
    """Fractions over the neurons of all hidden layers."""
    parts = [layer for layer in layers.values() if layer.hidden]
    elements, active, spikes = (sum(getattr(part, name) for part in parts) for name in ("elements", "active", "spikes"))
    return _Sums(True, elements, active, spikes, fired=torch.cat([part.fired for part in parts])).fractions()
