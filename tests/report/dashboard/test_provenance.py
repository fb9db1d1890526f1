import json
from pathlib import Path

from snn_zo import worker
from snn_zo.report.dashboard import provenance
from snn_zo.report.runs import read_runs
from snn_zo.runs.sweep_record import RecordedSweep, record_sweep
from tests.report.synthetic import write_run


def test_facts_say_what_differs(tmp_path):
    write_run(tmp_path, seed=0)
    write_run(tmp_path, seed=1)
    write_run(tmp_path, seed=2, hardware={"threads": 1})
    first, *others = provenance.facts(read_runs([tmp_path]))
    assert (first.name, first.values) == ("threads", [("4", 2), ("1", 1)])
    assert not any(fact.differs for fact in others)
    assert others[-1].values == [("snn_zo 0.1.0, torch 2.13.0+cpu, lightning 2.6.6, numpy 2.4.6", 3)]


def test_commands_are_one_line_each(tmp_path):
    path = write_run(tmp_path, name="two\nlines")
    (path / "overrides.yaml").write_text(json.dumps(["a=$(x)\nrm b"]))
    assert provenance.single_commands(read_runs([tmp_path])) == ["python train.py 'a=$(x) rm b'    # two lines"]


def started_by(path: Path, *command: str) -> Path:
    """A run, as its env.json has it."""
    environment = json.loads((path / "env.json").read_text())
    (path / "env.json").write_text(json.dumps(environment | {"command": command}))
    return path


def sweep(
    *runs: Path, command=("train.py", "sweeps=quick", "a=b c"), starts=("2026-01-02T03:04:05+00:00",), place="/w"
):
    return RecordedSweep(tuple(command), place, tuple(starts), len(runs), tuple(run.name for run in runs))


def test_commands_are_all_sweeps_of_a_study_and_its_single_runs(tmp_path):
    study = tmp_path / "study"
    first, second, third = (started_by(write_run(study, seed=seed), worker.__file__) for seed in range(3))
    started_by(write_run(study, seed=3), "/home/me/train.py", "seed=3")
    record_sweep(study, sweep(first, second))
    record_sweep(study, sweep(third, command=("snn-zo-train", "-m", "seed=2")))
    record_sweep(study, sweep(second, starts=("2026-01-03T00:00:00+00:00",)))
    found = provenance.commands(read_runs([tmp_path]))
    started = "started 2026-01-02T03:04:05+00:00"
    assert found.sweeps == [
        ("study", f"python train.py sweeps=quick 'a=b c'    # 1 job; {started}, 2026-01-03T00:00:00+00:00"),
        ("study", f"snn-zo-train -m seed=2    # 1 job; {started}"),
    ]
    assert found.single == [("python /home/me/train.py seed=3", 1)]
    (line,) = provenance.single_commands(read_runs([third]))
    assert line == f"python train.py strategy=local_zo seed=2    # {third.name}"


def test_commands_say_where_they_were_started_if_that_differs(tmp_path):
    runs = [write_run(tmp_path, seed=seed) for seed in range(2)]
    for run, place in zip(runs, ("/a", "/b"), strict=True):
        record_sweep(tmp_path, sweep(run, place=place))
    assert [line.rpartition("; ")[2] for _, line in provenance.commands(read_runs([tmp_path])).sweeps] == [
        "in /a",
        "in /b",
    ]


def test_commands_are_of_the_runs_shown(tmp_path):
    """A sweep of the study whose runs are not among them made none of these."""
    one, other = write_run(tmp_path, seed=0), write_run(tmp_path, seed=1)
    record_sweep(tmp_path, sweep(one))
    assert provenance.commands(read_runs([other])).sweeps == []


def test_commands_of_a_run_that_was_resumed_and_of_one_whose_sweep_is_not_recorded(tmp_path):
    started_by(write_run(tmp_path, seed=1), "train.py", "resume=latest")
    started_by(write_run(tmp_path, seed=2), worker.__file__)
    expected = [(f"python train.py strategy=local_zo seed={seed}", 1) for seed in (1, 2)]
    assert provenance.commands(read_runs([tmp_path])) == provenance.Commands([], expected)


def test_commands_say_what_record_cannot_be_read(tmp_path):
    write_run(tmp_path / "study")
    (tmp_path / "study" / "sweep.json").write_text('{"command": ["train.py"]}')
    found = provenance.commands(read_runs([tmp_path]))
    assert found.sweeps == [("study", "# study: sweep.json holds no list of sweeps")]
    assert len(found.single) == 1


def test_commands_are_without_those_of_a_sweeps_jobs(tmp_path):
    for seed, script in enumerate(["/home/me/train.py", "/home/me/train.py", worker.__file__]):
        path = started_by(write_run(tmp_path, seed=seed), script, "a")
        (path / "overrides.yaml").unlink()
    assert provenance.commands(read_runs([tmp_path])).single == [("python /home/me/train.py a", 2)]
