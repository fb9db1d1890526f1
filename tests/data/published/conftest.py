import os
import urllib.error
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tonic

from snn_zo.data.neuromorphic import NMNIST, SHD
from tests.data.originals import write_bin, write_shd
from tests.data.published.recorded import Folder, random_events


@pytest.fixture(autouse=True)
def requests(monkeypatch) -> list[str]:
    """URLs that were asked for; nothing goes to the network."""
    asked: list[str] = []

    def urlopen(request, *_, **__):
        asked.append(request.full_url)
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(tonic.download_utils.urllib.request, "urlopen", urlopen)
    return asked


@pytest.fixture
def nmnist(tmp_path: Path) -> Callable[..., NMNIST]:
    def dataset(**settings: object) -> NMNIST:
        folders = {"root": str(tmp_path), "cache_dir": str(tmp_path / "cache")}
        return NMNIST(**folders | {"val_fraction": 0.25} | settings)

    return dataset


@pytest.fixture
def shd(tmp_path: Path) -> Callable[..., SHD]:
    def dataset(**settings: object) -> SHD:
        folders = {"root": str(tmp_path), "cache_dir": str(tmp_path / "cache")}
        return SHD(**folders | {"val_fraction": 0.5, "validation": "stratified"} | settings)

    return dataset


@pytest.fixture
def digits(tmp_path: Path) -> dict[str, Folder]:
    """Four training and two test recordings a digit, written in another order than that of their names."""
    rng = np.random.default_rng(0)
    parts = {}
    for part, names in (("Train", ["00002", "00010", "00100", "01000"]), ("Test", ["00001", "00003"])):
        files = {f"NMNIST/{part}/{digit}/{name}.bin": random_events(rng, 50) for digit in range(10) for name in names}
        for path in rng.permutation(list(files)):
            write_bin(tmp_path / path, files[path])
        parts[part] = files
    return parts


@pytest.fixture
def spoken(tmp_path: Path) -> dict[str, tuple[list[np.ndarray], list[np.ndarray], np.ndarray]]:
    """Four training and two test recordings a word, of two speakers in turn."""
    rng = np.random.default_rng(0)
    parts = {}
    for part, size in (("train", 80), ("test", 40)):
        length = rng.integers(20, 60, size)
        times = [np.sort(rng.uniform(0, 1.4, count)).astype(np.float16) for count in length]
        units = [rng.integers(0, 700, count) for count in length]
        parts[part] = times, units, rng.permutation(np.arange(size) % 20)
        write_shd(tmp_path / "SHD" / f"shd_{part}.h5", *parts[part])
    return parts


@pytest.fixture
def published() -> Path:
    folder = Path(os.environ.get("SNN_ZO_DATA", "/nowhere")).expanduser()
    if not (folder / "NMNIST").is_dir():
        pytest.skip("SNN_ZO_DATA names no folder that holds NMNIST/")
    return folder
