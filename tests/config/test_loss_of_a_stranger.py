"""What the config of a run folder may say of its loss."""

import pytest
from omegaconf import DictConfig, OmegaConf

from snn_zo.config import ConfigError
from snn_zo.config.trust import require_trusted
from snn_zo.runs.folder import RunFolder
from snn_zo.runs.open import open_run
from tests.config.test_build import composed


def received(**loss: object) -> DictConfig:
    """A run's config with this loss."""
    return OmegaConf.create(OmegaConf.to_container(composed(), resolve=True) | {"loss": loss})


@pytest.mark.parametrize("name", ["CrossEntropy", "TET", "MSECount", "MSE", "MAE"])
def test_require_trusted_accepts_a_loss(name):
    require_trusted(received(_target_=f"snn_zo.tasks.{name}"))


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "torch.nn.CrossEntropyLoss",
        "torch.optim.Adam",
        "snn_zo.tasks.make_task",
        "snn_zo.tasks.losses.CrossEntropy",
        "snn_zo.callbacks.Checkpoint",
        "snn_zo.strategies.LocalZO",
    ],
)
def test_require_trusted_refuses_what_is_no_loss(target):
    with pytest.raises(ConfigError, match=f"names {target} as loss, which a run folder may not"):
        require_trusted(received(_target_=target))


def test_require_trusted_refuses_a_loss_elsewhere():
    config = OmegaConf.create(OmegaConf.to_container(composed(), resolve=True))
    config.regularizer = {"_target_": "snn_zo.tasks.MSE"}
    with pytest.raises(ConfigError, match=r"names snn_zo.tasks.MSE as regularizer"):
        require_trusted(config)


@pytest.mark.parametrize("trusted", [True, False])
def test_open_run_of_an_earlier_version(tmp_path, trusted):
    folder = RunFolder(tmp_path / "study" / "run")
    folder.checkpoints.mkdir(parents=True)
    config = OmegaConf.to_container(composed(), resolve=True)
    del config["loss"]
    folder.config.write_text(OmegaConf.to_yaml(config))
    with pytest.raises(ConfigError, match=r"config.yaml names no loss: an earlier version wrote it") as caught:
        open_run(folder, trusted)
    assert "\n" not in str(caught.value)
