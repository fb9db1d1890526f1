from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from snn_zo.energy import PHASES, Work
from snn_zo.energy.activity import Activity, Forms
from snn_zo.energy.bill import Bill, dense_bill, pool_bill, training_bill
from snn_zo.energy.counts import OptimizerRule, optimizer_rule
from snn_zo.layers import Done, Layer, SpikingLinear, recording
from snn_zo.models import FeedForward
from snn_zo.neuron import Neuron, Readout
from snn_zo.ops import Spikes
from snn_zo.strategies import Draw, LocalZO, Surrogate

TABLE = instantiate(OmegaConf.load(Path(__file__).parents[2] / "conf" / "energy" / "45nm_fp32.yaml"))
ADAM = optimizer_rule("Adam", {})


def step(strategy=None, hidden=(11, 7), density=0.2):
    """A network and its activity in a training step."""
    torch.manual_seed(0)
    model = FeedForward((13,), 4, strategy or LocalZO(delta=0.3), list(hidden), Neuron(tau=5.0), Readout(), gain=4.0)
    x = Spikes.from_events((6, 9, 13), Spikes.from_dense((torch.rand(6, 9, 13) < density).float()).events)
    with recording() as layers:
        output = model(x, Draw(0, 0, 0, torch.arange(6)))
    output.readout.square().sum().backward()
    return model, [(done.layer, done.layer.activity(done)) for done in layers]


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


def test_bill_is_the_sum_of_its_lines():
    network, activities = step()
    bill = training_bill(activities, parameters(network), 1, ADAM, TABLE)
    phases = bill.by_phase()
    joules = sum(value for row in bill.rows() for name, value in row.items() if str(name).endswith(" J"))
    assert phases["total"] == pytest.approx(joules)
    assert phases["total"] == pytest.approx(sum(phases[name] for name in (*PHASES, "memory")))
    operations = sum(price * bill.operations()[name] for name, price in TABLE.prices.items()) * 1e-12
    assert sum(phases[name] for name in PHASES) == pytest.approx(operations)
    memory = sum(
        value * level.pj * 1e-12 / 4
        for level in TABLE.memory
        for name, value in bill.sum(" bytes").items()
        if name == level.name
    )
    assert phases["memory"] == pytest.approx(memory)


def test_bill_names_patterns_and_leaves_out_what_was_not_done():
    network, activities = step()
    lines = set(training_bill(activities, parameters(network), 1, ADAM, TABLE).lines)
    assert ("hidden1", "forward", "rows of spiking inputs") in lines
    assert not any(line[:2] == ("hidden1", "grad_input") for line in lines)
    assert ("hidden2", "grad_input", "decaying sum of weight rows") in lines
    assert ("readout", "grad_input", "products at active inputs") in lines
    assert ("all", "optimizer", "every parameter") in lines
    dense = {pattern for _, _, pattern in dense_bill(activities, parameters(network), 1, ADAM, TABLE).lines}
    assert dense == {"dense product", "neuron update", "every parameter"}


def test_bill_of_a_sparse_strategy_is_a_fraction_of_dense():
    network, activities = step(density=0.05)
    sparse, dense = (
        f(activities, parameters(network), 1, OptimizerRule(0), TABLE).by_phase() for f in (training_bill, dense_bill)
    )
    for phase in ("forward", "grad_input"):
        assert sparse[phase] < 0.5 * dense[phase]
    assert sparse["total"] < dense["total"]


def test_bills_add_up():
    network, activities = step()
    bill = training_bill(activities, parameters(network), 1, ADAM, TABLE)
    twice = training_bill([*activities, *activities], parameters(network), 2, ADAM, TABLE)
    bill += training_bill(activities, parameters(network), 1, ADAM, TABLE)
    assert bill.by_phase() == pytest.approx(twice.by_phase())
    assert Bill(bill.lines).by_phase() == bill.by_phase()


def wide(events_in: int, samples: int = 64) -> list[tuple[Layer, Activity]]:
    """A layer of 1024 inputs and 512 neurons: 2 MB of weights."""
    layer = SpikingLinear((1024,), 512, Neuron(), Surrogate(), "hidden1")
    return [(layer, Activity(1024, 512, 10, Forms(input=None), 1, samples, events_in))]


def test_weights_are_worked_on_in_the_blocks_that_cost_least():
    """Few events read weights where they lie; many read blocks that were brought near, and their list once a block."""
    few, many = (
        training_bill(wide(n), 2**19, 0, OptimizerRule(0), TABLE).lines["hidden1", "forward", "rows of spiking inputs"]
        for n in (3, 10**6)
    )
    assert (few["DRAM bytes"], few["8 kB SRAM bytes"]) == (3 * 512 * 4, 3 * 4)
    assert few["32 kB SRAM bytes"] == few["1 MB SRAM bytes"] == 0
    assert many["32 kB SRAM bytes"] == 10**6 * 512 * 4  # 64 blocks
    assert many["1 MB SRAM bytes"] == 64 * 10**6 * 4
    assert many["DRAM bytes"] == 4 * 2**21  # once for 16 samples, whose list fits into 1 MB
    assert many["additions"] == 512 * 10**6


def test_groups_of_samples_are_as_large_as_costs_least():
    """Dense tensors of a batch of 64 would lie in DRAM, and the gradient of one sample costs two passes of its own."""
    (line,) = [
        values for (_, phase, _), values in dense_bill(wide(0), 2**19, 0, OptimizerRule(0), TABLE).lines.items()
        if phase == "grad_weight"
    ]  # fmt: skip
    passes = 2 * 2**21 * 64 / line["DRAM bytes"]
    assert passes == pytest.approx(32, rel=0.5)
    one = dense_bill(wide(0, 1), 2**19, 0, OptimizerRule(0), TABLE)
    assert dense_bill(wide(0), 2**19, 0, OptimizerRule(0), TABLE).joules < 64 * one.joules


def test_delay_follows_the_rates_of_each_kind():
    table = replace(TABLE, products_per_s=1e3, operations_per_s=1e2, gathered_per_s=1e1)
    bill = Bill()
    for pattern, work in (
        ("dense product", Work(products=1000, binary_products=500)),
        ("neuron update", Work(updates=100, functions=20)),
        ("rows of spiking inputs", Work(additions=30)),
    ):
        bill.charge(("l", "forward", pattern), work, {}, table)
    assert bill.seconds(table) == pytest.approx(1.5 + 1.2 + 3)
    assert bill.seconds(replace(table, products_per_s=None, gathered_per_s=None)) == pytest.approx(16.5)


def test_narrow_numbers_move_fewer_bytes():
    network, activities = step()
    whole = training_bill(activities, parameters(network), 1, ADAM, TABLE)
    half = training_bill(activities, parameters(network), 1, ADAM, replace(TABLE, word_bytes=2))
    assert half.operations() == whole.operations()
    moved, less = (sum(bill.sum(" bytes").values()) for bill in (whole, half))
    assert moved / 2 < less < moved  # indices stay 32 bits wide
    assert half.joules < whole.joules


def test_pool_is_made_once_and_read_ever_after():
    pooled, activities = step(LocalZO(delta=0.3, pool=256))
    plain, drawn = step(LocalZO(delta=0.3))
    assert pool_bill(plain.layers, TABLE).lines == {}
    made = pool_bill(pooled.layers, TABLE)
    assert made.operations()["randoms"] == 2 * 256
    assert sum(made.sum(" bytes").values()) == 2 * 256 * 4, "each layer has its own"
    assert training_bill(activities, parameters(pooled), 1, ADAM, TABLE).operations()["randoms"] == 0
    assert training_bill(drawn, parameters(plain), 1, ADAM, TABLE).operations()["randoms"] > 0


def test_backend_that_does_not_say_what_it_drew_is_refused():
    model, _ = step()
    x, silent = (Spikes.from_dense(torch.zeros(1, 2, n)) for n in (13, 11))
    with pytest.raises(ValueError, match="does not say how many elements drew"):
        model.layers[0].activity(Done(model.layers[0], x, silent.record, silent))


def test_subclass_with_a_gradient_of_its_own_is_billed_everywhere():
    """As it runs, whatever the class that it derives from is looked up at."""

    class Everyone(Surrogate):
        def gradient(self, u, draw=None):
            return self.expected(u) + 1e-6

    (_, window), (_, everywhere) = (step(kind("triangular", 5.0), hidden=[11])[1][0] for kind in (Surrogate, Everyone))
    assert not window.forms.everywhere
    assert everywhere.forms.everywhere
    layer = step(Everyone("triangular", 5.0), hidden=[11])[0].layers[0]
    assert layer.work(everywhere)["neuron"].functions == 6 * 9 * 11


def test_format_follows_the_table():
    network, activities = step()
    untiled = training_bill(activities, parameters(network), 0, ADAM, replace(TABLE, tile=1))
    assert untiled.operations() == training_bill(activities, parameters(network), 0, ADAM, TABLE).operations()
    single, tiled = (
        dense_bill(activities, parameters(network), 0, ADAM, replace(TABLE, tile=tile)).by_phase()["memory"]
        for tile in (1, 16)
    )
    assert single > 2 * tiled
