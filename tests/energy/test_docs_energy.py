"""The numbers of docs/energy.md, computed."""

import math
import re
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from snn_zo.energy import CostTable, Work, counts
from snn_zo.energy.activity import layer_activity
from snn_zo.energy.connection import Connection
from snn_zo.energy.counts import Search
from snn_zo.energy.work import OPERATIONS
from snn_zo.neuron import Neuron
from snn_zo.ops import Rows, Spikes
from snn_zo.ops.convolution import Convolution
from snn_zo.strategies import LocalZO

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "energy.md").read_text()
T, N_IN, N = 4, 3, 2


def table(name: str) -> CostTable:
    return instantiate(OmegaConf.load(ROOT / "conf" / "energy" / f"{name}.yaml"))


def rows(text: str, columns: int) -> list[list[str]]:
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [row for row in found if len(row) == columns and not set(row[0]) <= {"-"}]


def spikes(events: list[tuple[int, int]], active: list[tuple[int, int]], n: int) -> Spikes:
    made = Spikes.from_events((1, T, n), Rows.from_flat(torch.tensor([t * n + i for t, i in events]), T, n))
    made.active = Rows.from_flat(torch.tensor([t * n + i for t, i in active]), T, n)
    made.g = torch.ones(len(active))
    made.handle = made.g.clone().requires_grad_()
    made.record.drawn = 5
    return made


def example(form: str) -> dict[str, Work]:
    x = spikes([(0, 0), (0, 2), (1, 1), (3, 0)], [(0, 2), (3, 1)], N_IN)
    s = spikes([(1, 0), (2, 1)], [(1, 0), (2, 1)], N)
    s.record.weight_gradient, s.record.to_input = form, True
    a = layer_activity(x, s, "soft", True)
    assert (a.rows, a.live_rows, a.events_in, a.live_events_in, a.active, a.live_active_in) == (4, 3, 4, 3, 2, 1)
    return counts.layer(a, Neuron(), Search.of(LocalZO()), False)


def test_example_by_hand():
    text = TEXT[TEXT.index("## An example by hand") :]
    header, *table_rows = rows(text[: text.index("Forward: ")], 7)
    assert len(table_rows) == 5
    counted = [name.replace("-", "_") for name in header[1:6]]
    assert set(OPERATIONS) - set(counted) == {"products", "binary_products"}
    prices = table("45nm_fp32")
    for cells in table_rows:
        phase, _, form = cells[0].partition(", ")
        work = example(form if phase == "grad_weight" else "trace")[phase]
        assert [int(cell) for cell in cells[1:6]] == [work.operations()[name] for name in counted], cells[0]
        moved = {level.name: 0.0 for level in prices.memory}
        assert prices.price(work, moved).operations * 1e12 == pytest.approx(float(cells[6])), cells[0]


def test_example_by_hand_memory():
    work = example("trace")["forward"]
    assert {name: amount for name, amount in work.moved.items() if amount} == {"weights": 32, "input events": 16}
    prices = table("45nm_fp32")
    moved = prices.bytes_by_level(work, dict.fromkeys(work.moved, 100))
    assert sum(prices.price(work, moved).memory.values()) * 1e12 == pytest.approx(60)
    assert "32 + 16 = 48 bytes" in TEXT


def test_example_of_a_convolution():
    made = Convolution((1, 3, 3), 1, (2, 2))
    shown = "\n".join("    " + " ".join(str(count) for count in row) for row in made.reached()[0].tolist())
    assert shown in TEXT
    connection = Connection.convolved(made)
    assert f"K = {connection.fan_in}, P = {connection.places}, N = {math.prod(made.out_shape)}" in TEXT
    assert f"a dense product takes {connection.products} binary products" in TEXT


def test_prices_are_those_of_the_tables():
    text = TEXT[TEXT.index("## Prices") :]
    listed = {row[0].strip("`"): row for row in rows(text[: text.index("Horowitz gives")], 6)[1:]}
    assert set(listed) == {path.stem for path in (ROOT / "conf" / "energy").glob("*.yaml")}
    for name, row in listed.items():
        prices = table(name).prices
        numbers = [float(re.sub(" pJ", "", cell)) for cell in row[2:5]]
        assert numbers == pytest.approx([prices["additions"], prices["multiply_adds"], prices["updates"]])
