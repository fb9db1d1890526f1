from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

from snn_zo.energy import PHASES, Work
from snn_zo.energy.bill import Bill, Network, dense_bill, pool_bill, training_bill
from snn_zo.energy.counts import OptimizerRule, optimizer_rule
from snn_zo.models import FeedForward
from snn_zo.neuron import Neuron, Readout
from snn_zo.ops import Spikes
from snn_zo.strategies import Draw, LocalZO, Surrogate

TABLE = instantiate(OmegaConf.load(Path(__file__).parents[2] / "conf" / "energy" / "45nm_fp32.yaml"))
ADAM = optimizer_rule("Adam", {})


def step(strategy=None, hidden=(11, 7), density=0.2):
    """A network and its activity in a training step."""
    torch.manual_seed(0)
    model = FeedForward(13, 4, strategy or LocalZO(delta=0.3), list(hidden), Neuron(tau=5.0), Readout(), gain=4.0)
    x = Spikes.from_events((6, 9, 13), Spikes.from_dense((torch.rand(6, 9, 13) < density).float()).events)
    output = model(x, Draw(0, 0, 0, torch.arange(6)))
    output.logits.square().sum().backward()
    network = Network.of(model)
    activities = network.observe(x, [spikes.detach() for spikes in output.hidden.values()])
    return network, list(enumerate(activities))


def test_bill_is_the_sum_of_its_lines():
    network, activities = step()
    bill = training_bill(network, activities, 1, ADAM, TABLE)
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
    lines = set(training_bill(network, activities, 1, ADAM, TABLE).lines)
    assert ("hidden1", "forward", "rows of spiking inputs") in lines
    assert not any(line[:2] == ("hidden1", "grad_input") for line in lines)
    assert ("hidden2", "grad_input", "decaying sum of weight rows") in lines
    assert ("readout", "grad_input", "products at active inputs") in lines
    assert ("all", "optimizer", "every parameter") in lines
    dense = {pattern for _, _, pattern in dense_bill(network, activities, 1, ADAM, TABLE).lines}
    assert dense == {"dense product", "neuron update", "every parameter"}


def test_bill_of_a_sparse_strategy_is_a_fraction_of_dense():
    network, activities = step(density=0.05)
    sparse, dense = (f(network, activities, 1, OptimizerRule(0), TABLE).by_phase() for f in (training_bill, dense_bill))
    for phase in ("forward", "grad_input", "grad_weight"):
        assert sparse[phase] < 0.5 * dense[phase]
    assert sparse["total"] < dense["total"]


def test_bills_add_up():
    network, activities = step()
    bill = training_bill(network, activities, 1, ADAM, TABLE)
    twice = training_bill(network, [*activities, *activities], 2, ADAM, TABLE)
    bill += training_bill(network, activities, 1, ADAM, TABLE)
    assert bill.by_phase() == pytest.approx(twice.by_phase())
    assert Bill(bill.lines).by_phase() == bill.by_phase()


def test_large_arrays_are_worked_on_in_blocks():
    """Weights that fit into no buffer come from DRAM once a batch; each access is to the largest buffer."""
    sizes = {"weights": 2**21, "stored weights": 2**21, "events": 2**21}
    bill = Bill()
    bill.charge(("l", "forward", "p"), Work(moved={"weights": 5e9, "stored weights": 2**21, "events": 8}), sizes, TABLE)
    (row,) = bill.rows()
    assert (row["1 MB SRAM bytes"], row["DRAM bytes"]) == (5e9, 2**21 + 8)


def test_narrow_numbers_move_fewer_bytes():
    network, activities = step()
    whole = training_bill(network, activities, 1, ADAM, TABLE)
    half = training_bill(network, activities, 1, ADAM, replace(TABLE, word_bytes=2))
    assert half.operations() == whole.operations()
    moved, less = (sum(bill.sum(" bytes").values()) for bill in (whole, half))
    assert moved / 2 < less < moved  # indices stay 32 bits wide


def test_pool_is_made_once_and_read_ever_after():
    pooled, activities = step(LocalZO(delta=0.3, pool=256))
    plain, _ = step(LocalZO(delta=0.3))
    assert pool_bill(plain, TABLE).lines == {}
    assert pool_bill(pooled, TABLE).operations()["randoms"] == 2 * 256
    assert training_bill(pooled, activities, 1, ADAM, TABLE).operations()["randoms"] == 0
    assert training_bill(plain, activities, 1, ADAM, TABLE).operations()["randoms"] > 0


def test_network_that_cannot_be_counted_is_named():
    with pytest.raises(ValueError, match="Linear has no attribute layers"):
        Network.of(nn.Linear(2, 2))
    model = FeedForward(13, 4, Surrogate(), [5], Neuron(), Readout())
    model.layers[0] = nn.Identity()
    with pytest.raises(ValueError, match=r"layers are not all nn\.Linear"):
        Network.of(model)


def test_backend_that_does_not_say_what_it_drew_is_refused():
    network, _ = step()
    x = Spikes.from_dense(torch.zeros(1, 2, 13))
    silent = [Spikes.from_dense(torch.zeros(1, 2, n)) for n in (11, 7)]
    with pytest.raises(ValueError, match="does not say how many elements drew"):
        network.observe(x, silent)
    with pytest.raises(ValueError, match="3 layers, but spikes of 1"):
        network.observe(x, silent[:1])


def test_format_follows_the_table():
    network, activities = step()
    wide = training_bill(network, activities, 0, ADAM, replace(TABLE, tile=1))
    assert wide.operations() == training_bill(network, activities, 0, ADAM, TABLE).operations()
    single, tiled = (
        dense_bill(network, activities, 0, ADAM, replace(TABLE, tile=tile)).by_phase()["memory"] for tile in (1, 16)
    )
    assert single > 3 * tiled
