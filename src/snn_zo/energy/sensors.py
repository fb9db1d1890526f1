"""Energy counters of the hardware: NVML on NVIDIA GPUs, RAPL on CPUs."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

POWERCAP = Path("/sys/class/powercap")


class NotMeasuredError(RuntimeError):
    """Energy cannot be measured here; the message says why."""


class Sensor(Protocol):
    """A counter of Joules that only rises.

    Attributes:
        name: `nvml` or `rapl`.
        resolution_s: seconds between its updates.
        device: what it counts for, as a file name.
    """

    name: str
    resolution_s: float
    device: str

    def joules(self) -> float:
        """Joules since some time, everything that was started on the device being finished."""

    def keep_up(self) -> None:
        """To be called every few seconds, for counters that go around."""


class Nvml:
    """Total energy of one GPU, of all that runs on it (NVML; GPUs of the Volta generation and later).

    Args:
        index: CUDA device.

    Raises:
        NotMeasuredError: nvidia-ml-py is not installed, the GPU has no counter, or another process computes on it.
    """

    name, resolution_s = "nvml", 0.1

    def __init__(self, index: int) -> None:
        import torch

        try:
            import pynvml
        except ImportError as error:
            raise NotMeasuredError("nvidia-ml-py is not installed: pip install nvidia-ml-py") from error
        self._nvml: Any = pynvml
        self._synchronize: Callable[[], None] = lambda: torch.cuda.synchronize(index)
        try:
            pynvml.nvmlInit()
            uuid = f"GPU-{torch.cuda.get_device_properties(index).uuid}"
            self._handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
            pynvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)
            others = len(pynvml.nvmlDeviceGetComputeRunningProcesses(self._handle)) - 1
        except pynvml.NVMLError as error:
            raise NotMeasuredError(f"NVML: {error}") from error
        if others > 0:
            raise NotMeasuredError(f"{others} other process(es) compute on the GPU")
        self.device = uuid

    def keep_up(self) -> None:
        """Nothing to do: the counter does not go around."""

    def joules(self) -> float:
        """J since the driver was loaded."""
        self._synchronize()
        return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1e3


class Rapl:
    """Energy of all CPU packages and their memory (Linux powercap).

    Args:
        root: folder of the zones.

    Raises:
        NotMeasuredError: there is no zone, or it may not be read.
    """

    name, resolution_s, device = "rapl", 0.001, "cpu"

    def __init__(self, root: Path) -> None:
        zones = [path for path in sorted(root.glob("intel-rapl:*")) if (path / "energy_uj").exists()]
        named = {path: (path / "name").read_text().strip() for path in zones}
        self._zones = [path for path, name in named.items() if name.startswith(("package", "dram"))]
        if not self._zones:
            raise NotMeasuredError(f"no energy counter of the CPU in {root}")
        try:
            self._range = [int((path / "max_energy_range_uj").read_text()) for path in self._zones]
            self._last = self._read()
        except PermissionError as error:
            raise NotMeasuredError(f"{error.filename} may not be read: sudo chmod a+r it to measure") from error
        self._total = 0

    def joules(self) -> float:
        """J since the sensor was made."""
        self.keep_up()
        return self._total / 1e6

    def keep_up(self) -> None:
        """Read the counters, each of which goes around after minutes."""
        now = self._read()
        self._total += sum(
            (new - old) % (size + 1) for new, old, size in zip(now, self._last, self._range, strict=True)
        )
        self._last = now

    def _read(self) -> list[int]:
        return [int((path / "energy_uj").read_text()) for path in self._zones]


def sensor(device_type: str, index: int | None) -> Sensor:
    """The counter of a torch device.

    Raises:
        NotMeasuredError: it has none.
    """
    if device_type == "cuda":
        return Nvml(index or 0)
    if device_type == "cpu":
        return Rapl(POWERCAP)
    raise NotMeasuredError(f"no energy counter is known for {device_type}")


class Occupancy:
    """Which runs use a device: each holds a shared lock on a file of the device, and leaves a byte in it on arrival.

    Args:
        device: name of the device.
        folder: of the files.
    """

    def __init__(self, device: str, folder: Path | None = None) -> None:
        path = (folder or Path(tempfile.gettempdir())) / f"snn_zo-{os.getuid()}-{device}.lock"
        self._file = path.open("ab", buffering=0)
        fcntl.flock(self._file, fcntl.LOCK_SH)
        self._file.write(b".")

    def arrivals(self) -> int:
        """Runs that have ever arrived."""
        return os.fstat(self._file.fileno()).st_size

    def alone(self) -> bool:
        """Whether no other run is there now."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            fcntl.flock(self._file, fcntl.LOCK_SH)
        return True

    def leave(self) -> None:
        """Release the device."""
        self._file.close()
