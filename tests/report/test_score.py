import pytest

from snn_zo.headline import Headline
from snn_zo.report.score import heading_of, headline_of, measured, scored, sign_of, title_of, value_of
from tests.report.synthetic import ACCURACY, ERROR, R2

ENTRY = {"name": "acc", "title": "accuracy", "value": 0.5, "direction": "max", "unit": "%"}


def test_headline_of_a_summary():
    assert headline_of({"headline": ENTRY}) == ACCURACY
    assert headline_of({"headline": ENTRY | {"direction": "min", "unit": ""}}) == Headline("acc", "accuracy", "min")


@pytest.mark.parametrize(
    "entry",
    [
        None,
        "acc",
        [ENTRY],
        {},
        ENTRY | {"name": ""},
        ENTRY | {"name": 3},
        ENTRY | {"title": None},
        ENTRY | {"direction": "up"},
        ENTRY | {"direction": {"max": 1}},
    ],
)
def test_headline_of_a_summary_that_says_none(entry):
    assert headline_of({"headline": entry}) is None
    assert headline_of({}) is None


def test_headline_of_a_stranger_is_short_and_in_one_line():
    found = headline_of({"headline": ENTRY | {"title": "a\x1b[31m\nb" * 1000, "unit": ["%"]}})
    assert found is not None
    assert found.title.startswith("a\ufffd[31m b")
    assert len(found.title) <= 60
    assert found.unit == ""


@pytest.mark.parametrize(
    ("headline", "value", "found"),
    [
        (ACCURACY, 0.5, 0.5),
        (ACCURACY, 1.5, None),
        (ACCURACY, -0.5, None),
        (R2, -3, -3.0),
        (ERROR, 12.5, 12.5),
        (ERROR, True, None),
        (ERROR, "12", None),
        (ERROR, float("nan"), None),
        (ERROR, 10**400, None),
        (None, 0.5, None),
    ],
)
def test_value_of(headline, value, found):
    assert value_of(headline, value) == found


def test_scored_has_the_unit():
    assert (scored(ACCURACY, 0.9666), scored(R2, -0.123456), scored(ERROR, 12.5)) == ("96.7 %", "-0.1235", "12.5 mV")
    assert scored(ACCURACY, None) == scored(None, None) == "-"


def test_heading_of_has_the_unit_where_there_is_one():
    assert [heading_of(each) for each in (ACCURACY, R2, ERROR, None)] == ["accuracy %", "R2", "mean error mV", "score"]
    assert [title_of(each) for each in (ERROR, None)] == ["mean error", "score"]


def test_sign_of_is_negative_where_less_is_better():
    assert [sign_of(each) for each in (ACCURACY, R2, ERROR, None)] == [1, 1, -1, 1]


@pytest.mark.parametrize(
    ("headline", "logged", "value", "text"),
    [
        (ACCURACY, "val/acc", 0.875, "val/acc 87.5 %"),
        (ACCURACY, "val/top3", 0.95, "val/top3 95.0 %"),
        (ACCURACY, "val/loss", 0.1912, "val/loss 0.1912"),
        (R2, "val/r2", -0.25, "val/r2 -0.25"),
        (ERROR, "val/error", 12.5, "val/error 12.5 mV"),
        (None, "val/acc", 0.875, "val/acc 0.875"),
    ],
)
def test_measured(headline, logged, value, text):
    assert measured(headline, logged, value) == text
