from types import SimpleNamespace

import pytest
import torch

from snn_zo.callbacks import SparsityMonitor
from snn_zo.layers import Done, SpikeCounts
from snn_zo.neuron import CountReadout, Neuron
from snn_zo.ops import Rows, Spikes
from snn_zo.ops.record import Record
from snn_zo.ops.spikes import EVERYWHERE
from snn_zo.strategies import Surrogate


class Module:
    """What the callback needs of a LightningModule."""

    def __init__(self) -> None:
        self.logged: dict[str, float] = {}

    def log(self, name: str, value: float, **_: object) -> None:
        self.logged[name] = value

    def log_dict(self, values: dict[str, float]) -> None:
        self.logged |= values


def spikes(s: torch.Tensor, active: torch.Tensor) -> Spikes:
    made = Spikes.from_dense(s.float())
    index = active.flatten().nonzero().squeeze(1)
    made.active = Rows.from_flat(index, s.shape[0] * s.shape[1], s.shape[2])
    made.g = torch.ones(len(index))
    return made


def epoch(
    monitor: SparsityMonitor, steps: list[dict[str, Spikes]], trainer: SimpleNamespace | None = None
) -> dict[str, float]:
    trainer, module = trainer or SimpleNamespace(current_epoch=3), Module()
    monitor.on_train_epoch_start(trainer, module)
    for i, hidden in enumerate(steps):
        monitor.on_train_batch_end(trainer, module, {"hidden": hidden, "layers": []}, SimpleNamespace(share=1.0), i)
    monitor.on_train_epoch_end(trainer, module)
    return module.logged


def test_fractions_equal_dense_means():
    generator = torch.Generator().manual_seed(0)
    steps, fired = [], {"hidden1": torch.zeros(7), "hidden2": torch.zeros(3)}
    active, rate = {name: [] for name in fired}, {name: [] for name in fired}
    for batch in (4, 4, 2):
        hidden = {}
        for name, n in (("hidden1", 7), ("hidden2", 3)):
            s, a = (torch.rand(batch, 5, n, generator=generator) < p for p in (0.05, 0.2))
            hidden[name] = spikes(s, a)
            fired[name] += s.sum((0, 1))
            active[name].append(a)
            rate[name].append(s)
        steps.append(hidden)
    monitor = SparsityMonitor()
    logged = epoch(monitor, steps)
    for name in fired:
        assert monitor.fractions[name]["active"] == pytest.approx(float(torch.cat(active[name]).double().mean()))
        assert monitor.fractions[name]["spike_rate"] == pytest.approx(float(torch.cat(rate[name]).double().mean()))
        assert monitor.fractions[name]["silent"] == pytest.approx(float((fired[name] == 0).float().mean()))
        assert logged[f"sparsity/{name}/active"] == monitor.fractions[name]["active"]
    weighted = (7 * monitor.fractions["hidden1"]["active"] + 3 * monitor.fractions["hidden2"]["active"]) / 10
    assert logged["sparsity/active"] == pytest.approx(weighted)
    assert monitor.dead == []


@pytest.mark.parametrize(
    ("s", "a", "says"), [(0.0, 1.0, "no spike in epoch 4"), (1.0, 0.0, "no neuron was active in the backward pass")]
)
def test_dead_layer_is_named_once(s, a, says, caplog):
    alive = spikes(torch.ones(2, 3, 4), torch.ones(2, 3, 4))
    dead = spikes(torch.full((2, 3, 4), s), torch.full((2, 3, 4), a))
    monitor = SparsityMonitor()
    epoch(monitor, [{"hidden1": alive, "hidden2": dead}])
    assert monitor.dead == ["hidden2"]
    epoch(monitor, [{"hidden1": alive, "hidden2": dead}])
    assert len(caplog.records) == 1
    assert "hidden2 is dead" in caplog.text
    assert says in caplog.text
    epoch(monitor, [{"hidden1": alive, "hidden2": alive}])
    assert monitor.dead == []


@pytest.mark.parametrize(
    ("s", "a", "current_epoch", "limit", "ends"),
    [
        (0.0, 0.0, 0, 1.0, True),
        (1.0, 0.0, 0, 1.0, False),
        (0.0, 1.0, 0, 1.0, False),
        (0.0, 0.0, 1, 1.0, False),
        (0.0, 0.0, 0, 0.5, False),
        (0.0, 0.0, 0, 3, False),
    ],
)
def test_layer_that_no_gradient_reaches_from_the_start_ends_the_training(s, a, current_epoch, limit, ends, caplog):
    alive = spikes(torch.ones(2, 3, 4), torch.ones(2, 3, 4))
    layer = spikes(torch.full((2, 3, 4), s), torch.full((2, 3, 4), a))
    trainer = SimpleNamespace(current_epoch=current_epoch, limit_train_batches=limit, should_stop=False)
    monitor = SparsityMonitor()
    epoch(monitor, [{"hidden1": alive, "hidden2": layer}], trainer)
    assert trainer.should_stop == ends
    assert ("No gradient reaches hidden2" in caplog.text) == ends


def test_layer_that_one_batch_reaches_does_not_end_the_training():
    alive, dead = (spikes(torch.full((2, 3, 4), value), torch.full((2, 3, 4), value)) for value in (1.0, 0.0))
    trainer = SimpleNamespace(current_epoch=0, limit_train_batches=1.0, should_stop=False)
    epoch(SparsityMonitor(), [{"hidden1": dead}, {"hidden1": alive}], trainer)
    assert not trainer.should_stop


def test_state_is_what_the_last_epoch_was_like():
    silent = spikes(torch.zeros(2, 3, 4), torch.ones(2, 3, 4))
    monitor, resumed = SparsityMonitor(), SparsityMonitor()
    epoch(monitor, [{"hidden1": silent}])
    resumed.load_state_dict(monitor.state_dict())
    assert (resumed.fractions, resumed.paths, resumed.dead) == (monitor.fractions, monitor.paths, ["hidden1"])
    assert resumed.state_dict() == monitor.state_dict()


def test_dead_output_neurons_are_named_and_leave_the_hidden_ones_alone():
    """Output neurons may spike, too; what is said of all layers is said of the hidden ones."""
    alive = spikes(torch.ones(2, 3, 4), torch.ones(2, 3, 4))
    silent = spikes(torch.zeros(2, 3, 5), torch.zeros(2, 3, 5))
    done = Done(SpikeCounts((4,), 5, CountReadout(Neuron()), Surrogate()), alive, Record(), silent)
    monitor = SparsityMonitor()
    monitor.on_train_epoch_start(None, None)
    outputs = {"hidden": {"hidden1": alive}, "layers": [done]}
    monitor.on_train_batch_end(None, Module(), outputs, SimpleNamespace(share=1.0), 0)
    monitor.on_train_epoch_end(SimpleNamespace(current_epoch=3), Module())
    assert monitor.dead == ["readout"]
    assert monitor.fractions["all"] == monitor.fractions["hidden1"]


@pytest.mark.parametrize("last", [True, False])
def test_channels_equal_dense_means(last):
    """In either order of the neurons, whether active elements are listed or all are."""
    generator, order = torch.Generator().manual_seed(0), (0, 1, 3, 4, 2) if last else (0, 1, 2, 3, 4)
    monitor, steps, dense = SparsityMonitor(), [], []
    for batch, everywhere in ((4, False), (3, True)):
        s, a = (torch.rand(batch, 5, 3, 2, 4, generator=generator) < p for p in (0.03, 0.2))
        s[:, :, 1] = a[:, :, 2] = 0
        given = spikes(s.permute(order).flatten(2), a.permute(order).flatten(2)).view(3, 2, 4, channels_last=last)
        if everywhere:
            given.active, given.g = EVERYWHERE, a.permute(order).flatten().float()
        steps.append({"conv1": given, "hidden2": spikes(s.flatten(2), a.flatten(2))})
        dense.append((s, a))
    epoch(monitor, steps)
    fired, active = (torch.cat(parts).double() for parts in zip(*dense, strict=True))
    assert list(monitor.channels) == ["conv1"]
    for channel, values in enumerate(monitor.channels["conv1"]):
        assert values["spike_rate"] == pytest.approx(float(fired[:, :, channel].mean()))
        assert values["active"] == pytest.approx(float(active[:, :, channel].mean()))
        assert values["silent"] == pytest.approx(float((fired[:, :, channel].sum((0, 1)) == 0).double().mean()))
    assert monitor.records()[1] == {"layer": "conv1", "channel": 1, **monitor.channels["conv1"][1]}
    layers = monitor.contribution()["sparsity"]["layers"]
    assert (layers["conv1"]["channels"], layers["conv1"]["dead_channels"]) == (3, 2)
    assert "channels" not in layers["hidden2"]


def test_dead_channels_are_named_where_they_get_more(caplog):
    def layer(dead: int) -> dict[str, Spikes]:
        s = torch.ones(2, 3, 12)
        s[:, :, :dead] = 0
        return {"conv1": spikes(s, torch.ones(2, 3, 12)).view(12, 1, 1)}

    monitor = SparsityMonitor()
    for dead in (2, 1, 2, 11, 12):
        epoch(monitor, [layer(dead)])
    assert [record.getMessage() for record in caplog.records] == [
        "conv1: 2 of 12 channels had no spike or no active neuron in epoch 4: 0, 1",
        "conv1: 11 of 12 channels had no spike or no active neuron in epoch 4: 0, 1, 2, 3, 4, 5, 6, 7 and 3 more",
        "conv1 is dead: no spike in epoch 4. Raise model.gain or model.neuron.tau, or lower model.neuron.v_th.",
    ]
