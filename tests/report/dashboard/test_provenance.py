import json

from snn_zo import worker
from snn_zo.report.dashboard import provenance
from snn_zo.report.runs import read_runs
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


def test_commands_of_sweeps_and_of_single_runs(tmp_path):
    write_run(tmp_path / "study", "local_zo", 3, {"strategy.delta": 0.2})
    record = {"command": ["train.py", "sweeps=quick", "a=b c"], "started": "2026-01-02T03:04:05+00:00"}
    (tmp_path / "study" / "sweep.json").write_text(json.dumps(record))
    runs = read_runs([tmp_path])
    expected = "python train.py sweeps=quick 'a=b c'    # 2026-01-02T03:04:05+00:00"
    assert provenance.sweeps(runs) == [("study", expected)]
    (line,) = provenance.single_commands(runs)
    assert line.startswith("python train.py strategy=local_zo seed=3 strategy.delta=0.2    # local_zo-s3")


def test_commands_are_without_those_of_a_sweeps_jobs(tmp_path):
    for seed, script in enumerate(["/home/me/train.py", "/home/me/train.py", worker.__file__]):
        path = write_run(tmp_path, seed=seed)
        environment = json.loads((path / "env.json").read_text())
        (path / "env.json").write_text(json.dumps(environment | {"command": [script, "a"]}))
    assert provenance.commands(read_runs([tmp_path])) == [("python /home/me/train.py a", 2)]
