import json
import threading
from dataclasses import asdict

import pytest

from snn_zo.runs.sweep_record import RecordedSweep, read_sweeps, record_sweep

ONE = RecordedSweep(("train.py", "-m", "seed=0,1"), "/work", ("2026-01-02T03:04:05+00:00",), 2, ("a", "b"))
OTHER = RecordedSweep(("train.py", "-m", "seed=2"), "/work", ("2026-01-03T00:00:00+00:00",), 1, ("c",))


def test_read_sweeps_of_none(tmp_path):
    assert read_sweeps(tmp_path) == []


def test_record_sweep_keeps_all_commands(tmp_path):
    assert record_sweep(tmp_path, ONE) is None
    assert record_sweep(tmp_path, OTHER) is None
    assert read_sweeps(tmp_path) == [ONE, OTHER]


def test_record_sweep_of_the_same_command_is_one_entry_with_two_starts(tmp_path):
    record_sweep(tmp_path, ONE)
    record_sweep(tmp_path, OTHER)
    again = RecordedSweep(ONE.command, "/work", ("2026-02-01T00:00:00+00:00",), 3, ("b", "d"))
    record_sweep(tmp_path, again)
    record_sweep(tmp_path, again)
    first, second = read_sweeps(tmp_path)
    assert (first.starts, first.jobs, first.runs) == (ONE.starts + again.starts, 3, ("a", "b", "d"))
    assert second == OTHER
    elsewhere = RecordedSweep(ONE.command, "/other", ONE.starts, 2, ("a",))
    record_sweep(tmp_path, elsewhere)
    assert read_sweeps(tmp_path)[-1] == elsewhere


def test_record_sweep_loses_none_of_several_at_once(tmp_path):
    sweeps = [RecordedSweep(("train.py", f"seed={i}"), "/work", ("now",), 1, (f"s{i}",)) for i in range(16)]
    threads = [threading.Thread(target=record_sweep, args=(tmp_path, sweep)) for sweep in sweeps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(read_sweeps(tmp_path)) == set(sweeps)


UNREADABLE = [
    "",
    "{",
    "[]",
    "null",
    '{"command": ["train.py"], "jobs": 2}',
    '{"sweeps": {}}',
    json.dumps({"sweeps": [{"command": ["train.py"]}]}),
    *(
        json.dumps({"sweeps": [asdict(ONE) | wrong]})
        for wrong in ({"command": []}, {"command": "x"}, {"jobs": True}, {"runs": [1]}, {"starts": None}, {"more": 1})
    ),
]


@pytest.mark.parametrize("content", UNREADABLE)
def test_record_sweep_beside_what_it_cannot_read(tmp_path, content):
    for number in (1, 2):
        (tmp_path / "sweep.json").write_text(content)
        with pytest.raises(ValueError, match=r"sweep\.json"):
            read_sweeps(tmp_path)
        said = record_sweep(tmp_path, ONE)
        kept = tmp_path / f"sweep-unreadable-{number}.json"
        assert said is not None
        assert said.endswith(f"; it is kept as {kept}")
        assert kept.read_text() == content
        assert read_sweeps(tmp_path) == [ONE]


def test_record_sweep_does_not_follow_a_link(tmp_path):
    target = tmp_path / "target"
    target.write_text(json.dumps({"sweeps": [asdict(OTHER)]}))
    (tmp_path / "sweep.json").symlink_to(target)
    record_sweep(tmp_path, ONE)
    assert read_sweeps(tmp_path) == [ONE]
    assert json.loads(target.read_text())["sweeps"][0]["jobs"] == 1
