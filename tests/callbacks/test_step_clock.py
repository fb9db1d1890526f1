from types import SimpleNamespace

import pytest
import torch

from snn_zo.callbacks.step_clock import StepClock
from snn_zo.target import Classes
from snn_zo.tasks import CrossEntropy, make_task
from snn_zo.training import CapturedModule


def module(device: str, **attributes: object) -> SimpleNamespace:
    return SimpleNamespace(device=torch.device(device), **attributes)


def test_step_clock_sums_by_part(monkeypatch):
    now = 0.0
    monkeypatch.setattr("time.perf_counter", lambda: now)
    clock = StepClock(gpu=False)
    for _ in range(3):
        clock.start()
        now += 0.02
        clock.lap("forward")
        now += 0.01
        clock.lap("backward")
        now += 0.05  # the optimizer's
    seconds = clock.seconds()
    assert list(seconds) == ["forward_s", "backward_s"]
    assert seconds == pytest.approx({"forward_s": 0.06, "backward_s": 0.03})


def test_step_clock_without_a_step_has_no_parts():
    assert StepClock(gpu=False).seconds() == StepClock(gpu=True).seconds() == {}


def test_step_clock_only_where_time_can_be_told():
    captured = CapturedModule(
        torch.nn.Linear(1, 1), make_task(Classes(2), CrossEntropy()), seed=0, optimizer=torch.optim.SGD
    )
    assert StepClock.of(captured) is None
    assert StepClock.of(module("mps")) is None
    assert StepClock.of(module("cpu")).gpu is False
    assert StepClock.of(module("cuda")).gpu is True


@pytest.fixture
def events(monkeypatch):
    """torch.cuda.Event of a GPU that is behind: an event comes when somebody waits for it."""
    made = []

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing
            made.append(self)
            self.come = False

        def record(self) -> None:
            self.at = 10.0 * len(made) ** 2

        def synchronize(self) -> None:
            for event in made[: made.index(self) + 1]:
                event.come = True

        def elapsed_time(self, other: "Event") -> float:
            assert self.come
            assert other.come
            return other.at - self.at

    monkeypatch.setattr(torch.cuda, "Event", Event)
    return made


def test_step_clock_on_a_gpu_waits_at_the_end_only(events):
    clock = StepClock(gpu=True)
    for _ in range(2):
        clock.start()
        clock.lap("forward")
        clock.lap("backward")
    assert len(events) == 6
    assert not any(event.come for event in events)
    # events at 10, 40, 90 and 160, 250, 360 ms
    assert clock.seconds() == pytest.approx({"forward_s": 0.03 + 0.09, "backward_s": 0.05 + 0.11})


@pytest.mark.gpu
def test_step_clock_on_a_real_gpu():
    x = torch.randn(4000, 4000, device="cuda")
    clock = StepClock(gpu=True)
    clock.start()
    x @ x
    clock.lap("forward")
    for _ in range(20):
        x @ x
    clock.lap("backward")
    seconds = clock.seconds()
    assert 0 < seconds["forward_s"] < seconds["backward_s"] < 10
