import io
from dataclasses import asdict

import pytest
from rich.console import Console

from snn_zo.atomic import write_json
from snn_zo.headline import Headline
from snn_zo.sweep import progress as module
from snn_zo.sweep.jobs import place
from snn_zo.sweep.progress import Progress, duration

ACCURACY = Headline("acc", "accuracy", "max", "%")


@pytest.fixture
def clock(monkeypatch):
    """A list whose entry is the time."""
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def jobs(job):
    """Three jobs of ten epochs, placed."""
    made = [job(f"seed={seed}", "trainer.max_epochs=10") for seed in range(3)]
    for seed, each in enumerate(made):
        each.swept = [f"seed={seed}"]
    place(made, None)
    return made


def be(job, status: str, epochs: int = 0, headline: Headline = ACCURACY, **entries) -> None:
    judged = {"headline": asdict(headline), "monitor": headline.logged("val"), "mode": headline.direction}
    write_json(job.folder.summary, {"status": status} | judged | entries)
    job.folder.metrics.write_text("".join(f"{epoch}\n" for epoch in range(-1, epochs)))


def said(capsys) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_update_says_each_event_once(jobs, capsys, clock):
    followed = Progress()
    followed.add(jobs)
    followed.update()
    assert said(capsys) == []
    be(jobs[0], "running")
    followed.update()
    followed.update()
    assert said(capsys) == [f"[1/3] running     seed=0 -> {jobs[0].path}"]
    clock[0] += 20
    be(jobs[0], "completed", 10, objective=0.875)
    be(jobs[1], "failed", reason="the loss is nan")
    followed.update()
    followed.update()
    assert said(capsys) == [
        "[1/3] completed   seed=0   val/acc 87.5 %   20 s   about 40 s left",
        f"[2/3] failed      seed=1   the loss is nan; details in {jobs[1].folder.log}",
    ]


def test_update_says_when_a_run_that_was_stopped_goes_on(jobs, capsys, clock):
    """As where SLURM requeues it."""
    followed = Progress()
    followed.add(jobs)
    for status in ("running", "interrupted", "running", "completed"):
        be(jobs[0], status, reason="stopped by a signal")
        followed.update()
    assert [line.split()[1] for line in said(capsys)] == ["running", "interrupted", "running", "completed"]


def test_update_survives_a_missing_or_damaged_summary(jobs, capsys):
    followed = Progress()
    followed.add(jobs)
    jobs[0].folder.summary.write_text("{")
    jobs[1].folder.summary.unlink()
    followed.update()
    assert said(capsys) == []


def test_add_of_jobs_done_before_says_nothing_of_them(jobs, capsys, clock):
    be(jobs[0], "completed", 10, objective=0.9)
    jobs[0].due = False
    followed = Progress()
    followed.add(jobs)
    followed.update()
    assert said(capsys) == []
    assert followed._lines() == ["1/3 done", "best val/acc 90.0 %, seed=0"]


def test_add_of_further_rounds_counts_on(jobs, capsys, clock):
    followed = Progress(total=12)
    followed.add(jobs[:2])
    followed.add(jobs[2:])
    be(jobs[2], "running")
    followed.update()
    assert said(capsys) == [f"[ 3/12] running     seed=2 -> {jobs[2].path}"]
    assert Progress(total=1).total == 1
    assert followed.total == 12


def test_lines_count_and_name_the_best(jobs, clock):
    followed = Progress()
    followed.add(jobs)
    assert followed._lines() == ["0/3 done"]
    for each in jobs:
        be(each, "running")
    followed.update()
    be(jobs[0], "completed", 10, objective=0.7)
    be(jobs[1], "completed", 10, objective=0.8)
    clock[0] += 10
    followed.update()
    assert followed._lines() == ["2/3 done   1 running", "best val/acc 80.0 %, seed=1"]


def test_left_by_the_epochs_of_a_running_job(jobs, clock):
    """Half a minute to start, then 2 s an epoch: 8 epochs are left, and two jobs of 50 s."""
    followed = Progress()
    followed.add(jobs)
    be(jobs[0], "running")
    followed.update()
    assert followed._left() is None
    clock[0] += 32
    be(jobs[0], "running", 1)
    followed.update()
    assert followed._left() is None, "one epoch says nothing of the speed"
    clock[0] += 2
    be(jobs[0], "running", 2)
    followed.update()
    assert followed._left() == pytest.approx(16 + 50 + 50)


def test_left_is_shared_by_the_jobs_that_run(jobs, clock):
    followed = Progress()
    followed.add(jobs)
    be(jobs[0], "running")
    followed.update()
    clock[0] += 60
    be(jobs[0], "completed", 10, objective=0.5)
    be(jobs[1], "running")
    be(jobs[2], "running")
    followed.update()
    clock[0] += 20
    assert followed._left() == pytest.approx((40 + 40) / 2)


def test_left_counts_rounds_to_come(jobs, clock):
    followed = Progress(total=10)
    followed.add(jobs[:1])
    be(jobs[0], "running")
    followed.update()
    clock[0] += 5
    be(jobs[0], "completed", 10)
    followed.update()
    assert followed._left() == pytest.approx(9 * 5)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_picture_fits_the_terminal(jobs, clock, width):
    followed = Progress()
    jobs[0].swept = ["strategy=local_zo", f"strategy.delta={'0.1' * 40}"]
    followed.add(jobs)
    for each in jobs:
        be(each, "running", 3)
    followed.update()
    console = Console(file=io.StringIO(), width=width)
    console.print(followed._picture())
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 4
    assert all(len(line) <= width for line in lines)
    assert all("epoch 3/10" in line for line in lines[:3])


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "-"), (0.4, "0 s"), (99.4, "99 s"), (100, "2 min"), (5940, "99 min"), (7260, "2 h 1 min")],
)
def test_duration(seconds, words):
    assert duration(seconds) == words


def test_objective_is_shown_under_its_own_name_and_the_best_is_the_least_of_a_loss(jobs, capsys, clock):
    followed = Progress()
    followed.add(jobs)
    for job, loss in zip(jobs, (0.25, 0.1912, 1.5), strict=True):
        be(job, "completed", 10, objective=loss, monitor="val/loss", mode="min")
    followed.update()
    assert "seed=1   val/loss 0.1912   " in said(capsys)[1]
    assert followed._lines() == ["3/3 done", "best val/loss 0.1912, seed=1"]


@pytest.mark.parametrize(
    ("headline", "best"),
    [
        (Headline("r2", "R2", "max"), "val/r2 0.75, seed=2"),
        (Headline("error", "mean error", "min", "mV"), "val/error -0.5 mV, seed=1"),
    ],
)
def test_lines_have_the_unit_and_the_direction_of_the_metric(jobs, clock, headline, best):
    followed = Progress()
    followed.add(jobs)
    for each, objective in zip(jobs, (0.25, -0.5, 0.75), strict=True):
        be(each, "completed", 10, headline, objective=objective)
    followed.update()
    assert followed._lines() == ["3/3 done", f"best {best}"]


def test_lines_of_a_summary_that_says_no_metric(jobs, clock):
    followed = Progress()
    followed.add(jobs[:1])
    write_json(jobs[0].folder.summary, {"status": "completed", "objective": 0.5, "monitor": ["a"], "mode": 3})
    followed.update()
    assert followed._lines() == ["1/1 done", "best objective 0.5, seed=0"]


def test_objectives_of_two_names_are_not_compared(jobs, clock):
    followed = Progress()
    followed.add(jobs)
    be(jobs[0], "completed", 10, objective=0.5, monitor="val/loss", mode="min")
    be(jobs[1], "completed", 10, objective=0.9, monitor="val/acc", mode="max")
    be(jobs[2], "completed", 10, objective="\x1b[31m")
    followed.update()
    assert followed._lines() == ["3/3 done", "best val/loss 0.5, seed=0", "best val/acc 90.0 %, seed=1"]
