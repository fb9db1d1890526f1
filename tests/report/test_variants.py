import itertools
import json
import math
from pathlib import Path

import pytest

from snn_zo.report.interval import estimate
from snn_zo.report.labels import shown
from snn_zo.report.runs import read_runs
from snn_zo.report.variants import Variant, variants
from tests.report.synthetic import ACCURACY, ERROR, R2, write_run, write_study


def made(path: Path) -> dict[str, Variant]:
    return {variant.label: variant for variant in variants(read_runs([path]))}


def test_variants_are_methods_where_nothing_else_differs(tmp_path):
    write_study(tmp_path, ("surrogate", "local_zo", "ssg"))
    found = made(tmp_path)
    assert list(found) == ["local_zo", "ssg", "surrogate"]
    assert [run.seed for run in found["ssg"].runs] == [0, 1, 2]
    assert all(variant.varied == {} for variant in found.values())


def test_variants_name_what_differs(tmp_path):
    grid = [{"strategy.delta": delta, "strategy.samples": m} for delta in (0.1, 0.05, 1) for m in (1, 20, 5)]
    write_study(tmp_path, ["local_zo"], (0,), grid)
    write_study(tmp_path, ["surrogate"])
    assert list(made(tmp_path)) == [
        *(f"local_zo delta={delta} m={m}" for delta in ("0.05", "0.1", "1") for m in (1, 5, 20)),
        "surrogate",
    ]
    assert made(tmp_path)["local_zo delta=0.1 m=5"].varied == {"strategy.delta": 0.1, "strategy.samples": 5}


def test_variants_of_other_data_are_named_apart(tmp_path):
    write_study(tmp_path, ["local_zo"], settings=[{"strategy.delta": 0.1}])
    write_study(tmp_path, ["local_zo"], settings=[{"strategy.delta": 0.2}], data="nmnist")
    assert [(v.data, v.label) for v in variants(read_runs([tmp_path]))] == [
        ("digits", "local_zo"),
        ("nmnist", "local_zo"),
    ]


def test_variants_tell_other_recordings_apart(tmp_path):
    """The same settings on another folder of the same data set are another experiment, and neither run is dropped."""
    for name, fingerprint, train in (("a", "00112233aa", 1000), ("b", "00112233aa", 1000), ("c", "ffeeddccbb", 999)):
        summary = write_run(tmp_path / name) / "summary.json"
        parts = {part: {"recordings": 100, "classes": 10} for part in ("val", "test")}
        content = {"fingerprint": fingerprint, "train": {"recordings": train, "classes": 10}} | parts
        summary.write_text(json.dumps(json.loads(summary.read_text()) | {"data_content": content}))
    found = made(tmp_path)
    assert list(found) == ["local_zo content=1000+100+100/00112233", "local_zo content=999+100+100/ffeeddcc"]
    assert [len(variant.runs) for variant in found.values()] == [1, 1]
    assert "the same run is in" in next(iter(found.values())).runs[0].problems[0]


@pytest.mark.parametrize("content", [None, 3, [], {"fingerprint": 3}, {"train": {"recordings": 5}}])
def test_variants_where_nothing_is_known_of_the_recordings(tmp_path, content):
    summary = write_run(tmp_path) / "summary.json"
    summary.write_text(json.dumps(json.loads(summary.read_text()) | {"data_content": content}))
    write_run(tmp_path, seed=1)
    (variant,) = made(tmp_path).values()
    assert len(variant.runs) == 2


def test_variants_say_what_differs_between_methods(tmp_path):
    """Other settings of another strategy are what makes it another one; another learning rate is not."""
    write_run(tmp_path, "local_zo", settings={"optim.lr": 1e-3})
    write_run(tmp_path, "surrogate", settings={"optim.lr": 1e-4})
    assert list(made(tmp_path)) == ["local_zo lr=0.001", "surrogate lr=0.0001"]


@pytest.mark.parametrize(
    ("settings", "labels"),
    [
        ([{"model.hidden": [30]}, {"model.hidden": [30, 20]}], ["hidden=[30,20]", "hidden=[30]"]),
        ([{"model.bias": True}, {"model.bias": False}], ["bias=false", "bias=true"]),
        ([{"data.limit": None}, {"data.limit": 5}], ["limit=5", "limit=none"]),
        ([{"strategy.z": "uniform"}, {}], ["", "z=uniform"]),
        # interpolated into three places
        (
            [dict.fromkeys(("data.dt", "model.neuron.dt", "model.readout.dt"), dt) for dt in (1.0, 2.5)],
            ["dt=1", "dt=2.5"],
        ),
        # the same word in two places, with values of their own
        (
            [{"model.neuron.tau": 5.0, "model.readout.tau": 7.0}, {"model.neuron.tau": 5.0, "model.readout.tau": 8.0},
             {"model.neuron.tau": 6.0, "model.readout.tau": 8.0}],
            ["neuron.tau=5 readout.tau=8", "neuron.tau=6", "readout.tau=7"],
        ),
        # a group is named by the class that was chosen
        (
            [{"optim": {"_target_": "torch.optim.SGD", "lr": 0.001, "momentum": 0.9}}, {}],
            ["", "optim=SGD"],
        ),
        ([{"schedule": None}, {}], ["", "schedule=none"]),
        ([{"energy.name": "mine", "energy.addition": 7.0, "energy.multiply_add": 8.0}, {}],
         ["", "energy=mine"]),
        ([{"energy.addition": 7.0}, {}], ["", "addition=7"]),
        # what only some runs have is named as far as it tells them apart
        ([{"optim.new": 1, "optim.newer": 2}, {}], ["", "new=1"]),
        ([{"strategy.new": 1}, {"strategy.new": 2}, {}], ["", "new=1", "new=2"]),
        ([{"strategy.delta": 0.1, "optim.new": 1}, {"strategy.delta": 0.2}], ["delta=0.1", "delta=0.2"]),
    ],
)  # fmt: skip
def test_variants_labels(tmp_path, settings, labels):
    for i, changes in enumerate(settings):
        write_run(tmp_path, settings=changes, name=str(i))
    assert sorted(made(tmp_path)) == [f"local_zo {label}".rstrip() for label in labels]


def test_variants_name_what_is_not_the_default_and_what_was_swept(tmp_path):
    """Runs around a default, and a sweep of delta that has its default value too."""
    write_study(tmp_path, ["local_zo"], (0,), [{"strategy.delta": delta} for delta in (0.01, 0.05, 0.1)])
    write_study(tmp_path, ["local_zo"], (0,), [{"model.hidden": [50]}, {"optim.lr": 0.1, "trainer.max_epochs": 1}])
    write_study(tmp_path, ["surrogate", "ssg"], (0,))
    write_run(tmp_path, "ssg", 0, {"model.hidden": [50]})
    found = made(tmp_path)
    assert list(found) == [
        *(f"local_zo delta={delta}" for delta in ("0.01", "0.05", "0.1")),
        "local_zo hidden=[50]",
        "local_zo lr=0.1 max_epochs=1",
        "ssg",
        "ssg hidden=[50]",
        "surrogate",
    ]
    assert found["surrogate"].varied == {
        "model.hidden": (200, 200),
        "optim.lr": 0.001,
        "trainer.max_epochs": found["ssg"].settings["trainer.max_epochs"],
    }
    assert found["local_zo hidden=[50]"].varied["strategy.delta"] == 0.05


def test_variants_take_the_default_for_usual_though_more_have_another_value(tmp_path):
    write_run(tmp_path)
    write_study(tmp_path, ["local_zo"], (0,), [{"strategy.delta": d, "model.hidden": [50]} for d in (0.1, 0.2)])
    assert list(made(tmp_path)) == ["local_zo", "local_zo delta=0.1 hidden=[50]", "local_zo delta=0.2 hidden=[50]"]


def test_variants_take_what_almost_all_have_for_usual(tmp_path):
    """Of a preset, what it sets is no default."""
    write_run(tmp_path, settings={"optim.lr": 0.9})
    (write_run(tmp_path, "ssg", settings={"trainer.max_epochs": 1}) / "overrides.yaml").write_text("[debug=fast]")
    write_study(
        tmp_path, ["local_zo"], (0,), [{"optim.lr": i / 10, "trainer.max_epochs": 2} for i in (1, 2, 3, 4, 5, 6)]
    )
    epochs = next(run for run in read_runs([tmp_path]) if run.settings["optim.lr"] == 0.9).settings[
        "trainer.max_epochs"
    ]
    assert list(made(tmp_path)) == [
        *(f"local_zo lr=0.{i}" for i in (1, 2, 3, 4, 5, 6)),
        f"local_zo lr=0.9 max_epochs={epochs}",
        "ssg lr=0.001 max_epochs=1",
    ]


def test_variants_of_which_all_were_given_a_setting_name_it_unless_most_have_it(tmp_path):
    settings = [{"trainer.max_epochs": 2, "optim.lr": lr} for lr in (0.1, 0.2, 0.3)]
    write_study(tmp_path, ["local_zo"], (0,), [*settings, {"trainer.max_epochs": 9, "optim.lr": 0.4}])
    assert list(made(tmp_path)) == [*(f"local_zo lr={lr}" for lr in (0.1, 0.2, 0.3)), "local_zo lr=0.4 max_epochs=9"]


def test_variants_whose_overrides_cannot_be_read(tmp_path):
    for i, delta in enumerate((0.1, 0.1, 0.2)):
        path = write_run(tmp_path, "local_zo", 0, {"strategy.delta": delta, "optim.lr": 10.0**-i}, name=str(i))
        (path / "overrides.yaml").write_text(("[", "a: b", "[[1], null]")[i])
    assert list(made(tmp_path)) == ["local_zo delta=0.2 lr=0.01", "local_zo lr=0.1", "local_zo lr=1"]


def test_variants_labels_leave_out_what_tells_no_more_apart(tmp_path):
    few = dict.fromkeys((f"trainer.limit_{part}_batches" for part in ("train", "val", "test")), 2)
    write_study(tmp_path, ["local_zo"], (0,), [{}, few])
    write_study(tmp_path, ["local_zo"], (0,), [few | {"strategy.delta": delta} for delta in (0.1, 0.2)])
    found = made(tmp_path)
    assert list(found) == [
        "local_zo",
        "local_zo delta=0.1 …",
        "local_zo delta=0.2 …",
        "local_zo limit_train_batches=2 …",
    ]
    assert found["local_zo delta=0.1 …"].varied["trainer.limit_val_batches"] == 2


def test_variants_labels_keep_all_that_was_swept(tmp_path):
    names = ("optim.lr", "optim.weight_decay", "trainer.limit_train_batches")
    settings = [dict(zip(names, values, strict=True)) for values in itertools.product((0.25, 0.5), repeat=3)]
    write_study(tmp_path, ["local_zo"], (0,), settings)
    assert list(made(tmp_path)) == [
        f"local_zo lr={lr} weight_decay={decay} limit_train_batches={limit}"
        for lr, decay, limit in itertools.product((0.25, 0.5), repeat=3)
    ]


def test_variants_whose_names_would_be_equal_are_numbered(tmp_path):
    for i, delta in enumerate((0.1, 0.1 + 1e-9)):
        write_run(tmp_path, settings={"strategy.delta": delta}, name=str(i))
    assert list(made(tmp_path)) == ["local_zo delta=0.1", "local_zo delta=0.1 (2)"]


def test_variants_without_settings_stay_apart(tmp_path):
    write_study(tmp_path, ["local_zo"], (0, 1))
    (write_run(tmp_path, seed=2) / "config.yaml").write_text("[")
    found = made(tmp_path)
    assert {label: len(variant.runs) for label, variant in found.items()} == {
        "local_zo": 2,
        "local_zo (settings unknown)": 1,
    }


def test_variants_count_runs_by_how_they_ended(tmp_path):
    write_study(tmp_path, ["local_zo"])
    for seed, status in enumerate(("failed", "running", "queued", "interrupted"), 3):
        write_run(tmp_path, seed=seed, status=status)
    write_run(tmp_path, seed=7, dead=True)
    (variant,) = made(tmp_path).values()
    assert [len(runs) for runs in (variant.runs, variant.done, variant.failed, variant.unfinished)] == [8, 4, 1, 3]
    assert (variant.dead, len(variant.alive)) == (1, 3)


def test_variants_of_two_metrics_are_apart(tmp_path):
    """A run that says none belongs to those with its settings, else to the first of the data set."""
    write_run(tmp_path, headline=R2, seed=0)
    write_run(tmp_path, headline=ERROR, seed=0, settings={"optim.lr": 0.1})
    write_run(tmp_path, seed=1, settings={"optim.lr": 0.1}, status="queued")
    write_run(tmp_path, "ssg", status="queued")
    found = [(each.data, each.label, each.headline, len(each.runs)) for each in variants(read_runs([tmp_path]))]
    assert found == [
        ("digits (max r2)", "local_zo", R2, 1),
        ("digits (max r2)", "ssg", R2, 1),
        ("digits (min error mV)", "local_zo", ERROR, 2),
    ]


@pytest.mark.parametrize(("headline", "order"), [(ACCURACY, -0.5), (R2, -0.5), (ERROR, 0.5)])
def test_order_has_the_best_first(tmp_path, headline, order):
    for seed, value in enumerate((0.4, 0.6)):
        write_run(tmp_path, seed=seed, accuracy=value, headline=headline)
    write_run(tmp_path, "ssg", status="failed", headline=headline)
    scored, failed = variants(read_runs([tmp_path]))
    assert (scored.order, failed.order) == (pytest.approx(order), math.inf)


def test_estimate_leaves_dead_runs_out_of_costs_but_not_of_accuracy(tmp_path):
    write_run(tmp_path, seed=0, accuracy=0.9)
    write_run(tmp_path, seed=1, accuracy=0.7)
    write_run(tmp_path, seed=2, accuracy=0.1, dead=True)
    write_run(tmp_path, seed=3, accuracy=0.8, status="failed")
    (variant,) = made(tmp_path).values()
    assert variant.estimate("score") == pytest.approx((1.7 / 3, 0, 1, 3))
    for name in ("joules", "epoch_s", "active", "energy_ratio", "backward_s"):
        values = [getattr(run, name) for run in variant.runs[:2]]
        assert variant.estimate(name) == estimate(values)


def test_estimate_of_what_there_is_not(tmp_path):
    write_run(tmp_path, status="running")
    (variant,) = made(tmp_path).values()
    assert variant.estimate("score") is None
    with pytest.raises(ValueError, match="quantity must be one of score"):
        variant.estimate("acuracy")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.05, "0.05"), (1.0, "1"), (1e-4, "0.0001"), (1 / 3, "0.333333"), (True, "true"), (None, "none"), (5, "5"),
     ((1, (2.5, None)), "[1,[2.5,none]]"), ("two\nlines", "two lines"), ("x" * 50, "x" * 39 + "…")],
)  # fmt: skip
def test_shown(value, text):
    assert shown("any", value) == text
