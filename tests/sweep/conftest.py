"""Jobs made by Hydra as a sweep makes them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf, open_dict

from snn_zo.config import Composed
from snn_zo.config.sources import root
from snn_zo.sweep.jobs import Job


@pytest.fixture(scope="session")
def config() -> DictConfig:
    """A run's config, resolved, as it comes without overrides."""
    with initialize_config_dir(str(root() / "conf"), version_base="1.3"):
        composed = compose("train", return_hydra_config=True)
        with open_dict(composed):
            composed.hydra.runtime.choices = {"strategy": "local_zo", "data": "digits"}
            composed.method, composed.dataset = "local_zo", "digits"
            del composed["hydra"]
    return composed


@pytest.fixture
def job(config: DictConfig, tmp_path: Path) -> Callable[..., Job]:
    """A job with some settings, not yet placed; its study is `study`."""

    def make(*overrides: str, study: str = "study") -> Job:
        own = OmegaConf.merge(config, {"outputs": str(tmp_path)}, OmegaConf.from_dotlist(list(overrides)))
        assert isinstance(own, DictConfig)
        return Job(list(overrides), list(overrides), Composed.of(own), study)

    return make
