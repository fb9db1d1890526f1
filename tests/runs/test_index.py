import itertools
import os

import pytest

from snn_zo.atomic import write_json
from snn_zo.runs.index import by_identity

STATUSES = ("completed", "interrupted", "failed")


def make(study, name, identity, status, age):
    write_json(study / name / "summary.json", {"identity": identity, "status": status})
    os.utime(study / name / "summary.json", (1e9 - age, 1e9 - age))


@pytest.mark.parametrize("order", list(itertools.permutations(STATUSES)))
def test_by_identity_takes_the_completed_then_the_one_to_go_on_with(tmp_path, order):
    for age, status in enumerate(order):
        make(tmp_path, status, "a", status, age)
    assert by_identity(tmp_path)["a"].path == tmp_path / "completed"
    (tmp_path / "completed" / "summary.json").unlink()
    assert by_identity(tmp_path)["a"].path == tmp_path / "interrupted"


@pytest.mark.parametrize("status", STATUSES)
def test_by_identity_takes_the_latest_of_equals(tmp_path, status):
    for age, name in enumerate("cab"):
        make(tmp_path, name, "a", status, age)
    assert by_identity(tmp_path)["a"].path.name == "c"


def test_by_identity_knows_experiments_apart_and_leaves_out_what_is_none(tmp_path):
    make(tmp_path, "one", "a", "completed", 0)
    make(tmp_path, "two", "b", ["odd"], 0)
    make(tmp_path, "three", 3, "completed", 0)
    (tmp_path / "four").mkdir()
    (tmp_path / "five").touch()
    (tmp_path / "six" / "summary.json").mkdir(parents=True)
    found = by_identity(tmp_path)
    assert {identity: folder.path.name for identity, folder in found.items()} == {"a": "one", "b": "two"}


def test_by_identity_of_a_study_that_does_not_exist(tmp_path):
    assert by_identity(tmp_path / "no") == {}
