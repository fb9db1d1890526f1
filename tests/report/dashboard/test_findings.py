from pathlib import Path

import pytest

from snn_zo.headline import Headline
from snn_zo.report.comparison import compare
from snn_zo.report.dashboard.findings import LINES, ROOM, findings
from snn_zo.report.runs import read_runs
from tests.report.synthetic import write_run


def said(folder: Path) -> str:
    comparison = compare(read_runs([folder]))
    ranked = sorted(comparison.variants, key=lambda variant: variant.order)
    return " ".join(findings(comparison, ranked)).replace("\N{NO-BREAK SPACE}", " ")


def accuracies(folder: Path, **methods: list[float]) -> Path:
    for method, values in methods.items():
        for seed, value in enumerate(values):
            write_run(folder, method, seed, accuracy=value)
    return folder


def spread(mean: float, seeds: int) -> list[float]:
    """Accuracies about a mean, the same for all."""
    return [mean + 0.005 * (-1) ** seed for seed in range(seeds)]


def test_findings_of_a_clear_winner(tmp_path):
    text = said(accuracies(tmp_path, surrogate=spread(0.9, 6), local_zo=[*spread(0.8, 5), 0.79]))
    assert "<strong>surrogate</strong> has the highest mean test accuracy of 2 variants on digits: 90.0 %" in text
    assert "It is ahead of local_zo (+10.08 points, +9.87 to +10.3" in text
    assert "not shown" not in text
    assert "verdict" not in text
    assert "Its training took" in text


def test_findings_do_not_tell_apart_what_overlaps(tmp_path):
    text = said(accuracies(tmp_path, surrogate=[0.9, 0.8, 0.9, 0.8, 0.9], local_zo=[0.8, 0.9, 0.85, 0.8, 0.8]))
    assert "That it is better than local_zo is not shown (+3.00 points, \N{MINUS SIGN}" in text
    assert "seeds would show it)" in text
    assert "Of these, <strong>local_zo</strong> took the least energy" in text
    assert "ahead" not in text


def test_findings_do_not_hide_that_the_highest_mean_is_behind_on_common_seeds(tmp_path):
    """Its mean is the higher one by seeds that the other has not run."""
    text = said(accuracies(tmp_path, local_zo=[*spread(0.8, 5), 0.99, 0.99], surrogate=[0.82, 0.81, 0.82, 0.81, 0.82]))
    assert "<strong>local_zo</strong> has the highest mean" in text
    assert "On the seeds that both have completed it is behind surrogate (\N{MINUS SIGN}" in text
    assert "not shown" not in text


def test_findings_of_few_seeds_have_no_verdict(tmp_path):
    text = said(accuracies(tmp_path, surrogate=[0.9, 0.91, 0.9], local_zo=[0.8, 0.8, 0.8]))
    assert "There is no verdict on local_zo: that takes 5 seeds or more, and there are 3 (+10.33" in text
    assert "about 5 seeds would show it)" in text
    assert "ahead" not in text


def test_findings_of_one_seed_claim_nothing(tmp_path):
    text = said(accuracies(tmp_path, surrogate=[0.9], local_zo=[0.5]))
    assert "90.0 % (one seed)" in text
    assert "that takes 5 seeds or more, and there is 1 (+40.00 points)." in text
    assert "ahead" not in text


def test_findings_recommend_nothing_for_want_of_common_seeds(tmp_path):
    write_run(tmp_path, "surrogate", 0, accuracy=0.9)
    write_run(tmp_path, "local_zo", 1, accuracy=0.5)
    text = said(tmp_path)
    assert "No seed is common to it and local_zo." in text
    assert "Of these" not in text


@pytest.mark.parametrize("sets", [1, 3, 9])
def test_findings_are_four_lines_at_most(tmp_path, sets):
    """Of the many variants and long names of a mixed folder."""
    for data in ("digits", "nmnist", "shd", "mnist", "ssc", "s_mnist", "poker_dvs", "fashion_mnist", "randman")[:sets]:
        for i, method in enumerate(("local_zo", "surrogate", "ssg", "expectation")):
            for seed in range(2 + 2 * i):
                changes = {"optim.lr": 0.001 * (i + 1), "model.gain": 1.5 + i, "strategy.name": "x" * 60}
                write_run(tmp_path / data, method, seed, changes, data=data, accuracy=0.8 + 0.01 * (i == seed % 4))
    comparison = compare(read_runs([tmp_path]))
    found = findings(comparison, sorted(comparison.variants, key=lambda variant: variant.order))
    assert len(found) == min(sets, LINES)
    longest = max(len(text.striptags()) for text in found)
    assert longest <= (ROOM if sets == 1 else ROOM / LINES)


def test_findings_without_a_completed_run(tmp_path):
    write_run(tmp_path, status="queued")
    assert said(tmp_path) == "On digits no run is completed yet: there is nothing to compare."


def test_findings_of_an_error_prefer_the_smallest(tmp_path):
    errors = {"surrogate": spread(0.3, 5), "local_zo": [0.1, 0.2, 0.1, 0.2, 0.1], "ssg": [0.2, 0.1, 0.2, 0.1, 0.2]}
    for method, values in errors.items():
        for seed, error in enumerate(values):
            write_run(tmp_path, method, seed, accuracy=error, headline=Headline("mae", "error", "min", "rad"))
    text = said(tmp_path)
    assert "has the lowest mean test error of 3 variants on digits: 0.14 rad (95 % interval 0.07" in text
    assert "It is ahead of surrogate (+0.16" in text
    assert "That it is better than ssg is not shown (+0.02 rad" in text


def test_findings_of_an_error_alone(tmp_path):
    write_run(tmp_path, accuracy=0.25, headline=Headline("mae", "error", "min"))
    assert said(tmp_path) == "<strong>local_zo</strong> has a test error of 0.25 (one seed) on digits."
