import pytest
from hydra import compose, initialize_config_dir

from snn_zo.config import Composed
from snn_zo.config.mistakes import EXPECTED, explain
from snn_zo.config.sources import groups, root


def answer(*overrides: str) -> str:
    """The line that answers these overrides of the default config."""
    with (
        initialize_config_dir(str(root() / "conf"), version_base="1.3"),
        pytest.raises(EXPECTED) as caught,
    ):
        Composed.of(compose("train", [*overrides, "method=x", "dataset=x"]))
    return explain(caught.value)


@pytest.mark.parametrize(
    ("override", "line"),
    [
        (
            "~callbacks.early_stoping",
            "callbacks.early_stoping is not a setting; did you mean callbacks.early_stopping?",
        ),
        (
            "~callbacks.early_stoping.patience",
            "callbacks.early_stoping is not a setting; did you mean callbacks.early_",
        ),
        ("~seeed", "seeed is not a setting; did you mean seed?"),
        ("~optim.lrr", "optim.lrr is not a setting; did you mean optim.lr?"),
        ("~scheduel", "scheduel is not a setting; did you mean schedule?"),
        ("~data.foo.bar", "data.foo is not a setting; data has augment, batch_size,"),
        ("~study", "~study leaves nothing out: study is null or holds no settings"),
        ("~seed.x", "~seed.x leaves nothing out: seed is null or holds no settings"),
        ("~logger=wandbb", "logger: that is not what is chosen; ~logger leaves out whatever is"),
        ("~model/readuot", "model/readuot is not a group; did you mean model/readout?"),
        ("model/readuot=count", "model/readuot is not a group; did you mean model/readout?"),
        ("+model/readuot=count", "model/readuot is not a group; did you mean model/readout?"),
        ("hydra/luncher=joblib", "hydra/luncher is not a group; did you mean hydra/launcher?"),
        ("+strategi@model.layers.hidden2.strategy=ssg", "strategi is not a group; did you mean strategy?"),
        ("+strategy@model.layers.hidden2.strategi=ssg", "model.layers.hidden2.strategi is not a setting; did you mean"),
        ("+strategy@model.layers.hidden2.strategy=sgg", "strategy=sgg does not exist; did you mean strategy=ssg?"),
        ("strategy@model.strategy=ssg", "nothing is chosen at strategy@model.strategy: strategy=NAME changes what"),
        ("~strategy@model.strategy", "nothing is chosen at strategy@model.strategy: strategy=NAME changes what"),
        ("+callbacks.early_stoping.patience=3", "callbacks.early_stoping has settings and no _target_; did you mean"),
        ("++callbacks.early_stoping.patience=3", "callbacks.early_stoping has settings and no _target_; did you mean"),
        ("+callbacks.mine.patience=3", "callbacks.mine has settings and no _target_; callbacks.mine._target_=CLASS"),
        ("++strategy.detla=0.1", "strategy.detla is not a setting; did you mean strategy.delta?"),
    ],
)
def test_explain_misspelt_name_gets_the_nearest(override, line):
    assert answer(override).startswith(line)


def test_groups_hold_those_in_folders_of_others():
    assert {"strategy", "model/readout", "hydra/launcher", "sweeps"} <= set(groups())
