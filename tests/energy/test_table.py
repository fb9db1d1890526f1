import math
from pathlib import Path

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from snn_zo.config import ConfigError, build
from snn_zo.energy import CostTable, Work

TABLES = sorted((Path(__file__).parents[2] / "conf" / "energy").glob("*.yaml"))
FP32 = next(path for path in TABLES if path.stem == "45nm_fp32")


def table(**changes) -> CostTable:
    return build(OmegaConf.merge(OmegaConf.load(FP32), changes), "energy")


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_table_is_complete(path):
    node = OmegaConf.load(path)
    checked = build(node, "energy")
    assert checked == instantiate(node)
    assert checked.name == path.stem
    assert len(checked.source) > 40
    assert "Assumed" in checked.source
    assert set(node) - {"_target_", "_convert_"} == set(CostTable.__dataclass_fields__)


def test_price_by_hand():
    moved = {"a": 400, "b": 4000, "c": 8}
    work = Work(10, 20, 60, 70, updates=30, functions=40, randoms=50, moved=moved)
    prices = table()
    moved = prices.bytes_by_level(work, {"a": 8192, "b": 8193, "c": 1e9})
    assert moved == {"8 kB SRAM": 400, "32 kB SRAM": 4000, "1 MB SRAM": 0, "DRAM": 8}
    price = prices.price(work, moved)
    assert price.operations == pytest.approx(1e-12 * (10 * 0.9 + 80 * 4.6 + 70 * 0.9 + 30 * 5.5 + 40 * 9.6 + 50 * 68))
    assert price.memory == pytest.approx(
        {"8 kB SRAM": 0.5e-9, "32 kB SRAM": 10e-9, "1 MB SRAM": 0.0, "DRAM": 2 * 650e-12}
    )


def test_products_read_a_memory_once_for_each_block_in_the_nearer_one():
    """A tile of 16, then blocks of sqrt(8192 / 4) and sqrt(32768 / 4); no number is read less than once."""
    moved = table().bytes_by_level(Work(uses={("a", 60): 6000.0}), {"a": 2**20})
    assert moved == pytest.approx(
        {"8 kB SRAM": 6000 / 16, "32 kB SRAM": 6000 / 2048**0.5, "1 MB SRAM": 6000 / 60, "DRAM": 0}
    )
    near = table().bytes_by_level(Work(uses={("a", 7): 700.0}), {"a": 8192})
    assert near == {"8 kB SRAM": 100, "32 kB SRAM": 0, "1 MB SRAM": 0, "DRAM": 0}


def test_blocks_fit_the_smaller_memories():
    assert table().blocks(8192) == [1]
    assert table().blocks(2**20 + 1) == [1, 2, 33, 129]


@pytest.mark.parametrize("name", ["45nm_fp32", "45nm_fp16", "45nm_int8"])
def test_memory_at_45_nm_costs_half_of_what_64_bits_do(name):
    """Horowitz, ISSCC 2014, figure 1.1.9: 10, 20, 100 pJ, and DRAM from 1300 pJ on; a function reads 8 kB."""
    prices = build(OmegaConf.load(FP32.with_stem(name)), "energy")
    assert [level.pj for level in prices.memory] == [10 / 2, 20 / 2, 100 / 2, 1300 / 2]
    assert prices.function == pytest.approx(5.0 * prices.word_bytes / 4 + prices.multiply_add, abs=0.005)
    assert prices.random == pytest.approx(20 * 3.1 + 60 * 0.1)


def test_update_has_a_price_of_its_own_where_one_is_given():
    assert table().prices["updates"] == pytest.approx(5.5)
    assert table(update=81.0).prices["updates"] == 81.0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"addition": -1}, "energy.addition must be a number from 0 on"),
        ({"tile": 0}, "energy.word_bytes, tile"),
        ({"gathered_per_s": 0}, "products_per_s, gathered_per_s must be positive"),
        ({"memory": [{"name": "a", "bytes": 100, "pj": 1}]}, "end with bytes: .inf"),
        (
            {"memory": [{"name": "a", "bytes": 100, "pj": 1}, {"name": "b", "bytes": 50, "pj": 1}]},
            "energy.memory levels must ascend",
        ),
        ({"memory": [{"name": "a", "bytes": math.inf}]}, "levels of name, bytes, pj, got name, bytes"),
        ({"memory": [{"name": "a", "bytes": math.inf, "pj": -1}]}, "memory level a"),
    ],
)
def test_table_mistake_is_said(changes, says):
    with pytest.raises(ConfigError, match=r"^energy") as error:
        table(**changes)
    assert says.removeprefix("energy.") in str(error.value)
