import json

import numpy as np
import pytest

from snn_zo.report.comparison import compare
from snn_zo.report.dashboard.payload import curves, embedded, prominence
from snn_zo.report.runs import read_runs
from tests.report.synthetic import write_run, write_study


@pytest.mark.parametrize("text", ["</script><script>x()</script>", "<!--", "\u2028\u2029", "\ud800", "a & b", "é"])
def test_embedded_is_the_same_json_and_ends_no_element(text):
    made = embedded({text: [text]})
    assert json.loads(made) == {text: [text]}
    assert made.isascii()
    assert not set("<>&") & set(made)


def test_embedded_refuses_what_json_cannot_say():
    with pytest.raises(ValueError, match="not JSON compliant"):
        embedded({"loss": float("nan")})


def test_curves_average_each_epoch_over_the_seeds_that_reached_it(tmp_path):
    write_study(tmp_path, ["local_zo"], seeds=(0, 1), epochs=7)
    write_run(tmp_path, "local_zo", 2, epochs=9, status="running")
    write_run(tmp_path, "local_zo", 3, status="failed")
    (variant,) = compare(read_runs([tmp_path])).variants
    columns = [run.metrics["val/acc"] for run in variant.runs[:3]]
    assert [len(column) for column in columns] == [7, 7, 3]
    found = curves(variant, "acc", 100)
    assert found["x"]["epoch"] == list(range(1, 8))
    for epoch in range(7):
        there = [column[epoch] for column in columns if len(column) > epoch]
        expected = np.mean(there), np.min(there), np.max(there)
        np.testing.assert_allclose([part[epoch] for part in found["y"]["val/acc"]], expected, rtol=1e-4)
    seconds = [np.cumsum(run.timing["train_s"]) for run in variant.runs[:2]]
    np.testing.assert_allclose(found["x"]["seconds"][-1], np.mean([total[-1] for total in seconds]), rtol=1e-4)


def test_curves_of_one_seed_have_no_band_and_long_ones_are_thinned(tmp_path):
    write_run(tmp_path, epochs=200)
    (variant,) = compare(read_runs([tmp_path])).variants
    found = curves(variant, "acc", 11)
    assert found["y"]["val/acc"][1:] == (None, None)
    assert len(found["x"]["epoch"]) == 11
    assert (found["x"]["epoch"][0], found["x"]["epoch"][-1]) == (1, 200)


def test_prominence_puts_the_best_of_each_method_and_the_fronts_first(tmp_path):
    write_study(tmp_path, ["local_zo"], settings=[{"strategy.delta": delta} for delta in (0.02, 0.1, 0.2)])
    write_study(tmp_path, ["surrogate"])
    variants = compare(read_runs([tmp_path])).variants
    assert [variant.method for variant in variants] == ["local_zo", "local_zo", "local_zo", "surrogate"]
    assert prominence(variants, "digits", {"active": [[2]], "joules": [[2, 3]]}) == [0, 3, 2, 1]
