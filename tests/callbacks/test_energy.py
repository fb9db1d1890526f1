import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

from snn_zo.callbacks import EnergyMonitor
from snn_zo.energy.bill import Bill
from snn_zo.layers import recording
from snn_zo.models import FeedForward
from snn_zo.neuron import Neuron, Readout
from snn_zo.ops import Spikes
from snn_zo.strategies import Draw, LocalZO, Surrogate

TABLE = instantiate(OmegaConf.load(Path(__file__).parents[2] / "conf" / "energy" / "45nm_fp32.yaml"))
KEYS = {
    *(
        "table",
        "forward",
        "grad_input",
        "grad_weight",
        "neuron",
        "optimizer",
        "memory",
        "total",
        "dense_total",
        "ratio",
    ),
}


class Module(nn.Module):
    """What the callback needs of a LightningModule."""

    device = torch.device("cpu")

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.logged = model, {}

    def log(self, name: str, value: float, **_: object) -> None:
        self.logged[name] = value

    def log_dict(self, values: dict[str, float]) -> None:
        self.logged |= values


class Training:
    """Epochs of a small network, without Lightning."""

    def __init__(self, monitor: EnergyMonitor, strategy=None, optimizer=torch.optim.Adam) -> None:
        torch.manual_seed(0)
        model = FeedForward((9,), 3, strategy or LocalZO(delta=0.3), [7, 5], Neuron(tau=5.0), Readout(), gain=4.0)
        self.monitor, self.module = monitor, Module(model)
        self.optimizer = optimizer(model.parameters(), lr=1e-3)
        self.trainer = SimpleNamespace(
            global_step=0, current_epoch=0, world_size=1, optimizers=[self.optimizer], callback_metrics={}
        )

    def start(self) -> None:
        self.monitor.on_fit_start(self.trainer, self.module)

    def epoch(self, accuracy: float, batches: int = 2, accumulate: int = 1) -> dict[str, float]:
        self.monitor.on_train_epoch_start(self.trainer, self.module)
        for i in range(batches):
            counts = (torch.rand(4, 6, 9) < 0.2).float()
            x = Spikes.from_events((4, 6, 9), Spikes.from_dense(counts).events)
            with recording() as layers:
                output = self.module.model(x, Draw(0, 0, self.trainer.global_step, torch.arange(4)))
            output.readout.square().sum().backward()
            if (i + 1) % accumulate == 0:
                self.optimizer.step()
                self.trainer.global_step += 1
            batch = SimpleNamespace(spikes=x, target=torch.zeros(4))
            self.monitor.on_train_batch_end(self.trainer, self.module, {"layers": layers}, batch, i)
        self.monitor.on_validation_start(self.trainer, self.module)
        self.monitor.on_validation_end(self.trainer, self.module)
        self.trainer.callback_metrics["val/acc"] = torch.tensor(accuracy)
        self.monitor.on_train_epoch_end(self.trainer, self.module)
        self.trainer.current_epoch += 1
        return dict(self.module.logged)


def test_epochs_sum_up_to_the_training():
    monitor = EnergyMonitor(TABLE, "val/acc", targets=(0.5, 0.8, 0.9))
    training = Training(monitor)
    training.start()
    epochs = [training.epoch(accuracy) for accuracy in (0.4, 0.85, 0.7)]
    summary = monitor.summary()
    modelled = summary["modelled"]
    assert set(modelled) == KEYS
    assert modelled["table"] == "45nm_fp32"
    for name in KEYS - {"table", "ratio", "dense_total"}:
        assert modelled[name] == pytest.approx(sum(logged[f"energy/{name}"] for logged in epochs))
    dense = sum(logged["energy/total"] / logged["energy/ratio"] for logged in epochs)
    assert modelled["dense_total"] == pytest.approx(dense)
    assert modelled["ratio"] == pytest.approx(modelled["total"] / modelled["dense_total"])
    parts = KEYS - {"table", "total", "dense_total", "ratio"}
    assert modelled["total"] == pytest.approx(sum(modelled[name] for name in parts))
    assert summary["per_sample"] == pytest.approx(modelled["total"] / (3 * 2 * 4))
    second = epochs[1]["energy/so_far"]
    assert second == pytest.approx(epochs[0]["energy/total"] + epochs[1]["energy/total"])
    assert summary["to_reach"] == {
        "0.5": {"epoch": 1, "joules": second}, "0.8": {"epoch": 1, "joules": second}, "0.9": None,
    }  # fmt: skip
    assert summary["energy_delay"] == pytest.approx(modelled["total"] * monitor.bill.seconds(TABLE))
    assert summary["dense_energy_delay"] == pytest.approx(modelled["dense_total"] * monitor.dense.seconds(TABLE))
    assert sum(summary["memory_levels"].values()) == pytest.approx(modelled["memory"])


def test_targets_of_an_error_are_reached_from_above():
    monitor = EnergyMonitor(TABLE, "val/acc", "min", targets=(0.5, 0.2))
    training = Training(monitor)
    training.start()
    for error in (0.7, 0.4, 0.3):
        training.epoch(error)
    reached = monitor.summary()["to_reach"]
    assert reached["0.5"]["epoch"] == 1
    assert reached["0.2"] is None


def test_optimizer_is_counted_by_its_steps():
    energies = []
    for accumulate in (1, 2, 4):
        monitor = EnergyMonitor(TABLE, "val/acc")
        training = Training(monitor)
        training.start()
        energies.append(training.epoch(0.5, batches=4, accumulate=accumulate)["energy/optimizer"])
    assert energies == pytest.approx([4 * energies[2], 2 * energies[2], energies[2]])


def test_resumed_training_counts_the_same():
    whole = EnergyMonitor(TABLE, "val/acc")
    training = Training(whole)
    training.start()
    first = Training(EnergyMonitor(TABLE, "val/acc"))
    first.start()
    for accuracy in (0.6, 0.9):
        training.epoch(accuracy)
    torch.manual_seed(0)
    part = EnergyMonitor(TABLE, "val/acc")
    resumed = Training(part)
    resumed.start()
    resumed.epoch(0.6)
    saved = part.state_dict()
    again = EnergyMonitor(TABLE, "val/acc")
    resumed.monitor = again
    resumed.start()
    again.load_state_dict(saved)
    resumed.epoch(0.9)
    ours, theirs = again.summary(), whole.summary()
    assert ours["operations"] == theirs["operations"]
    assert ours["modelled"] == theirs["modelled"]
    assert ours["to_reach"] == theirs["to_reach"]
    assert ours["per_sample"] == theirs["per_sample"]


def test_state_loads_with_weights_only(tmp_path):
    training = Training(EnergyMonitor(TABLE, "val/acc"))
    training.start()
    training.epoch(0.5)
    state = training.monitor.state_dict()
    torch.save(state, tmp_path / "state")
    loaded = torch.load(tmp_path / "state", weights_only=True)
    assert loaded == state
    assert Bill(loaded["bill"]).by_phase() == training.monitor.bill.by_phase()


@pytest.mark.parametrize("measure", [True, False])
def test_not_measured_is_said_and_never_0(measure, monkeypatch):
    monkeypatch.setattr("snn_zo.energy.sensors.POWERCAP", Path("/nowhere"))
    monitor = EnergyMonitor(TABLE, "val/acc", measure=measure)
    training = Training(monitor)
    training.start()
    logged = training.epoch(0.5)
    summary = monitor.summary()
    assert summary["measured"] == "not measured"
    assert "measured/energy" not in logged
    reason = "no energy counter of the CPU in /nowhere" if measure else "callbacks.energy.measure is false"
    assert summary["measurement"] == {"sensor": None, "reason": reason}


def test_measured_is_beside_modelled(monkeypatch):
    class Counter:
        name, resolution_s, device, now = "rapl", 0.001, "test-counter", 0.0

        def keep_up(self) -> None:
            pass

        def joules(self) -> float:
            Counter.now += 5.0
            return Counter.now

    monkeypatch.setattr("snn_zo.callbacks.energy.sensor", lambda kind, index: Counter())
    monkeypatch.setattr("snn_zo.energy.meter.IDLE_S", 0.01)
    monitor = EnergyMonitor(TABLE, "val/acc")
    training = Training(monitor)
    training.start()
    logged = [training.epoch(0.5)["measured/energy"] for _ in range(2)]
    other = EnergyMonitor(TABLE, "val/acc")
    Training(other).start()
    assert other.summary()["measurement"] == {"sensor": "rapl", "reason": "another run uses the device"}
    other.on_exception(None, None, RuntimeError())
    monitor.on_fit_end(training.trainer, training.module)
    assert logged == [10.0, 10.0], "a window before validation and one after"
    summary = monitor.summary()
    assert summary["measured"] == 20.0
    assert summary["measurement"]["sensor"] == "rapl"
    assert summary["measurement"]["idle_w"] > 0
    assert summary["modelled"]["total"] < 1


def test_model_that_cannot_be_counted_is_said_once(caplog):
    monitor = EnergyMonitor(TABLE, "val/acc")
    training = Training(monitor)
    training.module.model = torch.nn.Linear(2, 2)
    with caplog.at_level(logging.WARNING):
        training.start()
    assert "energy is not modelled: Linear holds no snn_zo.layers.Layer" in caplog.text
    assert monitor.summary()["modelled"] is None
    assert monitor.summary()["measured"] == "not measured"


def test_optimizer_without_a_rule_is_counted_by_its_state(caplog):
    monitor = EnergyMonitor(TABLE, "val/acc")
    training = Training(monitor, Surrogate(), torch.optim.Adagrad)
    training.start()
    training.epoch(0.5)
    assert "no rule for Adagrad" in caplog.text
    parameters = sum(p.numel() for p in training.module.model.parameters())
    (line,) = (row for row in monitor.bill.rows() if row["phase"] == "optimizer")
    assert line["multiply_adds"] == 3 * 2 * parameters


def test_activity_of_all_devices_is_priced():
    """In a process group (of one); each replica of the optimizer makes its steps."""
    alone = EnergyMonitor(TABLE, "val/acc", measure=False)
    training = Training(alone)
    training.start()
    expected = training.epoch(0.5)
    torch.distributed.init_process_group("gloo", rank=0, world_size=1, store=torch.distributed.HashStore())
    try:
        monitor = EnergyMonitor(TABLE, "val/acc")
        training = Training(monitor)
        training.trainer.world_size = 2
        training.start()
        logged = training.epoch(0.5)
    finally:
        torch.distributed.destroy_process_group()
    assert logged["energy/forward"] == expected["energy/forward"]
    assert logged["energy/optimizer"] == pytest.approx(2 * expected["energy/optimizer"])
    assert monitor.summary()["measurement"]["reason"] == "several devices take part"


def test_inference_of_a_model_that_cannot_be_counted_is_nothing():
    """No operations at all would be a claim."""
    monitor, module, batch = EnergyMonitor(TABLE, monitor="val/acc"), Module(torch.nn.Linear(2, 2)), torch.zeros(4)
    monitor.on_test_start(None, module)
    monitor.on_test_batch_end(None, module, {"layers": []}, SimpleNamespace(target=batch), 0)
    monitor.on_test_end(None, module)
    assert monitor.summary()["inference"] is None
