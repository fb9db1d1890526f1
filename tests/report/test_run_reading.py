import json
import math
import os
import random
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import yaml

from snn_zo.report.comparison import compare
from snn_zo.report.runs import Run, read_runs
from snn_zo.runs.status import Status
from tests.calls import calls
from tests.report.synthetic import (
    ACCURACY,
    DAMAGED,
    EPOCHS,
    ERROR,
    HOSTILE,
    R2,
    cut_short,
    write_confusion,
    write_every_kind,
    write_many,
    write_run,
    write_study,
)


def read(path: Path) -> Run:
    (run,) = read_runs([path])
    return run


def test_read_a_completed_run(tmp_path):
    path = write_run(tmp_path / "mine", "local_zo", 3, {"strategy.delta": 0.1, "model.hidden": [30, 20]})
    run = read(tmp_path)
    summary = json.loads((path / "summary.json").read_text())
    assert (run.path, run.study, run.name, run.status) == (path, "mine", path.name, "completed")
    assert (run.data, run.method, run.seed, run.reason, run.problems) == ("digits", "local_zo", 3, None, ())
    assert run.settings["strategy.delta"] == 0.1
    assert run.settings["model.hidden"] == (30, 20)
    assert not {"seed", "method", "name", "study", "outputs", "logger.mode"} & run.settings.keys()
    assert run.summary == summary
    assert run.metrics["epoch"].tolist() == list(range(EPOCHS))
    assert run.timing["train_s"].shape == (EPOCHS,)
    assert sum(map(sum, run.confusion.counts)) == 359
    assert (run.score, run.val_score) == (summary["metrics"]["test/acc"], summary["objective"])
    assert (run.active, run.spike_rate) == (summary["sparsity"]["active"], summary["sparsity"]["spike_rate"])
    modelled = summary["energy"]["modelled"]
    assert (run.joules, run.energy_ratio, run.cost_table) == (modelled["total"], modelled["ratio"], "45nm_fp32")
    timing = summary["timing"]
    assert (run.epoch_s, run.forward_s) == (timing["epoch_s"], timing["forward_s"])
    assert (run.backward_s, run.epochs, run.dead) == (timing["backward_s"], EPOCHS, False)


def test_read_a_queued_run(tmp_path):
    write_run(tmp_path, "ssg", 5, status="queued")
    run = read(tmp_path)
    assert (run.status, run.method, run.seed, run.data) == ("queued", "ssg", 5, "digits")
    assert (run.metrics, run.confusion, run.score, run.epochs, run.dead) == ({}, None, None, None, None)
    assert run.problems == ()


def test_read_a_running_run_as_far_as_it_is(tmp_path):
    path = write_run(tmp_path, status="running")
    cut_short(path / "metrics.csv", 10)
    run = read(tmp_path)
    assert run.epochs == EPOCHS // 3 - 1
    assert run.val_score == run.metrics["val/acc"].max()
    assert run.active == run.metrics["sparsity/active"][-1]
    assert (run.score, run.problems) == (None, ())


@pytest.mark.parametrize(("headline", "best"), [(R2, np.max), (ERROR, np.min)])
def test_read_the_best_score_so_far(tmp_path, headline, best):
    write_run(tmp_path, status="running", headline=headline)
    run = read(tmp_path)
    assert (run.headline, run.score) == (headline, None)
    assert run.val_score == best(run.metrics[f"val/{headline.name}"])


def test_read_a_score_that_is_no_share(tmp_path):
    path = write_run(tmp_path, headline=R2)
    summary = json.loads((path / "summary.json").read_text())
    summary["headline"]["value"] = -2.5
    (path / "summary.json").write_text(json.dumps(summary))
    assert read(tmp_path).score == -2.5


@pytest.mark.parametrize("headline", [..., None, "acc", {"name": "acc"}, asdict(ACCURACY) | {"direction": "up"}])
def test_read_a_run_that_is_judged_by_nothing(tmp_path, headline):
    path = write_run(tmp_path)
    summary = json.loads((path / "summary.json").read_text()) | {"headline": headline}
    (path / "summary.json").write_text(json.dumps({key: value for key, value in summary.items() if value is not ...}))
    run = read(tmp_path)
    assert (run.headline, run.score, run.val_score) == (None, None, None)
    assert run.problems == ("summary.json does not say what the run is judged by: it has no score",)


def test_read_a_failed_run(tmp_path):
    write_run(tmp_path, status="failed", reason="two\nlines")
    run = read(tmp_path)
    assert run.reason == "two lines"
    assert run.traceback.startswith("Traceback")


def test_read_a_run_of_which_only_the_config_was_written(tmp_path):
    path = write_run(tmp_path, seed=4)
    for file in path.iterdir():
        if file.name != "config.yaml":
            file.unlink()
    run = read(tmp_path)
    assert (run.status, run.method, run.seed) == ("unknown", "local_zo", 4)
    assert run.problems == ("summary.json is missing", "env.json is missing")


@pytest.mark.parametrize("file", DAMAGED)
def test_read_says_what_is_damaged(tmp_path, file):
    path = write_run(tmp_path)
    (path / file).write_text(DAMAGED[file])
    run = read(tmp_path)
    assert run.problems
    assert all(problem.startswith(file) for problem in run.problems)
    assert run.method == "local_zo"


def test_read_numbers_where_there_are_numbers(tmp_path):
    path = write_run(tmp_path)
    (path / "metrics.csv").write_text("epoch,val/acc,late\n0,high,\n1\n2,inf,7\n3,0.5,8\n4,0.7")
    run = read(tmp_path)
    np.testing.assert_array_equal(run.metrics["epoch"], [0, 2, 3])
    np.testing.assert_array_equal(run.metrics["val/acc"], [math.nan, math.nan, 0.5])
    np.testing.assert_array_equal(run.metrics["late"], [math.nan, 7, 8])
    assert run.problems == ("metrics.csv: 1 of 4 rows are damaged", "metrics.csv holds what is no number")


def test_read_a_confusion_matrix_with_its_classes(tmp_path):
    path = write_run(tmp_path)
    write_confusion(path, [[3, 1], [0, 2]], ['a "left", b', "right\x1b"])
    confusion = read(tmp_path).confusion
    assert confusion.classes == ('a "left", b', "right\N{REPLACEMENT CHARACTER}")
    assert confusion.counts == [[3, 1], [0, 2]]


def test_read_a_confusion_matrix_of_numbers_alone(tmp_path):
    path = write_run(tmp_path)
    (path / "confusion.csv").write_text("3,1\n0,2\n")
    assert read(tmp_path).confusion == (("0", "1"), [[3, 1], [0, 2]])


@pytest.mark.parametrize(
    "text",
    [
        "3,0\n0\n",
        "label\\predicted\n",
        "label\\predicted,a,b\na,1,2\n",
        "label\\predicted,a,b\na,1,2\na,3,4\n",
        "label\\predicted,a,b\na,1,2\nb,3\n",
        "label\\predicted,a\na,9007199254740993\n",
        "label\\predicted,a\na,many\n",
        "label\\predicted,a,b\na,-50,0\nb,1,-50\n",
        "",
    ],
)
def test_read_says_what_is_no_confusion_matrix(tmp_path, text):
    path = write_run(tmp_path)
    (path / "confusion.csv").write_text(text)
    run = read(tmp_path)
    assert run.confusion is None
    assert [problem.split()[0] for problem in run.problems] == ["confusion.csv"]


@pytest.mark.parametrize("text", ["", "\n", "epoch,val/acc", "epoch,val/acc\n", "epoch,val/acc\n0,0.5"])
def test_read_tables_without_a_whole_row(tmp_path, text):
    path = write_run(tmp_path)
    (path / "metrics.csv").write_text(text)
    run = read(tmp_path)
    assert all(len(column) == 0 for column in run.metrics.values())
    assert run.problems == ()


@pytest.mark.parametrize(
    ("changes", "name", "found"),
    [
        ({"headline": asdict(ACCURACY) | {"value": "high"}}, "score", None),
        ({"headline": asdict(ACCURACY) | {"value": 1.5}}, "score", None),
        ({"headline": asdict(ACCURACY) | {"value": True}}, "score", None),
        ({"headline": [0.9]}, "score", None),
        ({"metrics": {"val/acc": "high"}}, "score", 0.5),
        ({"timing": {"epoch_s": -1}}, "epoch_s", None),
        ({"timing": {"epoch_s": 10**400}}, "epoch_s", None),
        ({"energy": {"modelled": None, "measured": "not measured"}}, "joules", None),
        ({"energy": None}, "energy_ratio", None),
        ({"sparsity": None}, "cost_table", "45nm_fp32"),
        ({"dead": None}, "dead", None),
        ({"dead": "no"}, "dead", None),
        ({"seed": -1}, "seed", None),
        ({"seed": [1]}, "seed", None),
        ({"status": {"a": 1}}, "status", "unknown"),
        ({"status": "finished"}, "status", "unknown"),
        ({"method": ["a"]}, "method", "local_zo"),
        ({"reason": {"a": 1}}, "reason", None),
        ({"epochs": "many"}, "epochs", EPOCHS),
    ],
)
def test_read_values_of_the_wrong_kind(tmp_path, changes, name, found):
    path = write_run(tmp_path, accuracy=0.5)
    summary = json.loads((path / "summary.json").read_text()) | changes
    (path / "summary.json").write_text(json.dumps(summary))
    assert getattr(read(tmp_path), name) == found


def test_read_no_infinity_and_no_nan(tmp_path):
    path = write_run(tmp_path)
    text = json.dumps({"status": "completed", "metrics": {"test/acc": math.nan, "test/loss": math.inf}})
    (path / "summary.json").write_text(text)
    assert read(tmp_path).summary["metrics"] == {"test/acc": None, "test/loss": None}


BOMBS = {
    "aliases": "a: &a [1, 2]\nb: [*a, *a]\n",
    "deep sequences": "- " * 100_000,
    "deep lists": "[" * 100_000,
    "deep mappings": "{a: " * 100_000,
    "long": "- 1\n" * 100_000,
    "large": "a: " + "x" * (2**20 + 1),
    "python": "a: !!python/object/apply:os.system ['touch hacked']\n",
    "tag without a value": "a: !!bool 1\nb: !!int\nc: !!timestamp x\n",
    "no text": "\x00\x01",
    "digits": "a: " + "9" * 10_000,
    "list": "[1, 2]",
    "nothing": "",
}


@pytest.mark.parametrize("name", BOMBS)
def test_read_survives_configs_that_are_none(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_run(tmp_path / "study")
    (path / "config.yaml").write_text(BOMBS[name])
    run = read(path)
    assert run.settings == {}
    assert [problem.split()[0] for problem in run.problems] == ["config.yaml"]
    assert len(run.problems[0]) < 300
    assert not Path("hacked").exists()


@pytest.mark.parametrize("file", ["summary.json", "env.json"])
@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "1", "null", '{"a": ' + "9" * 9999 + "}", "\xff"])
def test_read_survives_json_that_is_none(tmp_path, file, text):
    path = write_run(tmp_path)
    (path / file).write_bytes(text.encode("latin1"))
    run = read(tmp_path)
    assert [problem.split()[0] for problem in run.problems] == [file]


def test_read_opens_no_link_and_no_pipe(tmp_path):
    """What a link points to is none of a report's business; who opens a pipe waits for ever."""
    path = write_run(tmp_path / "study")
    (tmp_path / "secret.json").write_text('{"command": ["secret"]}')
    (path / "env.json").unlink()
    (path / "env.json").symlink_to(tmp_path / "secret.json")
    (path / "metrics.csv").unlink()
    os.mkfifo(path / "metrics.csv")
    (path / "confusion.csv").unlink()
    (path / "confusion.csv").mkdir()
    run = read(path)
    assert (run.environment, run.metrics, run.confusion) == ({}, {}, None)
    assert [problem.split()[0] for problem in run.problems] == ["metrics.csv", "confusion.csv", "env.json"]


def test_read_is_not_stopped_by_noise(tmp_path):
    """Bytes changed, removed or doubled at random in every file."""
    rng = random.Random(0)
    path = write_run(tmp_path)
    files = {file: file.read_bytes() for file in path.iterdir() if file.is_file()}
    for _ in range(150):
        for file, content in files.items():
            noisy = bytearray(content)
            for _ in range(rng.choice((0, 1, 5, 50))):
                at = rng.randrange(len(noisy) + 1)
                noisy[at : at + rng.choice((0, 1, 200))] = rng.randbytes(rng.choice((0, 1, 3)))
            file.write_bytes(noisy)
        run = read(tmp_path)
        assert isinstance(run.status, Status)
        compare([run, run]).pairs()


def test_read_is_not_stopped_by_noise_in_both_files_that_say_what_it_is(tmp_path):
    path = write_run(tmp_path)
    (path / "summary.json").write_text("{")
    (path / "config.yaml").write_text("strategie: {}")
    run = read(tmp_path)
    assert (run.status, run.method) == ("unknown", "unknown")


def test_read_text_that_is_safe_in_a_terminal(tmp_path):
    path = write_every_kind(tmp_path / "<b>")
    runs = {run.name: run for run in read_runs([path])}
    hostile = next(run for run in runs.values() if run.method.startswith("<script>"))
    texts = (hostile.method, hostile.reason, hostile.traceback, hostile.name, *hostile.settings, *hostile.metrics)
    assert all(text.isprintable() for text in texts)
    assert "<script>" in hostile.settings["strategy.z"]
    assert HOSTILE.startswith(hostile.settings["strategy.z"][:60])
    lone = write_run(tmp_path, reason="\ud800", status="failed", name="lone")
    assert read(lone).reason.encode() == "\N{REPLACEMENT CHARACTER}".encode()


def test_read_every_status(tmp_path):
    runs = read_runs([write_every_kind(tmp_path / "study")])
    assert {run.status for run in runs} == set(Status)
    assert len(runs) == len(list((tmp_path / "study").iterdir()))


def test_read_nothing_is_an_error(tmp_path):
    write_run(tmp_path / "study")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"empty holds no run \(no summary.json below it\)"):
        read_runs([tmp_path / "study", tmp_path / "empty"])


def test_read_no_config_of_something_else(tmp_path):
    write_run(tmp_path / "study")
    for place in (tmp_path / "bench", tmp_path / "study" / "local_zo-s0" / "wandb" / "files"):
        place.mkdir(parents=True)
        (place / "config.yaml").write_text("batch: 3\n")
    assert len(read_runs([tmp_path])) == 1


def test_read_once_what_lies_below_two_folders(tmp_path):
    write_study(tmp_path / "outputs" / "study")
    (tmp_path / "link").symlink_to(tmp_path / "outputs")
    study = tmp_path / "outputs" / "study"
    folders = [study / "local_zo-s0", tmp_path / "outputs", study, tmp_path / "link", study / ".." / "study"]
    runs = read_runs(folders)
    assert len(runs) == 9
    assert not any(run.problems for run in runs)


@pytest.mark.parametrize(
    ("statuses", "counted"),
    [
        (("completed", "failed"), 0),
        (("failed", "completed"), 1),
        (("completed", "completed"), 1),
        (("completed", "running"), 0),
        (("running", "failed"), 0),
        (("failed", "failed"), 1),
    ],
)
def test_read_the_same_run_in_two_folders(tmp_path, statuses, counted):
    """The completed one, else one that goes on, else the latest; a different seed is another run."""
    for i, status in enumerate(statuses):
        path = write_run(tmp_path / str(i), status=status)
        os.utime(path / "summary.json", (1000 + i, 1000 + i))
    write_run(tmp_path / "1", seed=1)
    first, other = sorted(read_runs([tmp_path / "0", tmp_path / "1"]), key=lambda run: run.seed)
    assert first.study == str(counted)
    assert first.problems == (
        f"the same run is in {tmp_path / str(1 - counted) / 'local_zo-s0'} ({statuses[1 - counted]}), "
        "which is not counted",
    )
    assert (other.seed, other.problems) == (1, ())


def test_read_settings_that_do_not_matter_are_no_difference(tmp_path):
    for name, changes in {"a": {"data.cache_dir": "/a", "outputs": "/o"}, "b": {"logger": None}}.items():
        write_run(tmp_path / name, settings=changes, name=name)
    (run,) = read_runs([tmp_path])
    assert len(run.problems) == 1


def test_read_agrees_with_a_plain_reading(tmp_path):
    path = write_run(tmp_path, "sparse_surrogate")
    run = read(tmp_path)
    rows = [line.split(",") for line in (path / "metrics.csv").read_text().splitlines()]
    for i, name in enumerate(rows[0]):
        assert run.metrics[name].tolist() == [float(row[i]) for row in rows[1:]]
    config = yaml.safe_load((path / "config.yaml").read_text())
    assert run.settings["strategy.match.delta"] == config["strategy"]["match"]["delta"]
    assert run.settings["optim.betas"] == tuple(config["optim"]["betas"])
    assert isinstance(hash(frozenset(run.settings.items())), int)


def test_read_and_compare_many_runs_in_proportion_to_their_number(tmp_path):
    """Calls of functions, which are the same on every machine; a grid of twice as many variants is twice the work."""

    def compared(folder: Path) -> None:
        comparison = compare(read_runs([folder]))
        for variant in comparison.variants:
            variant.estimate("score")
            comparison.speed_up(variant)
        comparison.pairs()

    for runs in (100, 200):
        write_many(tmp_path / str(runs), runs)
    few, many = calls(compared, tmp_path / "100"), calls(compared, tmp_path / "200")
    assert many < 2.1 * few
    assert many < 200 * 16_000


@pytest.mark.parametrize("name", ["wandb", "checkpoints", ".hidden", "a b, c", "sweep.json"])
def test_read_a_run_with_a_name_that_new_ones_may_not_have(tmp_path, name):
    write_run(tmp_path / "study").rename(tmp_path / "study" / name)
    assert read(tmp_path).name == name


def test_read_leaves_out_empty_folders_and_runs_that_are_being_made(tmp_path):
    path = write_run(tmp_path / "study")
    (tmp_path / "study" / "empty").mkdir()
    write_run(tmp_path / "study" / ".new-x", seed=5)
    assert read(tmp_path).path == path


def test_read_values_that_are_equal_in_python_are_different_settings(tmp_path):
    for i, value in enumerate((1, True)):
        write_run(tmp_path, settings={"optim.lr": value}, name=str(i))
    runs = read_runs([tmp_path])
    assert [run.settings["optim.lr"] for run in runs] == [1, "true"]
    assert len(compare(runs).variants) == 2


def test_read_a_huge_number_of_a_table_is_none(tmp_path):
    path = write_run(tmp_path)
    (path / "metrics.csv").write_text("epoch,train/loss\n0,1e308\n1,-1e308\n2,0.5\n")
    loss = read(tmp_path).metrics["train/loss"]
    assert np.isnan(loss[:2]).all()
    assert loss[2] == 0.5


def test_read_predictions_with_one_long_cell(tmp_path):
    """Text arrays of NumPy are as wide as their longest cell."""
    path = write_run(tmp_path)
    (path / "predictions.csv").write_text(
        "recording,label,prediction\n" + "1,1,1\n" * 20_000 + "0" * 100_000 + ",1,1\n"
    )
    run = read(tmp_path)
    assert run.answers is None
    assert [problem.split(":")[0] for problem in run.problems] == ["predictions.csv cannot be read"]
