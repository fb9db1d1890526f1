"""A benchmark of milliseconds, and what takes part in it."""

from functools import cache
from typing import Any, NamedTuple

from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict

from snn_zo.bench.agreement import Agreement, compare
from snn_zo.bench.contestants import Contestant, Entry, Inputs, ours
from snn_zo.bench.peers import peers
from snn_zo.bench.settings import BenchSettings, load_strategies
from snn_zo.bench.suite import Start
from snn_zo.config import build
from snn_zo.config.sources import register, root
from snn_zo.strategies import Strategy

SIZES = ("inputs=20", "hidden=[15,12]", "batch=8", "steps=12", "memory=false", "rounds=2", "warmup=0")
IMAGES = ("inputs=[2,17,11]", "hidden=[4c3p1,p2,6c3s2p1g2,p2,12]", "batch=6", "input_rate=0.1")
"""In the place of some sizes: convolutions with pooling, stride, padding and groups, and a full connection."""


class Composed(NamedTuple):
    settings: BenchSettings
    strategies: dict[str, Strategy]
    config: DictConfig


@cache
def composed(*overrides: str) -> Composed:
    register([])
    with initialize_config_dir(str(root() / "conf"), version_base="1.3"):
        config = compose("bench", list(overrides), return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        with open_dict(config):
            del config["hydra"]
        settings = build(config, "", BenchSettings)
        return Composed(settings, load_strategies(settings.strategies), config)


def case(*overrides: str) -> BenchSettings:
    return composed("suite=quick", *SIZES, *overrides).settings


def entries(*overrides: str) -> list[Entry]:
    """Everyone who is installed."""
    settings, strategies, _ = composed("suite=quick", *SIZES, *overrides)
    theirs, _ = peers(settings.peers, images=len(settings.in_shape) > 1)
    return [*ours(strategies, settings.backends or ("cpu", "reference")), *theirs]


def matched(entry: Entry, settings: BenchSettings) -> tuple[Contestant, Agreement]:
    """A calibrated contestant and what the check says of it."""
    inputs = Inputs.random(settings)
    contestant: Any = entry.make(settings, inputs)
    Start(settings).match(contestant, entry.name)
    return contestant, compare(contestant, inputs)
