"""How much of the network takes part: active backward neurons, spikes, silent neurons."""

from __future__ import annotations

import logging
import math
from collections import Counter
from dataclasses import dataclass, field, replace
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

NAMED = 8
"""Most dead channels of a layer that a warning names."""


@dataclass
class _Sums:
    """Sums over the steps of an epoch; on the device, whose counts nobody waits for before the epoch ends.

    Attributes:
        hidden: whether the layer is one of the hidden ones.
        elements, active, spikes: how many there were.
        paths: what the backend chose to do.
        by_neuron: [N] spikes of each neuron.
        channels: [C, H * W] numbers of the neurons of each channel, of a convolutional layer.
        active_by_channel: [C] active elements, likewise.
    """

    hidden: bool = True
    elements: int = 0
    active: Tensor | int = 0
    spikes: Tensor | int = 0
    paths: Counter[str] = field(default_factory=Counter)
    by_neuron: Tensor = field(default_factory=lambda: torch.tensor(0))
    channels: Tensor | None = None
    active_by_channel: Tensor | int = 0

    def add(self, spikes: Spikes) -> None:
        b, t, n = spikes.shape
        self.elements += b * t * n
        self.active += spikes.active_count
        self.spikes += spikes.event_count
        self.paths.update(f"{what}: {how}" for what, how in spikes.record.forms().items())
        self.by_neuron = self.by_neuron + spikes.by_neuron()
        if len(spikes.features) > 1:
            if self.channels is None:
                self.channels = _channels(spikes).to(spikes.g.device)
            self.active_by_channel += spikes.active_by_neuron()[self.channels].sum(1)

    def on_host(self) -> _Sums:
        """The same in the host's memory."""
        return replace(
            self,
            active=int(self.active),
            spikes=int(self.spikes),
            by_neuron=self.by_neuron.cpu(),
            channels=None if self.channels is None else self.channels.cpu(),
            active_by_channel=torch.as_tensor(self.active_by_channel).cpu(),
        )

    def __add__(self, other: _Sums) -> _Sums:
        """The same neurons on more samples."""
        names = ("elements", "active", "spikes", "paths", "by_neuron", "active_by_channel")
        return replace(self, **{name: getattr(self, name) + getattr(other, name) for name in names})

    def fractions(self) -> dict[str, float]:
        return {
            "active": int(self.active) / self.elements,
            "spike_rate": int(self.spikes) / self.elements,
            "silent": int((self.by_neuron == 0).sum()) / len(self.by_neuron),
        }

    def of_channels(self) -> list[dict[str, float]]:
        """The same of each channel; of none where the layer is not convolutional."""
        if self.channels is None:
            return []
        assert isinstance(self.active_by_channel, Tensor)
        elements, by_neuron = self.elements / len(self.channels), self.by_neuron[self.channels]
        measured = {
            "active": self.active_by_channel / elements,
            "spike_rate": by_neuron.sum(1) / elements,
            "silent": (by_neuron == 0).double().mean(1),
        }
        columns = zip(*(values.tolist() for values in measured.values()), strict=True)
        return [dict(zip(measured, values, strict=True)) for values in columns]


def _channels(spikes: Spikes) -> Tensor:
    """[C, H * W] numbers of the neurons of each channel."""
    numbers, channels = torch.arange(spikes.shape[2]), spikes.features[0]
    return numbers.view(-1, channels).T if spikes.channels_last else numbers.view(channels, -1)


class SparsityMonitor(lightning.Callback):
    """Fractions over each training epoch and all devices, by layer of neurons and in all hidden ones.

    `active` is the share of elements (sample, step, neuron) with g != 0, `spike_rate` the share that spiked, `silent`
    the share of neurons without a spike all epoch. Logged as `sparsity/<measure>` and `sparsity/<layer>/<measure>`; of
    a convolutional layer they are noted by channel, too.

    A layer without a spike or an active element all epoch is reported dead, with what to change, and so are channels.
    A layer that had neither in the first epoch, which saw all training batches, ends the training: no gradient reaches
    it, or what lies below it, so that it stays as it is and what lies above it gets no input.

    Attributes:
        fractions: the last epoch's, {"all" or layer: {measure: value}}.
        paths: what the backend chose to do in the last epoch, {layer: {"what: how": number of batches}}.
        dead: names of the layers that were dead in the last epoch.
        channels: the last epoch's fractions of each channel, {layer: [{measure: value}]}.
    """

    def __init__(self) -> None:
        self._layers: dict[str, _Sums] = {}
        self.fractions: dict[str, dict[str, float]] = {}
        self.paths: dict[str, dict[str, int]] = {}
        self.dead: list[str] = []
        self.channels: dict[str, list[dict[str, float]]] = {}
        self._most_dead: Counter[str] = Counter()

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
        self.channels = {name: channels for name, layer in layers.items() if (channels := layer.of_channels())}
        self._name_dead_channels(trainer.current_epoch + 1)
        if trainer.current_epoch == 0 and trainer.limit_train_batches == 1.0:
            unreachable = [name for name in dead if max(self._alive(name)) == 0]
            if unreachable:
                log.warning("No gradient reaches %s, and nothing can train it: the training ends", unreachable[0])
                trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """What the last epoch was like."""
        most = dict(self._most_dead)
        last = {"fractions": self.fractions, "paths": self.paths, "dead": self.dead}
        return last | {"channels": self.channels, "most_dead": most}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """What the last epoch before the run was resumed was like."""
        self.fractions, self.paths, self.dead = (state_dict[name] for name in ("fractions", "paths", "dead"))
        self.channels, self._most_dead = state_dict["channels"], Counter(state_dict["most_dead"])

    def contribution(self) -> Summary:
        """Fractions of the last epoch, and which layers were dead in it; of a convolutional layer, how many channels
        there are and how many were dead."""
        if not self.fractions:
            return Summary()
        layers = {name: values | self._counted(name) for name, values in self.fractions.items() if name != "all"}
        sparsity = {**self.fractions["all"], "layers": layers}
        return Summary(sparsity=sparsity, dead=bool(self.dead), dead_layers=self.dead, paths=self.paths)

    def records(self) -> list[dict[str, str | int | float]]:
        """A row for each channel of each convolutional layer, of the last epoch."""
        return [
            {"layer": name, "channel": channel, **values}
            for name, channels in self.channels.items()
            for channel, values in enumerate(channels)
        ]

    def _counted(self, name: str) -> dict[str, float]:
        if name not in self.channels:
            return {}
        return {"channels": len(self.channels[name]), "dead_channels": len(_dead(self.channels[name]))}

    def _name_dead_channels(self, epoch: int) -> None:
        """Where more channels of a layer are dead than in any epoch before; of a dead layer, all are."""
        for name, channels in self.channels.items():
            dead = _dead(channels)
            if len(dead) > self._most_dead[name] and name not in self.dead:
                named = ", ".join(str(channel) for channel in dead[:NAMED])
                more = f" and {len(dead) - NAMED} more" if len(dead) > NAMED else ""
                log.warning(
                    "%s: %d of %d channels had no spike or no active neuron in epoch %d: %s%s",
                    name, len(dead), len(channels), epoch, named, more,
                )  # fmt: skip
            self._most_dead[name] = max(self._most_dead[name], len(dead))

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
    by_neuron = torch.cat([part.by_neuron for part in parts])
    return _Sums(True, elements, active, spikes, by_neuron=by_neuron).fractions()


def _dead(channels: list[dict[str, float]]) -> list[int]:
    """Channels without a spike or an active element."""
    return [number for number, values in enumerate(channels) if min(values["active"], values["spike_rate"]) == 0]
