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
    work = Work(10, 20, 30, 40, 50, {"a": 400, "b": 4000, "c": 8})
    prices = table()
    moved = prices.bytes_by_level(work, {"a": 8192, "b": 8193, "c": 1e9})
    assert moved == {"8 kB SRAM": 400, "32 kB SRAM": 4000, "1 MB SRAM": 0, "DRAM": 8}
    price = prices.price(work, moved)
    assert price.operations == pytest.approx(1e-12 * (10 * 0.9 + 20 * 4.6 + 30 * 5.5 + 40 * 14.6 + 50 * 68))
    assert price.memory == pytest.approx(
        {"8 kB SRAM": 1e-9, "32 kB SRAM": 20e-9, "1 MB SRAM": 0.0, "DRAM": 2 * 640e-12}
    )
    assert prices.buffer == 2**20


def test_update_has_a_price_of_its_own_where_one_is_given():
    assert table().prices["updates"] == pytest.approx(5.5)
    assert table(update=81.0).prices["updates"] == 81.0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"addition": -1}, "energy.addition must be a number from 0 on"),
        ({"tile": 0}, "energy.word_bytes, tile"),
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
