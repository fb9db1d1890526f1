import json
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from snn_zo.atomic import write_json
from snn_zo.config import Composed, ConfigError
from snn_zo.sweep.jobs import place


def end(job, status: str, **entries) -> None:
    write_json(job.folder.summary, job.folder.read_summary() | {"status": status} | entries)


def status(job) -> str:
    return job.folder.read_summary()["status"]


@pytest.fixture
def earlier(job):
    """A job whose run has ended in some way."""

    def make(how: str):
        first = job("seed=1")
        place([first], None)
        end(first, how, reason="why")
        return first

    return make


def test_place_makes_a_queued_run_of_each_job(job, tmp_path):
    jobs = [job(f"seed={seed}") for seed in range(3)]
    place(jobs, None)
    assert len({each.path for each in jobs}) == 3
    for seed, each in enumerate(jobs):
        assert each.due
        assert each.path.parent == tmp_path / "study"
        summary = each.folder.read_summary()
        assert (summary["status"], summary["seed"], summary["method"]) == ("queued", seed, "local_zo")
        assert f"seed: {seed}\n" in each.folder.config.read_text()
        assert f"- seed={seed}\n" in each.folder.overrides.read_text()


@pytest.mark.parametrize(
    ("how", "rerun", "same", "due"),
    [
        ("completed", None, True, False),
        ("completed", "failed", True, False),
        ("completed", "all", False, True),
        ("failed", None, True, False),
        ("failed", "failed", False, True),
        ("failed", "all", False, True),
        ("interrupted", None, True, True),
        ("interrupted", "failed", True, True),
        ("running", None, True, True),
        ("queued", None, True, True),
        ("nonsense", None, True, True),
    ],
)
def test_place_by_how_the_earlier_run_ended(job, earlier, how, rerun, same, due):
    before, again = earlier(how), job("seed=1")
    place([again], rerun)
    assert (again.path == before.path) == same
    assert again.due == due
    assert status(again) == ("queued" if due else how)
    assert status(before) == ("queued" if due and same else how)


def test_place_keeps_what_an_interrupted_run_has(job, earlier):
    before = earlier("interrupted")
    end(before, "interrupted", wandb_id="abc")
    again = job("seed=1")
    place([again], None)
    assert again.folder.read_summary()["wandb_id"] == "abc"
    assert again.folder.read_summary()["reason"] is None


def test_place_prefers_the_completed_of_several_runs(job, earlier):
    done = earlier("completed")
    rerun = job("seed=1")
    place([rerun], "all")
    end(rerun, "failed")
    again = job("seed=1")
    place([again], None)
    assert again.path == done.path


def test_place_finds_a_renamed_folder(job, earlier):
    before = earlier("interrupted")
    before.path.rename(before.path.with_name("mine"))
    again = job("seed=1")
    place([again], None)
    assert again.path.name == "mine"
    assert "name: mine\n" in again.folder.config.read_text()


def test_place_ignores_what_does_not_change_the_result(job, earlier):
    before = earlier("completed")
    again = job("seed=1", "logger=null", "data.workers=2", "objectives=[dead]")
    place([again], None)
    assert again.path == before.path


def test_place_does_equal_jobs_once(job):
    jobs = [job("seed=1"), job("seed=2"), job("seed=1")]
    place(jobs, None)
    assert [each.due for each in jobs] == [True, True, False]
    assert jobs[0].path == jobs[2].path


def test_place_name_is_for_one_run(job, tmp_path):
    with pytest.raises(ConfigError, match="study= names the sweep"):
        place([job("seed=1", "name=mine"), job("seed=2", "name=mine")], None)
    assert not list(tmp_path.iterdir())
    one = job("seed=1", "name=mine")
    place([one], None)
    assert one.path == tmp_path / "study" / "mine"
    with pytest.raises(ConfigError, match="name=mine is taken"):
        place([job("seed=2", "name=mine")], None)


def test_place_study_of_the_settings_comes_first(job, tmp_path):
    jobs = [job("seed=1"), job("seed=1", "study=other")]
    place(jobs, None)
    assert {each.path.parent.name for each in jobs} == {"study", "other"}
    assert all(each.due for each in jobs)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"identity": 3}', '{"identity": [1]}', "\xff", "[" * 100_000])
def test_place_makes_nothing_of_a_damaged_summary(job, earlier, content):
    before = earlier("completed")
    before.folder.summary.write_text(content, encoding="latin-1")
    again = job("seed=1")
    place([again], None)
    assert again.due
    assert again.path != before.path
    assert before.folder.summary.read_text(encoding="latin-1") == content


def test_place_takes_a_status_of_the_wrong_type_for_none(job, earlier):
    before = earlier("completed")
    end(before, ["completed"])
    again = job("seed=1")
    place([again], None)
    assert (again.path, again.due) == (before.path, True)


# ---- the data of earlier runs


@pytest.fixture
def nmnist(job, tmp_path):
    """A job on 30 training and 20 test recordings below a folder, which are written unless it is there."""

    def make(root: str, *overrides: str):
        folder = tmp_path / root / "NMNIST"
        if not folder.exists():
            for part, first, size in (("Train", 0, 30), ("Test", 30, 20)):
                for i in range(size):
                    path = folder / f"{part}/{i % 10}/{i:03}.bin"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(b"".join(bytes([i + 1, first, 128, t, 0]) for t in range(30)))
        settings = {"_target_": "snn_zo.data.neuromorphic.NMNIST", "polarities": "merged"}
        settings |= {"root": str(tmp_path / root), "cache_dir": str(tmp_path / "cache"), "val_fraction": 0.35}
        own = job("seed=1", *overrides)
        given = OmegaConf.to_container(own.config.data)
        del given["test_fraction"], given["code"]
        own.config.data = OmegaConf.create(given | settings)
        own.composed = Composed.of(own.config)
        return own

    return make


def test_place_knows_the_data_of_earlier_runs(nmnist, tmp_path):
    first = nmnist("a")
    place([first], None)
    end(first, "completed")
    content = first.folder.read_summary()["data_content"]
    assert content["train"] == {"recordings": 20, "classes": 10}

    moved = nmnist("b")  # the same recordings elsewhere
    place([moved], None)
    assert (moved.path, moved.due, moved.of_other_data) == (first.path, False, [])

    (tmp_path / "b/NMNIST/Test/3/003.bin").unlink()
    again, other = nmnist("a"), nmnist("b")
    place([again, other], None)
    assert (again.path, again.due) == (first.path, False)
    assert other.due
    assert other.path != first.path
    assert other.of_other_data == ["1 recording fewer in test (19, not 20)"]
    assert other.folder.read_summary()["data_content"]["test"]["recordings"] == 19
    assert len(list((tmp_path / "cache").glob("*.events"))) == 5, "each folder's parts, and a test part anew"


def test_place_does_not_take_a_run_of_unknown_data_for_done(nmnist):
    first = nmnist("a")
    place([first], None)
    before = first.folder.read_summary()
    write_json(first.folder.summary, before | {"status": "completed", "identity": before["identity"].partition("-")[0]})
    again = nmnist("a")
    place([again], None)
    assert again.due
    assert again.path != first.path


def test_place_goes_on_where_the_data_of_one_job_is_missing(nmnist, tmp_path):
    (tmp_path / "gone/NMNIST/Train/3").mkdir(parents=True)
    (tmp_path / "gone/NMNIST/Train/3/1.bin").touch()
    jobs = [nmnist("gone"), nmnist("a")]
    place(jobs, None)
    assert [each.due for each in jobs] == [True, True]
    assert jobs[0].path != jobs[1].path
    assert jobs[0].folder.read_summary()["data_content"] is None


HOLD = """
import sys
from pathlib import Path
from snn_zo.runs.folder import RunFolder
with RunFolder(Path(sys.argv[1])).only_here():
    print(flush=True)
    sys.stdin.read()
"""


def test_place_changes_nothing_of_a_run_that_another_process_is_at(job, earlier):
    before = earlier("running")
    config = before.folder.config.read_text()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(before.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout.readline()
    again = job("seed=1", "logger=null")
    place([again], None)
    holder.communicate()
    assert (again.path, again.due) == (before.path, True)
    assert status(again) == "running"
    assert again.folder.config.read_text() == config


def test_place_twice_at_the_same_time_makes_one_run_of_each(job, tmp_path):
    """A second sweep waits until the first has made its folders, and finds them."""
    code = Path(__file__).with_name("place_many.py")
    both = [subprocess.Popen([sys.executable, str(code), str(tmp_path)]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    identities = [json.loads(path.read_text())["identity"] for path in tmp_path.glob("*/*/summary.json")]
    assert len(identities) == len(set(identities)) == 20


@pytest.mark.parametrize(
    ("summary", "objectives", "result"),
    [
        ({"status": "completed", "objective": 0.5}, ["objective"], 0.5),
        ({"status": "completed", "objective": 0.5, "energy": {"total": 2}}, ["objective", "energy.total"], [0.5, 2.0]),
        ({"status": "completed", "objective": float("nan")}, ["objective"], None),
        ({"status": "failed", "objective": 0.5}, ["objective"], None),
        ({}, ["objective"], None),
    ],
)
def test_result_is_what_the_sweeper_is_to_know(job, summary, objectives, result):
    one = job(f"objectives=[{','.join(objectives)}]")
    place([one], None)
    write_json(one.folder.summary, summary)
    assert one.result() == result


@pytest.mark.parametrize("name", ["objektive", "energy.total", "status"])
def test_result_that_is_no_number(job, name):
    one = job(f"objectives=[{name}]")
    place([one], None)
    write_json(one.folder.summary, {"status": "completed", "objective": 0.5, "energy": None})
    with pytest.raises(ConfigError, match=f"{name} is no number in a run's summary.json"):
        one.result()


def test_place_under_a_name_that_something_else_has(job, tmp_path):
    (tmp_path / "study" / "mine" / "notes").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"name=mine is taken: .*/mine exists, without a config.yaml"):
        place([job("name=mine")], None)


def test_place_in_an_empty_folder(job, tmp_path):
    (tmp_path / "study" / "mine").mkdir(parents=True)
    one = job("name=mine")
    place([one], None)
    assert one.path == tmp_path / "study" / "mine"
    assert one.folder.read_summary()["status"] == "queued"


def test_place_names_what_takes_a_run_as_a_shell_takes_it(job, tmp_path):
    outputs = f"outputs={tmp_path}/a b"
    place([job(outputs, "name=mine", "seed=1")], None)
    with pytest.raises(ConfigError, match=r"resume it by 'resume=.*/a b/study/mine'$"):
        place([job(outputs, "name=mine", "seed=2")], None)


def test_place_calls_a_run_by_what_is_swept_and_set(job, tmp_path):
    one = job("seed=1", "trainer.max_epochs=2", "strategy.delta=0.25")
    one.swept = ["strategy.delta=0.25", "seed=1"]
    place([one], None)
    assert one.path.name.startswith("local_zo-delta=0.25-max_epochs=2-s1-2")
    assert one.label == "delta=0.25 seed=1"
