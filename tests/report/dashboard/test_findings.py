from pathlib import Path

from snn_zo.headline import Headline
from snn_zo.report.comparison import compare
from snn_zo.report.dashboard.findings import findings
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


def test_findings_of_a_clear_winner_name_the_price_of_the_cheapest(tmp_path):
    text = said(accuracies(tmp_path, surrogate=[0.9] * 10, local_zo=[0.8] * 10))
    assert "<strong>surrogate</strong> has the highest mean test accuracy of 2 variants: 90.0 %" in text
    assert "ahead of local_zo by 10.00 points (95 % interval 10.00 to 10.00, 10 seeds)" in text
    assert "not to be told apart" not in text
    assert "too narrow" not in text
    assert "<strong>local_zo</strong> took" in text
    assert "for 10.00 points less" in text


def test_findings_do_not_tell_apart_what_overlaps(tmp_path):
    text = said(accuracies(tmp_path, surrogate=[0.9, 0.8, 0.9], local_zo=[0.8, 0.9, 0.85]))
    assert "<strong>not to be told apart</strong> from local_zo (+1.67 points, 95 % interval" in text
    assert "Of these, <strong>local_zo</strong> took the least energy" in text
    assert "ahead" not in text


def test_findings_do_not_hide_that_the_highest_mean_is_behind_on_common_seeds(tmp_path):
    """Its mean is the higher one by a seed that the other has not run."""
    text = said(accuracies(tmp_path, local_zo=[0.80, 0.81, 0.80, 0.99], surrogate=[0.82, 0.84, 0.82]))
    assert "<strong>local_zo</strong> has the highest mean" in text
    assert "On the seeds that both have completed it is behind surrogate" in text
    assert "not to be told apart" not in text


def test_findings_of_few_seeds_warn(tmp_path):
    assert "With 2 seeds such an interval is easily too narrow" in said(
        accuracies(tmp_path, surrogate=[0.9, 0.9], local_zo=[0.8, 0.8])
    )


def test_findings_of_one_seed_claim_nothing(tmp_path):
    text = said(accuracies(tmp_path, surrogate=[0.9], local_zo=[0.5]))
    assert "(one seed, so no interval)" in text
    assert "Whether it is better than local_zo cannot be said from fewer than two common seeds (+40.00 points" in text
    assert "ahead" not in text
    assert "told apart" not in text


def test_findings_recommend_nothing_for_want_of_common_seeds(tmp_path):
    write_run(tmp_path, "surrogate", 0, accuracy=0.9)
    write_run(tmp_path, "local_zo", 1, accuracy=0.5)
    text = said(tmp_path)
    assert "(no seed in common)" in text
    assert "Of these" not in text


def test_findings_without_a_completed_run(tmp_path):
    write_run(tmp_path, status="queued")
    assert said(tmp_path) == "On digits no run is completed yet: there is nothing to compare."


def test_findings_of_an_error_prefer_the_smallest(tmp_path):
    for method, errors in {"surrogate": [0.3, 0.3], "local_zo": [0.1, 0.2], "ssg": [0.2, 0.1]}.items():
        for seed, error in enumerate(errors):
            write_run(tmp_path, method, seed, accuracy=error, headline=Headline("mae", "error", "min", "rad"))
    text = said(tmp_path)
    assert "has the lowest mean test error of 3 variants: 0.15 rad (95 % interval 0.1 to 0.2 rad, 2 seeds)" in text
    assert "It is ahead of surrogate by 0.15 rad (95 % interval 0.1 to 0.2, 2 seeds)" in text
    assert "not to be told apart</strong> from ssg (+0 rad, 95 % interval \N{MINUS SIGN}0.1 to +0.1, 2 seeds)" in text


def test_findings_of_an_error_alone(tmp_path):
    write_run(tmp_path, accuracy=0.25, headline=Headline("mae", "error", "min"))
    assert "reaches a test error of 0.25 (one seed, so no interval). There is no other" in said(tmp_path)
