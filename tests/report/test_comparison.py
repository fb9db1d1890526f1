import numpy as np
import pytest

from snn_zo.report.comparison import Comparison, compare
from snn_zo.report.runs import read_runs
from tests.report.synthetic import ACCURACY, ERROR, R2, write_run, write_study


def compared(path) -> Comparison:
    return compare(read_runs([path]))


def labelled(comparison: Comparison):
    return {variant.label: variant for variant in comparison.variants}


def test_compare_keeps_every_run(tmp_path):
    write_study(tmp_path)
    write_run(tmp_path, seed=3, status="failed")
    comparison = compared(tmp_path)
    assert len(comparison.runs) == sum(len(variant.runs) for variant in comparison.variants) == 10
    assert comparison.data == ("digits",)
    assert comparison.swept == ()


def test_compare_names_what_was_swept(tmp_path):
    write_study(tmp_path, settings=[{"optim.lr": 1e-3}, {"optim.lr": 1e-2}])
    write_study(tmp_path, ["local_zo"], settings=[{"strategy.delta": 0.5}])
    assert compared(tmp_path).swept == ("strategy.delta", "optim.lr")


def test_compare_nothing(tmp_path):
    write_run(tmp_path, status="queued")
    comparison = compared(tmp_path)
    assert (comparison.pairs(), comparison.pareto("active"), comparison.baselines) == ([], (), {})
    assert comparison.speed_up(comparison.variants[0]) is None
    assert compare([]).variants == ()


# baseline and speed-up


def test_speed_up_is_the_ratio_of_median_times(tmp_path):
    write_study(tmp_path, ("local_zo", "surrogate"), range(5))
    comparison = compared(tmp_path)
    zo, dense = comparison.variants
    ratio = np.median([run.epoch_s for run in dense.runs]) / np.median([run.epoch_s for run in zo.runs])
    assert comparison.speed_up(zo) == pytest.approx(ratio)
    assert comparison.speed_up(dense) == 1
    assert comparison.baselines == {"digits": dense}


@pytest.mark.parametrize("method", ["local_zo", "surrogate"])
def test_speed_up_of_or_against_a_dead_network_is_none(tmp_path, method):
    for other in ("local_zo", "surrogate"):
        write_run(tmp_path, other, dead=other == method)
    comparison = compared(tmp_path)
    assert comparison.speed_up(comparison.variants[0]) is None


def test_speed_up_is_of_the_living_runs(tmp_path):
    write_study(tmp_path, ("local_zo", "surrogate"))
    write_run(tmp_path, seed=9, dead=True)
    comparison = compared(tmp_path)
    zo, dense = comparison.variants
    ratio = np.median([run.epoch_s for run in dense.runs]) / np.median([run.epoch_s for run in zo.runs[:3]])
    assert comparison.speed_up(zo) == pytest.approx(ratio)


@pytest.mark.parametrize(("hardware", "known"), [({"cpu": "B"}, False), ({"threads": 1}, False), ({"host": "b"}, True)])
def test_speed_up_on_other_hardware_is_none(tmp_path, hardware, known):
    write_run(tmp_path, "local_zo", hardware=hardware)
    write_run(tmp_path, "surrogate")
    comparison = compared(tmp_path)
    assert (comparison.speed_up(comparison.variants[0]) is not None) == known


def test_speed_up_is_taken_where_both_ran(tmp_path):
    for seed, cpu in enumerate("ABB"):
        write_run(tmp_path, "local_zo", seed, hardware={"cpu": cpu})
    for seed, cpu in enumerate("BCC"):
        write_run(tmp_path, "surrogate", seed, hardware={"cpu": cpu})
    comparison = compared(tmp_path)
    zo, dense = comparison.variants
    ratio = dense.runs[0].epoch_s / np.median([run.epoch_s for run in zo.runs[1:]])
    assert comparison.speed_up(zo) == pytest.approx(ratio)


def test_baseline_is_the_most_accurate_dense_one_that_does_the_same_work(tmp_path):
    for slope, accuracy in ((10.0, 0.8), (20.0, 0.9)):
        write_run(tmp_path, "surrogate", settings={"strategy.slope": slope}, accuracy=accuracy)
    write_run(tmp_path, "surrogate", settings={"model.hidden": [400]}, accuracy=0.95)
    for changes in ({"optim.lr": 0.1}, {"model.hidden": [400]}, {"model.hidden": [500]}):
        write_run(tmp_path, settings=changes)
    comparison = compared(tmp_path)
    found = {
        (tuple(variant.settings["model.hidden"]), variant.settings["optim.lr"]): comparison.baseline_of(variant)
        for variant in comparison.variants
        if variant.method == "local_zo"
    }
    assert found[(200, 200), 0.1].settings["strategy.slope"] == 20
    assert found[(400,), 0.001].settings["model.hidden"] == (400,)
    assert found[(500,), 0.001] is None
    assert comparison.baselines["digits"].settings["model.hidden"] == (400,)


@pytest.mark.parametrize(("headline", "best"), [(ACCURACY, 20), (R2, 20), (ERROR, 10)])
def test_baseline_is_the_best_by_its_metric(tmp_path, headline, best):
    for slope, value in ((10.0, 0.8), (20.0, 0.9)):
        write_run(tmp_path, "surrogate", settings={"strategy.slope": slope}, accuracy=value, headline=headline)
    write_run(tmp_path, headline=headline)
    comparison = compared(tmp_path)
    found = comparison.baseline_of(comparison.variants[0])
    assert found is comparison.baselines["digits"]
    assert found.settings["strategy.slope"] == best


@pytest.mark.parametrize(
    ("name", "value", "known"),
    [
        ("callbacks.energy", None, False),
        ("callbacks.progress", None, True),
        ("callbacks.energy.table.addition", 1.0, True),
    ],
)
def test_baseline_counts_and_measures_the_same_in_a_step(tmp_path, name, value, known):
    write_run(tmp_path, "local_zo", settings={name: value})
    write_run(tmp_path, "surrogate")
    comparison = compared(tmp_path)
    assert (comparison.speed_up(comparison.variants[0]) is not None) == known


# Pareto front


def test_pareto_agrees_with_brute_force(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(25):
        write_run(tmp_path, settings={"strategy.delta": 0.01 * (i + 1)}, accuracy=float(rng.integers(1, 9)) / 10)
    comparison = compared(tmp_path)
    points = {v.label: (v.estimate("score").mean, v.estimate("joules").mean) for v in comparison.variants}
    front = {
        label
        for label, (accuracy, cost) in points.items()
        if not any((a >= accuracy and c < cost) or (a > accuracy and c <= cost) for a, c in points.values())
    }
    found = [variant.label for variant in comparison.pareto("joules")]
    assert set(found) == front
    assert found == sorted(found, key=lambda label: points[label][1])


@pytest.mark.parametrize(("headline", "front"), [(R2, ["ssg", "surrogate"]), (ERROR, ["ssg"])])
def test_pareto_goes_by_the_better_direction(tmp_path, headline, front):
    """Of the two `surrogate` costs more."""
    for method, value in (("ssg", 0.5), ("surrogate", 0.9)):
        write_run(tmp_path, method, accuracy=value, headline=headline)
    assert [variant.label for variant in compared(tmp_path).pareto("joules")] == front


def test_pareto_is_of_a_data_set_and_a_cost_table_without_the_dead(tmp_path):
    write_run(tmp_path, "local_zo", accuracy=0.9)
    write_run(tmp_path, "ssg", accuracy=0.1, dead=True)
    write_run(tmp_path, "surrogate", accuracy=0.5)
    write_run(tmp_path, "local_zo", accuracy=0.2, data="nmnist", name="nmnist")
    other = write_run(tmp_path, "surrogate", settings={"energy.name": "mine"}, accuracy=0.1, name="mine")
    text = (other / "summary.json").read_text()
    (other / "summary.json").write_text(text.replace('"table": "45nm_fp32"', '"table": "mine"'))
    comparison = compared(tmp_path)
    assert [(v.data, v.label) for v in comparison.pareto("joules")] == [
        ("digits", "local_zo"),
        ("digits", "surrogate energy=mine"),
        ("nmnist", "local_zo"),
    ]
    assert [v.data for v in comparison.pareto("active")] == ["digits", "nmnist"]


def test_pareto_knows_a_changed_price_from_the_table_of_that_name(tmp_path):
    write_run(tmp_path, "local_zo", accuracy=0.9)
    write_run(tmp_path, "surrogate", settings={"callbacks.energy.table.addition": 0.0}, accuracy=0.1)
    assert len(compared(tmp_path).pareto("joules")) == 2
