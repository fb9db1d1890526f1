import pytest

from snn_zo.headline import Headline
from snn_zo.report.dashboard import score
from snn_zo.report.interval import Estimate

ACCURACY = Headline("acc", "accuracy", "max", "%")
R2 = Headline("r2", "R2")
ERROR = Headline("mae", "mean absolute error", "min", "rad")
HEADLINES = [ACCURACY, R2, ERROR]


@pytest.mark.parametrize(("headline", "text"), zip(HEADLINES, ["+1.23", "+0.0123", "+0.0123"], strict=True))
def test_difference_has_its_sign(headline, text):
    assert score.difference(headline, 0.01234) == text
    assert score.difference(headline, -0.01234) == text.replace("+", "\N{MINUS SIGN}")
    assert score.distance(headline, 0.01234) == text[1:]


@pytest.mark.parametrize("headline", HEADLINES)
def test_difference_has_no_negative_zero(headline):
    assert float(score.difference(headline, -0.0)) == 0
    assert score.difference(headline, -0.0).startswith("+")


def test_difference_of_rounding_is_none():
    assert score.difference(R2, 2.78e-17) == "+0"


def test_unit_of_difference():
    assert [score.unit_of_difference(headline) for headline in [*HEADLINES, None]] == [" points", "", " rad", ""]


def test_advantage_turns_round_where_less_is_better():
    found = Estimate(-0.2, -0.3, 0.1, 5)
    assert score.advantage(R2, found) == found
    assert score.advantage(ERROR, found) == Estimate(0.2, -0.1, 0.3, 5)
    assert score.advantage(ERROR, Estimate(-0.2, None, None, 1)) == Estimate(0.2, None, None, 1)


def test_common_of_different_ones_is_none():
    assert score.common([R2, R2]) == score.common([R2, None]) == R2
    assert score.common([R2, ACCURACY]) is None
    assert score.common([]) is None


def test_words_of_an_accuracy_and_of_others():
    assert score.words(ACCURACY) == ("Accuracies", "more accurate", "most accurate")
    assert score.words(R2) == ("Values of R2", "better", "best")
    assert score.words(None).values == "Scores"
