import pytest
from omegaconf import DictConfig, OmegaConf

from snn_zo.config.monitors import check_monitors, follow_task, logged_names, require_logged
from snn_zo.config.sources import root
from snn_zo.tasks import Classification, Regression, Task

EARLY_STOPPING = "lightning.pytorch.callbacks.EarlyStopping"


def checked(callbacks: DictConfig, task: type[Task] = Classification) -> DictConfig:
    """As the settings of a run do it."""
    follow_task(callbacks, task.headline, task.directions)
    check_monitors(callbacks, task.headline, task.directions)
    return callbacks


def default(*overrides: str) -> DictConfig:
    callbacks = OmegaConf.load(root() / "conf" / "callbacks" / "default.yaml")
    callbacks.energy.table = None
    merged = OmegaConf.merge(callbacks, OmegaConf.from_dotlist(list(overrides)))
    assert isinstance(merged, DictConfig)
    return merged


@pytest.mark.parametrize("name", ["checkpoint", "early_stopping", "energy"])
@pytest.mark.parametrize(("task", "monitor"), [(Classification, "val/acc"), (Regression, "val/r2")])
def test_follow_task_goes_by_the_headline(name, task, monitor):
    node = checked(default(), task)[name]
    assert (node.monitor, node.mode) == (monitor, "max")


@pytest.mark.parametrize(
    ("monitor", "mode"),
    [("val/loss", "min"), ("val/top3", "max"), ("train/loss", "min")],
)
def test_follow_task_takes_the_better_direction_of_the_monitor(monitor, mode):
    assert checked(default(f"early_stopping.monitor={monitor}")).early_stopping.mode == mode


@pytest.mark.parametrize("monitor", ["train/penalty", "energy/total", "sparsity/silent"])
def test_follow_task_asks_for_a_direction_that_nobody_knows(monitor):
    with pytest.raises(ValueError, match=f"callbacks.early_stopping.mode is max or min .*monitor={monitor}: say which"):
        checked(default(f"early_stopping.monitor={monitor}"))
    assert checked(default(f"early_stopping.monitor={monitor}", "early_stopping.mode=min")).early_stopping.mode == "min"


def test_follow_task_of_a_misspelt_metric_says_what_there_is():
    with pytest.raises(ValueError, match=r"val/accc is not measured by validation: choose from val/acc, val/loss"):
        checked(default("early_stopping.monitor=val/accc"))


@pytest.mark.parametrize("metric", ["mae", "rmse", "loss"])
def test_follow_task_of_an_error_is_min(metric):
    node = checked(default(f"checkpoint.monitor=val/{metric}"), Regression).checkpoint
    assert (node.monitor, node.mode) == (f"val/{metric}", "min")


def test_follow_task_fills_in_what_a_node_does_not_hold():
    """Also in a config to which nothing can be added, as Hydra's; and in no callback but those that are known."""
    callbacks = OmegaConf.create(
        {"stop": {"_target_": EARLY_STOPPING}, "mine": {"_target_": "mine.Callback", "monitor": None}, "none": None}
    )
    OmegaConf.set_struct(callbacks, True)
    checked(callbacks)
    assert callbacks.stop == {"_target_": EARLY_STOPPING, "monitor": "val/acc", "mode": "max"}
    assert callbacks.mine == {"_target_": "mine.Callback", "monitor": None}


@pytest.mark.parametrize(
    ("overrides", "answer"),
    [
        (
            ["checkpoint.monitor=val/loss", "checkpoint.mode=max"],
            "checkpoint.monitor=val/loss with mode max goes by",
        ),
        (["checkpoint.mode=min"], "checkpoint.monitor=val/acc with mode min goes by the worst value: take mode=max"),
        (["early_stopping.mode=min"], "early_stopping.monitor=val/acc with mode min goes by the worst value"),
        (
            ["energy.monitor=val/loss", "energy.mode=max"],
            "energy.monitor=val/loss with mode max goes by",
        ),
        (
            ["checkpoint.monitor=train/acc"],
            "checkpoint.monitor=train/acc is not measured by validation: choose from val/acc, val/loss",
        ),
    ],
)
def test_check_monitors_refuses_what_chooses_the_wrong_thing(overrides, answer):
    with pytest.raises(ValueError, match=f"^callbacks.{answer}"):
        checked(default(*overrides))


@pytest.mark.parametrize(
    ("monitor", "answer"),
    [
        ("train/losss", "train/acc, train/loss, train/penalty, train/top3"),
        ("train/r2", "train/acc, train/loss, train/penalty, train/top3"),
        ("val/penalty", "val/acc, val/loss, val/top3"),
        ("test/acc", "active, energy/..., loss, measured/..., sparsity/..., train/..., val/..."),
        ("sparsity/hidden3/active", "sparsity/active, sparsity/hidden1/active, sparsity/hidden1/silent,"),
        ("energy/totl", "energy/forward, energy/grad_input,"),
        ("lr-Adam", "active, energy/..., loss,"),
    ],
)
def test_require_logged_says_what_is(monitor, answer):
    callbacks = default(f"early_stopping.monitor={monitor}")
    logged = logged_names(callbacks, [*Classification.directions, "penalty"], ["hidden1"])
    assert logged is not None
    place = f"callbacks.early_stopping.monitor={monitor}"
    with pytest.raises(ValueError, match=f"^{place} is not logged: choose from {answer}"):
        require_logged(callbacks, logged)


@pytest.mark.parametrize("target", ["mine.Callback", "lightning.pytorch.callbacks.LearningRateMonitor"])
def test_logged_names_are_not_known_where_a_callback_may_log_more(target):
    callbacks = default()
    callbacks.more = {"_target_": target}
    assert logged_names(callbacks, ["loss"], ["hidden1"]) is None


def test_logged_names_follow_the_callbacks():
    callbacks = default()
    callbacks.sparsity = callbacks.energy = None
    assert logged_names(callbacks, ["loss", "penalty"], None) == {"loss", "train/loss", "train/penalty", "val/loss"}


def test_check_monitors_of_a_regression():
    with pytest.raises(ValueError, match=r"checkpoint.monitor=val/r2 with mode min goes by the worst value"):
        checked(default("checkpoint.mode=min"), Regression)
    with pytest.raises(ValueError, match=r"choose from val/r2, val/loss"):
        checked(default("checkpoint.monitor=train/r2"), Regression)


def test_monitor_that_chooses_the_wrong_thing_is_refused_before_there_is_a_run(train, tmp_path):
    result = train("callbacks.checkpoint.monitor=val/loss", "callbacks.checkpoint.mode=max")
    assert result.returncode == 1
    assert result.stderr.startswith(
        "error: callbacks.checkpoint.monitor=val/loss with mode max goes by the worst value"
    )
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "outputs").exists()
