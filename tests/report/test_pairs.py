import itertools
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from snn_zo.report.answers import Answers
from snn_zo.report.comparison import Comparison, compare
from snn_zo.report.dashboard.findings import findings
from snn_zo.report.dashboard.tables import of_test_set
from snn_zo.report.pairs import FEWEST, MANY
from snn_zo.report.runs import Run, read_runs
from snn_zo.runs.status import Status
from tests.report.synthetic import ACCURACY, ERROR, R2, write_accurate, write_predictions, write_run, write_study


def compared(path) -> Comparison:
    return compare(read_runs([path]))


def run_of(method: str, seed: int, correct: np.ndarray) -> Run:
    """A completed run that classified [R] recordings as `correct` says."""
    summary = {"headline": asdict(ACCURACY) | {"value": float(correct.mean())}}
    about = {"study": "", "name": "", "reason": None, "traceback": None, "data": "digits", "timing": {}, "metrics": {}}
    return Run(
        Path(f"{method}-{seed}"),
        status=Status.COMPLETED,
        method=method,
        seed=seed,
        settings={"strategy.name": method},
        given=frozenset(),
        summary=summary,
        confusion=None,
        answers=Answers("the same", correct),
        environment={},
        **about,
    )


def test_pairs_are_of_common_seeds(tmp_path):
    accuracies = {"local_zo": {0: 0.9, 1: 0.8, 2: 0.7, 5: 0.1}, "ssg": {0: 0.8, 1: 0.8, 2: 0.9, 7: 1.0}}
    for method, seed in ((method, seed) for method, seeds in accuracies.items() for seed in seeds):
        write_run(tmp_path, method, seed, accuracy=accuracies[method][seed], headline=R2)
    (pair,) = compared(tmp_path).pairs()
    assert (pair.a.method, pair.b.method, pair.n) == ("ssg", "local_zo", 3)
    expected = stats.ttest_1samp([-0.1, 0, 0.2], 0)
    assert pair.difference == pytest.approx((0.1 / 3, *expected.confidence_interval(0.95), 3))
    assert pair.p == pytest.approx(expected.pvalue)
    assert (pair.wins, pair.ties) == (1, 1)
    assert pair.on_recordings is None


def test_pairs_have_the_one_with_less_error_first(tmp_path):
    errors = {"local_zo": (0.2, 0.3, 0.5), "ssg": (0.4, 0.3, 0.9)}
    for method, seed in itertools.product(errors, range(3)):
        write_run(tmp_path, method, seed, accuracy=errors[method][seed], headline=ERROR)
    (pair,) = compared(tmp_path).pairs()
    assert (pair.a.method, pair.b.method) == ("local_zo", "ssg")
    assert pair.difference.mean == pytest.approx(-0.2)
    assert (pair.wins, pair.ties, pair.n) == (2, 1, 3)


def test_pairs_are_of_one_metric(tmp_path):
    for headline in (ACCURACY, R2, ERROR):
        write_run(tmp_path, "local_zo", headline=headline, settings={"optim.lr": 0.1}, name=f"zo {headline.name}")
        write_run(tmp_path, "ssg", headline=headline, settings={"optim.lr": len(headline.name)}, name=headline.name)
    comparison = compared(tmp_path)
    assert comparison.data == ("digits (max acc %)", "digits (max r2)", "digits (min error mV)")
    assert [comparison.headline_of(data) for data in comparison.data] == [ACCURACY, R2, ERROR]
    assert comparison.titles == "accuracy and R2 and mean error (less is better)"
    assert all(pair.a.headline == pair.b.headline for pair in comparison.pairs())
    assert comparison.headline_of("nmnist") is None


def test_pairs_without_a_common_seed_are_none(tmp_path):
    write_run(tmp_path, "local_zo", 0)
    write_run(tmp_path, "ssg", 1)
    write_run(tmp_path, "ssg", 0, status="failed")
    assert compared(tmp_path).pairs() == []


def test_pairs_of_one_seed_have_no_interval_over_seeds(tmp_path):
    write_study(tmp_path, ("local_zo", "ssg"), (3,))
    (pair,) = compared(tmp_path).pairs()
    assert (pair.n, pair.difference.low, pair.p, pair.needed, pair.better) == (1, None, None, None, None)


def test_pairs_of_many_variants_are_with_the_best_and_the_baseline(tmp_path):
    deltas = [0.01 * (i + 1) for i in range(MANY)]
    write_study(tmp_path, ["local_zo"], (0,), [{"strategy.delta": delta} for delta in deltas[:-1]])
    write_run(tmp_path, "surrogate", accuracy=0.5)
    comparison = compared(tmp_path)
    assert len(comparison.pairs()) == MANY * (MANY - 1) / 2
    write_run(tmp_path, settings={"strategy.delta": deltas[-1]}, accuracy=1.0)
    comparison = compared(tmp_path)
    best = max(comparison.variants, key=lambda variant: variant.estimate("score").mean)
    pairs = comparison.pairs()
    assert len(pairs) == MANY + MANY - 1
    assert all({pair.a, pair.b} & {best, comparison.baselines["digits"]} for pair in pairs)


# ---- recordings


def test_pairs_on_the_same_recordings(tmp_path):
    """The sign of a difference is by recording, so that one seed says something of these recordings."""
    rng = np.random.default_rng(0)
    for method, share in (("local_zo", 0.9), ("ssg", 0.7)):
        for seed in range(3):
            correct = rng.random(400) < share
            write_predictions(write_run(tmp_path, method, seed, accuracy=float(correct.mean())), correct)
    comparison = compared(tmp_path)
    (pair,) = comparison.pairs()
    assert comparison.test_recordings("digits") == 400
    assert pair.on_recordings.mean == pytest.approx(pair.difference.mean, abs=1e-6)
    assert pair.on_recordings.low < 0.2 < pair.on_recordings.high
    assert pair.overall is pair.on_recordings


def test_pairs_of_one_seed_on_the_same_recordings_is_mcnemar(tmp_path):
    """The interval over recordings of two networks excludes 0 where McNemar's test tells them apart."""
    only_first, only_second, both = 30, 12, 300
    first = np.r_[np.ones(only_first), np.zeros(only_second), np.ones(both)] == 1
    second = np.r_[np.zeros(only_first), np.ones(only_second), np.ones(both)] == 1
    write_predictions(write_run(tmp_path, "local_zo", 0, accuracy=float(first.mean())), first)
    write_predictions(write_run(tmp_path, "ssg", 0, accuracy=float(second.mean())), second)
    (pair,) = compared(tmp_path).pairs()
    discordant = only_first + only_second
    z = (only_first - only_second) / math.sqrt(discordant)  # McNemar 1947
    low, high = pair.on_recordings[1:3]
    error = (high - low) / 2 / stats.t.ppf(0.975, len(first) - 1)
    assert pair.on_recordings.mean / error == pytest.approx(z, rel=0.05)
    assert low > 0
    assert pair.overall is pair.difference


@pytest.mark.parametrize("other", ["labels", "size", "missing", "damaged"])
def test_pairs_on_other_recordings_are_over_seeds(tmp_path, other):
    correct = np.arange(100) % 7 > 0
    for method, seed in itertools.product(("local_zo", "ssg"), (0, 1)):
        write_predictions(write_run(tmp_path, method, seed, accuracy=float(correct.mean())), correct)
    path = tmp_path / "ssg-s1" / "predictions.csv"
    path = next(tmp_path.glob("ssg*1*/predictions.csv")) if not path.exists() else path
    lines = path.read_text().splitlines()
    changed = {"labels": [*lines[:-1], "99,1,1"], "size": lines[:-1], "missing": None, "damaged": [*lines, "x,y,z"]}
    path.unlink()
    if changed[other]:
        path.write_text("\n".join(changed[other]) + "\n")
    comparison = compared(tmp_path)
    (pair,) = comparison.pairs()
    assert pair.on_recordings is None
    assert pair.overall is pair.difference
    problems = [problem for run in comparison.runs for problem in run.problems]
    said = {"damaged": ["predictions.csv cannot be read"], "size": ["predictions.csv has other predictions than"]}
    found = said.get(other, [])
    assert [problem[: len(text)] for problem, text in zip(problems, found, strict=True)] == found


@pytest.mark.parametrize(("recordings", "uncertain"), [(100, "6"), (10_000, "0.59")])
def test_page_says_how_well_a_test_set_knows_an_accuracy(tmp_path, recordings, uncertain):
    """The interval of Wilson; for 9 in 10 correct about two standard errors of a share."""
    correct = np.arange(recordings) % 10 > 0
    for seed in range(2):
        write_predictions(write_run(tmp_path, "local_zo", seed, accuracy=0.9), correct)
    interval = stats.binomtest(int(correct.sum()), recordings).proportion_ci(method="wilson")
    assert 50 * (interval.high - interval.low) == pytest.approx(float(uncertain), abs=0.1)
    said = of_test_set(compared(tmp_path), "digits").replace("\N{NO-BREAK SPACE}", " ")
    assert f"{recordings:,} recordings: that alone leaves one accuracy of 90.0 % uncertain by ±{uncertain} p" in said


# ---- what is claimed


@pytest.mark.parametrize("predictions", [True, False])
def test_pairs_claim_nothing_of_accuracies_without_the_predictions(tmp_path, predictions):
    """Seeds alone do not tell what another test set would, be it that all of them say the same."""
    for method, accuracy in (("surrogate", 0.95), ("local_zo", 0.6)):
        for seed in range(6):
            path = write_accurate(tmp_path, method, seed, accuracy)
            if not predictions:
                (path / "predictions.csv").unlink()
    (pair,) = compared(tmp_path).pairs()
    assert pair.difference.low == pair.difference.high
    assert pair.better is (pair.a if predictions else None)
    assert (pair.p is None, pair.needed is None, pair.is_undecidable) == (not predictions,) * 3


@pytest.mark.parametrize("seeds", [FEWEST - 1, FEWEST])
def test_pairs_claim_nothing_below_five_seeds(tmp_path, seeds):
    for seed in range(seeds):
        write_accurate(tmp_path, "surrogate", seed, 0.95 + 0.001 * seed)
        write_accurate(tmp_path, "local_zo", seed, 0.6 + 0.002 * seed)
    (pair,) = compared(tmp_path).pairs()
    assert pair.p < 1e-3
    assert pair.better is (pair.a if seeds >= FEWEST else None)
    assert pair.needed == FEWEST


def test_pairs_claim_that_the_second_is_better_on_common_seeds(tmp_path):
    for seed in range(5):
        write_accurate(tmp_path, "surrogate", seed, 0.84 + 0.001 * seed)
        write_accurate(tmp_path, "local_zo", seed, 0.74 + 0.002 * seed)
    for seed in range(5, 13):
        write_accurate(tmp_path, "local_zo", seed, 1.0)
    (pair,) = compared(tmp_path).pairs()
    assert (pair.a.method, pair.better.method) == ("local_zo", "surrogate")


def test_pairs_of_an_error_claim_the_smaller_one(tmp_path):
    for seed in range(5):
        write_run(tmp_path, "surrogate", seed, accuracy=0.2 + 0.001 * seed, headline=ERROR)
        write_run(tmp_path, "local_zo", seed, accuracy=0.1 + 0.002 * seed, headline=ERROR)
    (pair,) = compared(tmp_path).pairs()
    assert pair.better.method == "local_zo"


def test_pairs_claims_hold_for_all_of_them_together(tmp_path):
    """As Holm has it: the smallest p against 5 % over the number of pairs, the next against one pair less."""
    rng = np.random.default_rng(1)
    for i, mean in enumerate((0.90, 0.895, 0.885, 0.88, 0.80)):
        for seed in range(6):
            accuracy = float(mean + 0.013 * rng.normal())
            write_accurate(tmp_path, "local_zo", seed, accuracy, settings={"strategy.delta": 0.01 * (i + 1)})
    pairs = sorted(compared(tmp_path).pairs(), key=lambda pair: pair.p)
    shown = [p <= 0.05 / (len(pairs) - i) for i, p in enumerate(pair.p for pair in pairs)]
    expected = [all(shown[: i + 1]) for i in range(len(pairs))]
    assert [pair.better is not None for pair in pairs] == expected
    assert 0 < sum(expected) < sum(pair.p < 0.05 for pair in pairs) < len(pairs) == 10


def test_pairs_say_how_many_seeds_are_needed(tmp_path):
    """With so many, four in five experiments of this difference and this spread show it."""
    differences = np.array([0.030, 0.000, 0.015])
    for seed, difference in enumerate(differences):
        write_run(tmp_path, "surrogate", seed, accuracy=0.8 + float(difference), headline=R2)
        write_run(tmp_path, "local_zo", seed, accuracy=0.8, headline=R2)
    (pair,) = compared(tmp_path).pairs()
    n = int(pair.needed)
    rng = np.random.default_rng(0)
    shown = [
        np.mean(stats.ttest_1samp(rng.normal(0.015, differences.std(ddof=1), (4000, k)), 0, axis=1).pvalue < 0.05)
        for k in (n - 3, n + 1)
    ]
    assert shown[0] < 0.8 < shown[1] < 0.9


def test_pairs_know_a_test_set_that_is_too_small(tmp_path):
    """The same few recordings make the difference with every seed."""
    first, second = np.arange(50) != 7, np.arange(50) % 25 != 8
    for seed in range(3):
        noise = np.arange(50) == 20 + seed
        write_predictions(write_run(tmp_path, "local_zo", seed, accuracy=0.96), first ^ noise)
        write_predictions(write_run(tmp_path, "ssg", seed, accuracy=0.94), second ^ noise)
    (pair,) = compared(tmp_path).pairs()
    assert pair.needed == math.inf


def drawn(rng, seeds: int, recordings: int, methods: int = 2) -> list[Run]:
    """Runs of methods that are equally good: recordings are hard for all, or for one of them, and seeds differ."""
    hard = 2.5 + 1.5 * rng.normal(size=recordings)
    runs = []
    for method in "abcd"[:methods]:
        for_it = hard + 0.8 * rng.normal(size=recordings)
        for seed in range(seeds):
            right = 1 / (1 + np.exp(-for_it - 0.3 * rng.normal()))
            runs.append(run_of(method, seed, rng.random(recordings) < right))
    return runs


@pytest.mark.parametrize("recordings", [100, 10_000])
@pytest.mark.parametrize("seeds", [2, 3, 4, 5, 7, 10])
def test_page_says_ahead_of_equal_methods_at_most_one_time_in_twenty(seeds, recordings):
    """But for two standard errors of a share of 200 studies."""
    rng, times = np.random.default_rng(seeds), 200
    said = 0
    for _ in range(times):
        comparison = compare(drawn(rng, seeds, recordings))
        ranked = sorted(comparison.variants, key=lambda variant: variant.order)
        said += any("ahead" in text or "behind" in text for text in findings(comparison, ranked))
    assert said <= (times * 0.05 + 2 * math.sqrt(times * 0.05 * 0.95) if seeds >= FEWEST else 0)


def test_page_says_ahead_of_several_equal_methods_at_most_one_time_in_twenty():
    rng, times = np.random.default_rng(0), 200
    comparisons = [compare(drawn(rng, 5, 100, methods=4)) for _ in range(times)]
    assert sum(any(pair.better for pair in comparison.pairs()) for comparison in comparisons) <= 10


def test_page_says_ahead_of_a_better_method():
    rng = np.random.default_rng(0)
    worse, better = (rng.random((5, 10_000)) < share for share in (0.90, 0.93))
    runs = [run_of(method, s, row) for method, rows in (("a", worse), ("b", better)) for s, row in enumerate(rows)]
    comparison = compare(runs)
    (text,) = findings(comparison, sorted(comparison.variants, key=lambda variant: variant.order))
    assert "<strong>b</strong> has the highest mean test accuracy of 2 variants on digits" in text
    assert "It is ahead of a (+" in text.replace("\N{NO-BREAK SPACE}", " ")
