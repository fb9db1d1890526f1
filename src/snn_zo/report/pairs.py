"""Two variants against each other, on the same seeds and the same recordings, and what may be claimed of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from snn_zo.report.interval import LEVEL, Estimate, Mean, estimate, over_seeds, over_seeds_and_recordings, quantile
from snn_zo.report.runs import Run
from snn_zo.report.score import is_share, sign_of
from snn_zo.report.variants import Variant

FEWEST = 5
"""Seeds below which nothing is claimed: the spread of so few values is hardly known."""
MANY = 16
"""Variants of a data set from which on not all pairs are formed."""
POWER = 0.8
"""Probability with which as many seeds as are said to be needed show a difference of the size that was found."""
MOST = 1000
"""Seeds that are looked through for how many are needed."""


class Pair(NamedTuple):
    """Two variants on the seeds that both have completed.

    Attributes:
        a: one.
        b: the other.
        difference: test score of a minus that of b, whichever is the better; the interval is over seeds.
        on_recordings: the same with an interval over seeds and recordings, of one seed over recordings alone; None
            unless both are judged by an accuracy, were tested on the same recordings and told each prediction.
        wins: seeds with which a is better.
        ties: seeds with which they are equal.
        n: number of seeds.
        p: of no difference, by the interval `overall`; None for one seed, and for an accuracy where `on_recordings` is.
        needed: about how many seeds would show the difference with a probability of 80 %, if it and the spread are
            what they seem; None where nothing tells, inf where no number would: the test set is too small.
        better: the variant that is shown to be better: from FEWEST seeds on, at a level of 5 % that holds for all pairs
            of the data set together (Holm 1979). None where nothing is shown.
    """

    a: Variant
    b: Variant
    difference: Estimate
    on_recordings: Estimate | None
    wins: int
    ties: int
    n: int
    p: float | None
    needed: float | None = None
    better: Variant | None = None

    @property
    def is_undecidable(self) -> bool:
        """Whether no number of seeds would do: an accuracy without predictions for the same recordings."""
        return self.on_recordings is None and is_share(self.a.headline)

    @property
    def overall(self) -> Estimate:
        """The difference with an interval over all that is known to vary; of one seed without an interval."""
        return self.on_recordings if self.on_recordings and self.n > 1 else self.difference


def pairs_of(ranked: Sequence[Variant], baseline: Variant | None) -> list[Pair]:
    """All pairs of a data set's variants with common seeds; with more than MANY, those with the best or the baseline.

    Args:
        ranked: those with a score, the best first.
        baseline: one of them.
    """
    chosen = list(itertools.combinations(ranked, 2))
    level = LEVEL / max(len(chosen), 1)
    tests = sum(len(_by_seed(a).keys() & _by_seed(b).keys()) >= FEWEST for a, b in chosen)
    if len(ranked) > MANY:
        references = {ranked[0], baseline}
        chosen = [pair for pair in chosen if references & set(pair)]
    return _judged([pair for a, b in chosen if (pair := _pair(a, b, level))], tests)


def _judged(pairs: list[Pair], tests: int) -> list[Pair]:
    """With what is shown: the smallest of the `tests` probabilities is held against the level over all, and so on."""
    testable = sorted((pair.p, i) for i, pair in enumerate(pairs) if pair.n >= FEWEST and pair.p is not None)
    for rank, (p, i) in enumerate(testable):
        if p > LEVEL / (tests - rank):
            break
        pair = pairs[i]
        a_is_better = sign_of(pair.a.headline) * pair.difference.mean > 0
        pairs[i] = pair._replace(better=pair.a if a_is_better else pair.b)
    return pairs


def _pair(a: Variant, b: Variant, level: float) -> Pair | None:
    first, second = _by_seed(a), _by_seed(b)
    common = [(first[seed], second[seed]) for seed in sorted(first.keys() & second.keys())]
    differences = [_score(one) - _score(other) for one, other in common]
    difference = estimate(differences)
    if difference is None:
        return None
    n, sign = len(common), sign_of(a.headline)
    wins, ties = sum(sign * d > 0 for d in differences), sum(d == 0 for d in differences)
    answers = _differences(common)
    whole = None if answers is None else over_seeds_and_recordings(answers)
    on_recordings = None if whole is None else Estimate(whole.value, *whole.interval(), n)
    if n < 2:
        return Pair(a, b, difference, on_recordings, wins, ties, n, None)
    if whole is None and is_share(a.headline):  # seeds alone do not tell what another test set would
        return Pair(a, b, difference, None, wins, ties, n, None)
    seeds = over_seeds(differences)
    p = (whole or seeds).p
    return Pair(a, b, difference, on_recordings, wins, ties, n, p, _needed(seeds, whole, n, level))


def _needed(seeds: Mean, whole: Mean | None, n: int, level: float) -> float | None:
    """Number of seeds of which the standard error would be small enough; more of them leave that of the recordings."""
    if seeds.value == 0:
        return None
    of_recordings = max(whole.error**2 - seeds.error**2, 0.0) if whole else 0.0
    if abs(seeds.value) < (quantile(1 - level / 2, math.inf) + quantile(POWER, math.inf)) * math.sqrt(of_recordings):
        return math.inf
    for number in range(FEWEST, MOST + 1):
        error = math.sqrt(n * seeds.error**2 / number + of_recordings)
        if abs(seeds.value) >= (quantile(1 - level / 2, number - 1) + quantile(POWER, number - 1)) * error:
            return number
    return math.inf


def _by_seed(variant: Variant) -> dict[int, Run]:
    return {run.seed: run for run in variant.done if run.seed is not None and run.score is not None}


def _score(run: Run) -> float:
    assert run.score is not None
    return run.score


def _differences(common: Sequence[tuple[Run, Run]]) -> NDArray[np.int8] | None:
    """[n, R] 1 where only the first is correct, -1 where only the second is; None if the recordings differ."""
    answers = [(one.answers, other.answers) for one, other in common]
    known = [(one, other) for one, other in answers if one is not None and other is not None]
    recordings = {each.recordings for pair in known for each in pair}
    if not is_share(common[0][0].headline) or len(known) < len(answers) or len(recordings) != 1:
        return None
    return np.array([one.correct.astype(np.int8) - other.correct for one, other in known])
