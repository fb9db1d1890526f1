"""What the training costs, modelled and measured."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from itertools import chain
from typing import Any

import lightning
import torch
from torch import nn

from snn_zo.data.store import Batch
from snn_zo.energy import PHASES, CostTable
from snn_zo.energy.activity import Activity, Forms
from snn_zo.energy.bill import Bill, dense_bill, pool_bill, training_bill
from snn_zo.energy.counts import OptimizerRule, optimizer_rule
from snn_zo.energy.inference import InferenceCounts, neuron_counts
from snn_zo.energy.meter import Meter
from snn_zo.energy.sensors import NotMeasuredError, Sensor, sensor
from snn_zo.headline import Direction
from snn_zo.layers import Done, Layer, counted_layers
from snn_zo.runs.summary import Summary
from snn_zo.training.devices import of_all_devices

log = logging.getLogger(__name__)

NOT_MEASURED = "not measured"


class EnergyMonitor(lightning.Callback):
    """Modelled Joules of each training epoch and of all training so far, and measured ones where there is a sensor.

    Only training steps are counted and measured, not validation or test. Logs `energy/<phase>`, `energy/memory`,
    `energy/total` and `energy/ratio` of the epoch, `energy/so_far`, and `measured/energy` (J).

    Args:
        table: prices.
        monitor: logged value that is compared with the targets.
        mode: whether a target is reached by a value at or above it, `max`, or at or below it, `min`.
        targets: values of the monitor; the first epoch that reaches each is noted with the energy until then.
        measure: whether to look for a sensor.
    """

    def __init__(
        self,
        table: CostTable,
        monitor: str,
        mode: Direction = "max",
        targets: Sequence[float] = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95),
        measure: bool = True,
    ) -> None:
        self.table, self.monitor, self.mode, self._measure = table, monitor, mode, measure
        self.bill, self.dense = Bill(), Bill()
        self.reached: dict[str, dict[str, float] | None] = {f"{target:g}": None for target in targets}
        self.meter: Meter | None = None
        self._layers: dict[str, Layer] = {}
        self._activities: dict[tuple[str, Forms], Activity] = {}
        self._first_step = self._samples = self._samples_of_epoch = 0
        self._measured_before = 0.0
        self._inference: InferenceCounts | None = None
        self._inference_summary: dict[str, float] | None = None
        self._state: dict[str, Any] = {}

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Look at the network, and at the idle device."""
        try:
            self._layers = counted_layers(_model(pl_module))
        except ValueError as error:
            log.warning("energy is not modelled: %s", error)
        self.meter = Meter(functools.partial(self._sensor, trainer, pl_module))
        if self._state:
            self.meter.load_state_dict(self._state)

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start counting anew."""
        assert self.meter is not None
        self._activities, self._first_step, self._samples_of_epoch = {}, trainer.global_step, 0
        self._measured_before = self.meter.joules or 0.0
        self.meter.start()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Note what happened in each layer: lengths of index lists, so nothing is counted yet."""
        assert self.meter is not None
        self.meter.keep_up()
        if not self._layers or not len(batch.target):
            return
        layers: list[Done] = outputs["layers"]
        try:
            observed = [(done.layer.name, done.layer.activity(done)) for done in layers]
        except ValueError as error:
            log.warning("energy is not modelled: %s", error)
            self._layers = {}
            return
        self._samples_of_epoch += len(batch.target)
        for name, activity in observed:
            key = (name, activity.forms)
            earlier = self._activities.get(key)
            self._activities[key] = activity if earlier is None else earlier + activity

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Leave validation out of the measurement."""
        if self.meter:
            self.meter.stop()

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Go on measuring."""
        if self.meter:
            self.meter.start()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Price the epoch and log it."""
        assert self.meter is not None
        self.meter.stop()
        if self._layers:
            self._price(trainer, pl_module)
        if self.meter.joules is not None:
            pl_module.log("measured/energy", self.meter.joules - self._measured_before)

    def _price(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        own = [(name, activity.on_host()) for (name, _), activity in self._activities.items()]
        named = list(chain.from_iterable(of_all_devices(own)))
        activities = [(self._layers[name], activity) for name, activity in named]
        self._samples += sum(of_all_devices(self._samples_of_epoch))
        steps = (trainer.global_step - self._first_step) * trainer.world_size
        rule = _rule(trainer.optimizers[0])
        parameters = sum(p.numel() for p in _model(pl_module).parameters() if p.requires_grad)
        epoch = training_bill(activities, parameters, steps, rule, self.table)
        if not self.bill.lines:
            epoch += pool_bill(self._layers.values(), self.table)
        dense = dense_bill(activities, parameters, steps, rule, self.table)
        self.bill += epoch
        self.dense += dense
        phases = epoch.by_phase()
        phases |= {"ratio": phases["total"] / dense.by_phase()["total"]}
        so_far = self.bill.by_phase()["total"]
        pl_module.log_dict({f"energy/{name}": value for name, value in phases.items()} | {"energy/so_far": so_far})
        value = float(trainer.callback_metrics.get(self.monitor, float("nan")))
        for target, reached in self.reached.items():
            if reached is None and (value >= float(target) if self.mode == "max" else value <= float(target)):
                self.reached[target] = {"epoch": trainer.current_epoch, "joules": so_far}

    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Leave the device to others."""
        if self.meter:
            self.meter.close()

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Leave the device to others."""
        if self.meter:
            self.meter.close()

    def on_test_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Count inference on the test set as NeuroBench does, of a model whose layers account for all of it."""
        try:
            counted_layers(_model(pl_module))
        except ValueError:
            self._inference = None
        else:
            self._inference = InferenceCounts()

    def on_test_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count a batch, unless one of the layers does not count its operations."""
        layers: list[Done] = outputs["layers"]
        for done in layers:
            counted = done.layer.inference(done.x)
            if self._inference is None or counted is None:
                self._inference = None
                return
            self._inference += counted if done.spikes is None else counted + neuron_counts(done.spikes)
        if self._inference is not None:
            self._inference += InferenceCounts(samples=len(batch.target))

    def on_test_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Add up what all devices have counted."""
        of_each = [counts for counts in of_all_devices(self._inference) if counts]
        total = sum(of_each, InferenceCounts())
        if total.samples:
            self._inference_summary = total.summary(_model(pl_module))

    def state_dict(self) -> dict[str, Any]:
        """Everything that has been counted and measured."""
        return {
            "bill": self.bill.lines,
            "dense": self.dense.lines,
            "reached": self.reached,
            "samples": self._samples,
            "meter": self.meter.state_dict() if self.meter else {},
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what an earlier session counted and measured."""
        self.bill, self.dense = Bill(state_dict["bill"]), Bill(state_dict["dense"])
        self.reached |= state_dict["reached"]
        self._samples, self._state = state_dict["samples"], state_dict["meter"]
        if self.meter and self._state:
            self.meter.load_state_dict(self._state)

    def contribution(self) -> Summary:
        """Energy of the training."""
        return Summary(energy=self.summary())

    def summary(self) -> dict[str, Any]:
        """`modelled`, J by phase (null where the network cannot be counted), `measured`, J or "not measured", and more:

        `per_sample`, J a training sample; `energy_delay`, J s with the modelled delay, and `dense_energy_delay`;
        `to_reach`, J and epoch or null for each target; `dense`, J by phase of full backpropagation;
        `memory_levels`, J; `operations`; `measurement`, how, or why not; `inference`, see `snn_zo.energy.inference`.
        """
        modelled = self._modelled()
        measured = self.meter.joules if self.meter else None
        return {
            "modelled": modelled,
            "measured": NOT_MEASURED if measured is None else measured,
            **(self._details(modelled["total"]) if modelled else {}),
            "measurement": self._measurement(),
            "inference": self._inference_summary,
        }

    def _modelled(self) -> dict[str, Any] | None:
        if not self._layers or not self.bill.lines:
            return None
        phases, dense_total = self.bill.by_phase(), self.dense.by_phase()["total"]
        parts = {name: phases[name] for name in (*PHASES, "memory", "total")}
        return {"table": self.table.name, **parts, "dense_total": dense_total, "ratio": phases["total"] / dense_total}

    def _details(self, total: float) -> dict[str, Any]:
        operations = self.bill.operations()
        levels = {name: value for name, value in self.bill.sum(" J").items() if name != "operations"}
        return {
            "per_sample": total / self._samples,
            "energy_delay": total * self.bill.seconds(self.table),
            "dense_energy_delay": self.dense.joules * self.dense.seconds(self.table),
            "to_reach": self.reached,
            "dense": self.dense.by_phase(),
            "memory_levels": levels,
            "operations": operations,
        }

    def _measurement(self) -> dict[str, Any]:
        if self.meter is None:
            return {"sensor": None, "reason": "no training took place"}
        if self.meter.joules is None:
            return {"sensor": self.meter.name, "reason": self.meter.reason}
        found = {"sensor": self.meter.name, "seconds": self.meter.seconds, "idle_w": self.meter.idle_w}
        return found | {"energy_delay": self.meter.joules * self.meter.seconds}

    def _sensor(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> Sensor:
        if not self._measure:
            raise NotMeasuredError("callbacks.energy.measure is false")
        if trainer.world_size > 1:
            raise NotMeasuredError("several devices take part")
        return sensor(pl_module.device.type, pl_module.device.index)


def _model(pl_module: lightning.LightningModule) -> nn.Module:
    model = pl_module.model
    assert isinstance(model, nn.Module)
    return model


def _rule(optimizer: torch.optim.Optimizer) -> OptimizerRule:
    """Operations of an optimizer; for one without a rule, from the numbers that it keeps for each parameter."""
    name = type(optimizer).__name__
    rule = optimizer_rule(name, optimizer.param_groups[0])
    if rule is not None:
        return rule
    kept = max((_kept(parameter, state) for parameter, state in optimizer.state.items()), default=0)
    log.warning("energy: no rule for %s: counted as two multiply-adds and a function for each number it keeps", name)
    return OptimizerRule(1 + 2 * kept, functions=kept, state=kept)


def _kept(parameter: torch.Tensor, state: dict[str, Any]) -> int:
    return sum(torch.is_tensor(value) and value.shape == parameter.shape for value in state.values())
