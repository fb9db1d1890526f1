import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch

from snn_zo.energy.meter import IDLE_S, Meter
from snn_zo.energy.sensors import NotMeasuredError, Nvml, Occupancy, Rapl, sensor


class Clock:
    """A time of which a device uses 10 W when idle."""

    def __init__(self) -> None:
        self.now, self.used = 100.0, 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.run(seconds, 10.0)

    def run(self, seconds: float, watts: float) -> None:
        self.now += seconds
        self.used += seconds * watts


class Fake:
    name, resolution_s, device = "fake", 0.1, "device"

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def keep_up(self) -> None:
        pass

    def joules(self) -> float:
        return self.clock.used


@pytest.fixture
def clock():
    return Clock()


def meter(clock: Clock, folder) -> Meter:
    return Meter(lambda: Fake(clock), lambda device: Occupancy(device, folder), clock, clock.sleep)


def test_meter_adds_up_windows_and_notes_idle_power(clock, tmp_path):
    made = meter(clock, tmp_path)
    assert made.idle_w == pytest.approx(10.0)
    assert clock.now == 100 + IDLE_S
    for seconds, watts in ((2.0, 50.0), (3.0, 70.0)):
        made.start()
        clock.run(seconds, watts)
        made.stop()
        clock.run(5, 99)  # validation
    assert made.joules == pytest.approx(2 * 50 + 3 * 70)
    assert made.seconds == pytest.approx(5.0)
    assert made.reason is None


def test_meter_refuses_a_device_that_another_run_uses(clock, tmp_path):
    first = meter(clock, tmp_path)
    second = meter(clock, tmp_path)
    assert second.joules is None
    assert second.reason == "another run uses the device"
    first.close()
    second.close()
    third = meter(clock, tmp_path)
    assert third.reason is None
    assert third.joules is None, "nothing measured is not 0"


@pytest.mark.parametrize("stays", [True, False])
def test_meter_forgets_what_another_run_spoiled(clock, tmp_path, stays):
    made = meter(clock, tmp_path)
    made.start()
    other = Occupancy("device", tmp_path)
    if not stays:
        other.leave()
    clock.run(2, 500)
    made.stop()
    assert made.joules is None
    assert made.reason == "another run came to the device"
    made.start()
    made.stop()
    assert made.joules is None, "a part is never given for the whole"


def test_meter_goes_on_in_another_session(clock, tmp_path):
    first = meter(clock, tmp_path)
    first.start()
    clock.run(2, 50)
    first.stop()
    first.close()
    second = meter(clock, tmp_path)
    second.load_state_dict(first.state_dict())
    second.start()
    clock.run(1, 50)
    second.stop()
    assert second.joules == pytest.approx(150)
    second.close()
    blind = Meter(no_sensor)
    blind.load_state_dict(second.state_dict())
    assert blind.joules is None
    third = meter(clock, tmp_path)
    third.load_state_dict(blind.state_dict())
    assert third.joules is None
    assert third.reason == "there is none"


def no_sensor():
    raise NotMeasuredError("there is none")


def zone(root, name, kind, joules, limit=1000):
    folder = root / name
    folder.mkdir(exist_ok=True)
    for file, content in (("name", kind), ("energy_uj", int(joules * 1e6)), ("max_energy_range_uj", int(limit * 1e6))):
        (folder / file).write_text(f"{content}\n")


def test_rapl_sums_packages_and_memory_around_the_end_of_their_counters(tmp_path):
    zone(tmp_path, "intel-rapl:0", "package-0", 990)
    zone(tmp_path, "intel-rapl:0:0", "core", 7)
    zone(tmp_path, "intel-rapl:0:1", "dram", 10)
    zone(tmp_path, "intel-rapl:1", "package-1", 20)
    zone(tmp_path, "intel-rapl:2", "psys", 0)
    rapl = Rapl(tmp_path)
    assert rapl.joules() == 0
    zone(tmp_path, "intel-rapl:0", "package-0", 4)
    zone(tmp_path, "intel-rapl:0:0", "core", 900)
    zone(tmp_path, "intel-rapl:0:1", "dram", 13)
    zone(tmp_path, "intel-rapl:1", "package-1", 25)
    assert rapl.joules() == pytest.approx(14 + 3 + 5, abs=1e-5)
    zone(tmp_path, "intel-rapl:0", "package-0", 999)
    rapl.keep_up()
    zone(tmp_path, "intel-rapl:0", "package-0", 1)
    assert rapl.joules() == pytest.approx(22 + 995 + 2, abs=1e-5)


def test_no_sensor_says_why(tmp_path):
    with pytest.raises(NotMeasuredError, match="no energy counter of the CPU"):
        Rapl(tmp_path)
    with pytest.raises(NotMeasuredError, match="known for mps"):
        sensor("mps", 0)


class NvmlError(Exception):
    pass


def nvml(monkeypatch, millijoules, processes=1, fails=False):
    """A module pynvml with one GPU."""
    module = ModuleType("pynvml")
    module.NVMLError = NvmlError

    def energy(handle):
        if fails:
            raise NvmlError("Not Supported")
        return next(millijoules)

    module.nvmlInit = lambda: None
    module.nvmlDeviceGetHandleByUUID = lambda uuid: uuid
    module.nvmlDeviceGetTotalEnergyConsumption = energy
    module.nvmlDeviceGetComputeRunningProcesses = lambda handle: [object()] * processes
    monkeypatch.setitem(sys.modules, "pynvml", module)
    synchronized = []
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid=f"u{index}"))
    monkeypatch.setattr(torch.cuda, "synchronize", synchronized.append)
    return synchronized


def test_nvml_reads_after_synchronising(monkeypatch):
    synchronized = nvml(monkeypatch, iter([0, 1500, 4000]))
    counter = Nvml(1)
    assert counter.device == "GPU-u1"
    assert [counter.joules(), counter.joules()] == [1.5, 4.0]
    assert synchronized == [1, 1]


def test_nvml_refuses_a_shared_gpu_and_one_without_a_counter(monkeypatch):
    nvml(monkeypatch, iter([0]), processes=3)
    with pytest.raises(NotMeasuredError, match="2 other process"):
        Nvml(0)
    nvml(monkeypatch, iter([0]), fails=True)
    with pytest.raises(NotMeasuredError, match="Not Supported"):
        Nvml(0)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(NotMeasuredError, match="pip install nvidia-ml-py"):
        Nvml(0)
