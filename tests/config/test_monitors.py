import pytest
from omegaconf import OmegaConf

from snn_zo.config.monitors import check_monitors
from snn_zo.config.sources import root


@pytest.mark.parametrize(
    ("override", "answer"),
    [
        ("checkpoint.monitor=val/loss", "checkpoint.monitor=val/loss with mode max goes by the worst value"),
        ("checkpoint.mode=min", "checkpoint.monitor=val/acc with mode min goes by the worst value"),
        ("early_stopping.mode=min", "early_stopping.monitor=val/acc with mode min goes by the worst value"),
        ("energy.monitor=val/loss", "energy.monitor=val/loss with mode max goes by the worst value"),
        ("checkpoint.monitor=train/acc", "checkpoint.monitor=train/acc is not measured by validation"),
    ],
)
def test_check_monitors_refuses_what_chooses_the_wrong_thing(override, answer):
    callbacks = OmegaConf.load(root() / "conf" / "callbacks" / "default.yaml")
    callbacks.energy.table = None
    check_monitors(callbacks)
    with pytest.raises(ValueError, match=f"^callbacks.{answer}"):
        check_monitors(OmegaConf.merge(callbacks, OmegaConf.from_dotlist([override])))


def test_check_monitors_knows_what_early_stopping_looks_for_by_itself():
    """In Lightning that is the least, whatever it monitors."""
    node = {"_target_": "lightning.pytorch.callbacks.EarlyStopping", "monitor": "val/acc"}
    with pytest.raises(ValueError, match="with mode min goes by the worst value"):
        check_monitors(OmegaConf.create({"stop": node}))
    check_monitors(OmegaConf.create({"stop": node | {"monitor": "val/loss"}, "none": None}))


def test_monitor_that_chooses_the_wrong_thing_is_refused_before_there_is_a_run(train, tmp_path):
    result = train("callbacks.checkpoint.monitor=val/loss")
    assert result.returncode == 1
    assert result.stderr.startswith(
        "error: callbacks.checkpoint.monitor=val/loss with mode max goes by the worst value"
    )
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "outputs").exists()
