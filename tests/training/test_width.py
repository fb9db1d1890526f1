import json
import math

import lightning
import pytest

from snn_zo.compose import make_module
from snn_zo.config import Composed, ConfigError
from snn_zo.data.datamodule import EventDataModule
from snn_zo.strategies import LocalZO, LocalZOConverse, Surrogate
from snn_zo.training.width import TOLERANCE, Unreachable, changed, set_active, solve
from tests.config.test_build import composed
from tests.test_extension import SHORT, extended, trained


@pytest.mark.parametrize("start", [1e-4, 0.3, 1.0, 500.0])
@pytest.mark.parametrize("target", [0.01, 0.5])
def test_solve_finds_the_factor(start, target):
    measured = []

    def measure(x):
        measured.append(x)
        return 1 - math.exp(-x)

    x = solve(measure, target, start, "share")
    assert x == measured[-1], "what is measured last is what stays"
    assert 1 - math.exp(-x) == pytest.approx(target, rel=TOLERANCE)
    assert len(measured) < 40


def test_solve_beginning_at_the_answer_measures_once():
    measured = []
    assert solve(lambda x: measured.append(x) or x, 2.0, 2.0, "share") == 2.0
    assert measured == [2.0]


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (lambda x: 0.0, "dead: spike rate of hidden1 is 0 whatever the scale"),
        (lambda x: min(x, 0.05), "unmatched: spike rate of hidden1 stays at 0.05 where 0.1 is asked for"),
        (lambda x: 0.0 if x < 3 else 1.0, "unmatched: spike rate of hidden1 stays at"),
    ],
)
def test_solve_impossible(measure, message):
    with pytest.raises(Unreachable, match=message):
        solve(measure, 0.1, 1.0, "spike rate of hidden1")


# ---- the width of a network's strategies


def made(*overrides: str):
    """Module and first batch of a run."""
    run = Composed.of(composed(*SHORT, *overrides))
    lightning.seed_everything(0, verbose=False)
    data = EventDataModule(run.settings.data, 0)
    return make_module(run, "cpu"), next(iter(data.train_dataloader()))


@pytest.mark.parametrize("active", [0.003, 0.01, 0.2])
@pytest.mark.parametrize("strategy", ["local_zo", "local_zo_m5", "local_zo_converse", "sparse_surrogate", "ssg"])
def test_set_active_makes_that_share_active(strategy, active):
    """What the run itself then counts in its first step."""
    module, batch = made(f"strategy={strategy}", "model.hidden=[50,50]", "data.batch_size=40")
    factor = set_active(module, batch, active)
    found = module.compute(batch, 0).hidden.values()
    share = sum(int(s.active_count) for s in found) / sum(math.prod(s.shape) for s in found)
    assert share == pytest.approx(active, rel=2 * TOLERANCE)
    assert factor == float(f"{factor:.3g}")
    assert {layer.backend for layer in module.model.layers} == {"cpu"}


def test_set_active_leaves_a_layer_without_a_width():
    module, batch = made("+strategy@model.layers.hidden2.strategy=surrogate", "model.hidden=[50,50]")
    factor = set_active(module, batch, 0.02)
    first, second, _ = module.model.layers
    assert first.strategy == LocalZO(delta=factor * 0.05)
    assert isinstance(second.strategy, Surrogate)
    spikes = module.compute(batch, 0).hidden["hidden1"]
    assert int(spikes.active_count) / math.prod(spikes.shape) == pytest.approx(0.02, rel=2 * TOLERANCE)


def test_set_active_without_a_width_is_refused():
    module, batch = made("strategy=surrogate")
    with pytest.raises(Unreachable, match="the strategy has no width that could be scaled"):
        set_active(module, batch, 0.01)


def test_changed_names_the_numbers():
    zo, converse = LocalZO(delta=0.05), LocalZOConverse(Surrogate("sigmoid", 30.0))
    assert changed(zo, zo.scaled(2.5)) == ["delta 0.05 -> 0.125"]
    assert changed(converse, converse.scaled(2.0)) == ["slope 30 -> 15"]


# ---- in a run


def factor_of(run) -> float | None:
    return json.loads(run.summary.read_text())["width_factor"]


def test_run_with_a_wanted_share_is_that_with_the_width(tmp_path, capsys):
    wanted = trained(tmp_path, "wanted", 2, "active=0.02")
    factor = factor_of(wanted)
    said = f"width x {factor:g}: 2 % of the elements are active before training; delta 0.05 -> {0.05 * factor:.4g}"
    assert said in capsys.readouterr().out
    given = trained(tmp_path, "given", 2, f"strategy.delta={factor * 0.05!r}")
    assert wanted.metrics.read_text() == given.metrics.read_text()
    assert factor_of(given) is None


def test_run_with_a_wanted_share_goes_on_with_the_same_width(tmp_path):
    """Its weights are others by then, but the width is that of the first ones."""
    part = trained(tmp_path, "part", 2, "active=0.02", "schedule=none")
    whole = trained(tmp_path, "whole", 4, "active=0.02", "schedule=none")
    longer = extended(part, "longer", 4)
    assert longer.metrics.read_text() == whole.metrics.read_text()
    assert factor_of(longer) == factor_of(whole) == factor_of(part)


@pytest.mark.parametrize("active", ["0", "1", "-0.1", "2"])
def test_active_that_is_no_share_is_refused(active):
    with pytest.raises(ConfigError, match="active must be a share between 0 and 1, or null, got"):
        Composed.of(composed(f"active={active}"))
