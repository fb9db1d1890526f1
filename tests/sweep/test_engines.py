import threading
import time
from pathlib import Path

import joblib
import pytest

from snn_zo.config import ConfigError
from snn_zo.sweep.engines import Joblib, Sequential, Submitit
from snn_zo.sweep.engines.engine import needs

FOLDERS = [Path(f"/study/{number}") for number in range(7)]


class Processes:
    """Stands in for RunProcesses: remembers what it was told to run, with which variables, and how many at a time."""

    def __init__(self, seconds: float = 0.02) -> None:
        self.seconds = seconds
        self.runs: list[tuple[Path, dict]] = []
        self.now: list[dict] = []
        self.most = 0
        self.stopped = False
        self.shared = False
        self.lock = threading.Lock()

    def run(self, path: Path, environment: dict | None = None) -> int:
        if self.stopped:
            return 1
        environment = environment or {}
        gpu = environment.get("CUDA_VISIBLE_DEVICES")
        with self.lock:
            self.shared |= gpu is not None and any(other.get("CUDA_VISIBLE_DEVICES") == gpu for other in self.now)
            self.runs.append((path, environment))
            self.now.append(environment)
            self.most = max(self.most, len(self.now))
        time.sleep(self.seconds)
        self.now.remove(environment)
        if path.name == "3":
            raise OSError("no such folder")
        return 0

    def stop(self) -> None:
        self.stopped = True


def equipped(engine, processes=None):
    engine._processes = processes or Processes()
    return engine


def test_sequential_runs_one_after_the_other_in_order():
    engine = equipped(Sequential())
    engine.run(FOLDERS[:3])
    assert [path for path, _ in engine._processes.runs] == FOLDERS[:3]
    assert engine._processes.most == 1


def test_joblib_runs_some_at_a_time():
    engine = equipped(Joblib(n_jobs=3))
    engine.run(FOLDERS[:3] + FOLDERS[4:])
    assert sorted(path for path, _ in engine._processes.runs) == FOLDERS[:3] + FOLDERS[4:]
    assert 1 < engine._processes.most <= 3


@pytest.mark.parametrize(("n_jobs", "threads", "each"), [(1, None, 8), (3, None, 2), (16, None, 1), (2, 3, 3)])
def test_joblib_shares_the_cores_out(monkeypatch, n_jobs, threads, each):
    monkeypatch.setattr(joblib, "cpu_count", lambda: 8)
    engine = equipped(Joblib(n_jobs=n_jobs, threads=threads))
    engine.run(FOLDERS[:1])
    ((_, environment),) = engine._processes.runs
    assert environment == {"OMP_NUM_THREADS": str(each), "MKL_NUM_THREADS": str(each)}


def test_joblib_hands_gpus_out_and_takes_them_back():
    engine = equipped(Joblib(n_jobs=2, gpus=[4, 5]))
    engine.run(FOLDERS[:3])
    assert {environment["CUDA_VISIBLE_DEVICES"] for _, environment in engine._processes.runs} == {"4", "5"}
    assert not engine._processes.shared
    assert sorted(engine.gpus) == [4, 5]


def test_joblib_takes_a_gpu_back_from_a_run_that_could_not_be_started():
    engine = equipped(Joblib(n_jobs=1, gpus=[4]))
    with pytest.raises(OSError, match="no such folder"):
        engine.run([FOLDERS[3]])
    assert engine.gpus == [4]


@pytest.mark.parametrize("settings", [{"n_jobs": 0}, {"n_jobs": 3, "gpus": [0, 1]}])
def test_joblib_refuses(settings):
    with pytest.raises(ValueError, match="n_jobs"):
        Joblib(**settings)


@pytest.mark.parametrize("make", [Sequential, Joblib])
def test_stop_starts_no_other(make):
    engine = equipped(make(), Processes(seconds=0.2))
    thread = threading.Thread(target=engine.run, args=(FOLDERS,))
    thread.start()
    time.sleep(0.1)
    engine.stop()
    thread.join()
    assert 1 <= len(engine._processes.runs) <= 2


def test_needs_names_the_extra():
    with pytest.raises(ConfigError, match=r"no_such_package is not installed: pip install 'snn_zo\[no_such_package\]'"):
        needs("no_such_package")


def test_submitit_refuses(tmp_path):
    pytest.importorskip("submitit")
    with pytest.raises(ValueError, match="n_jobs"):
        Submitit("local", 0)
    with pytest.raises(ConfigError, match="Unknown argument 'partitoin'"):
        Submitit("local", 2, slurm_partitoin="gpu").run([tmp_path / "run"])
    with pytest.raises(ConfigError, match="slurm cluster"):
        Submitit("slurm", 2).run([tmp_path / "run"])


class Submitted:
    """Stands in for a job of submitit, which runs until it is cancelled."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def exception(self) -> None:
        assert self.over.wait(10)

    def cancel(self, check: bool) -> None:
        self.over.set()


@pytest.mark.parametrize("cluster", ["local", "slurm"])
def test_submitit_cancels_what_is_submitted_while_it_is_stopped(tmp_path, monkeypatch, cluster):
    pytest.importorskip("submitit")
    engine = Submitit(cluster, 1)

    class Executor:
        def submit(self, *_: object) -> Submitted:
            engine.stop()
            return Submitted()

        def map_array(self, _: object, folders: tuple[str, ...], *__: object) -> list[Submitted]:
            return [self.submit() for _ in folders]

    monkeypatch.setattr(engine, "_executor", lambda folder: Executor())
    engine.run([tmp_path / "a", tmp_path / "b"])
    assert all(job.over.is_set() for job in engine._jobs)
    assert engine._jobs
