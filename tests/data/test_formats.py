"""Every published data set, from files in its original format, through tonic's reader and the store, to a batch."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tonic
from originals import dense, write_aedat4, write_bin, write_idx, write_npy, write_shd

from snn_zo.data.datamodule import EventDataModule
from snn_zo.data.dataset import DataError, EventDataset
from snn_zo.data.neuromorphic import CIFAR10DVS, NCALTECH101, NMNIST, POKERDVS, SHD, SMNIST, SSC, DVSGesture

SIZE = 90


def events(rng: np.random.Generator, width: int, height: int, length_us: int, begin: int = 0) -> np.ndarray:
    """[E, 4] x, y, t in us, p, in order of time; the corners of the sensor are among them."""
    t = np.sort(rng.integers(0, length_us, SIZE))
    t[0] = 0
    x, y = rng.integers(0, width, SIZE), rng.integers(0, height, SIZE)
    x[:2], y[:2] = (0, width - 1), (0, height - 1)
    return np.stack([x, y, t + begin, rng.integers(0, 2, SIZE)], 1)


def nmnist(root: Path, rng: np.random.Generator) -> None:
    for part in ("Train", "Test"):
        for i in range(40):
            write_bin(root / f"NMNIST/{part}/{i % 10}/{99 - i:05}.bin", events(rng, 34, 34, 320_000))


def dvs_gesture(root: Path, rng: np.random.Generator) -> None:
    for part in ("Train", "Test"):
        for user in (29, 3, 10, 7):
            for gesture in range(11):
                x, y, t, p = events(rng, 128, 128, 6_000_000).T
                path = root / f"DVSGesture/ibmGesture{part}/user{user:02}_led/{gesture}.npy"
                write_npy(path, [x.astype(float), y.astype(float), p.astype(float), (t // 1000).astype(float)])


def cifar10_dvs(root: Path, rng: np.random.Generator) -> None:
    for i in range(100):
        name = CIFAR10DVS.folders[i % 10]
        path = root / f"CIFAR10DVS/{name}/cifar10_{name}_{99 - i}.aedat4"
        write_aedat4(path, events(rng, 128, 128, 10**6, 16 * 10**14))


def n_caltech101(root: Path, rng: np.random.Generator) -> None:
    for i in range(505):
        shape = (240, 180) if i % 2 else (150, 97)
        name = NCALTECH101.folders[i % 101]
        moved = events(rng, *shape, 290_000) + (np.array([3, 5, 0, 0]) if i % 2 == 0 else 0)
        write_bin(root / f"NCALTECH101/Caltech101/{name}/image_{i:04}.bin", moved)


def poker_dvs(root: Path, rng: np.random.Generator) -> None:
    for part in ("train", "test"):
        for i in range(20):
            x, y, t, p = events(rng, 35, 35, 9_000, 1_234).T
            write_npy(root / f"POKERDVS/pips_{part}/{POKERDVS.folders[i % 4]}/{i}.npy", [t, x, y, p])


def s_mnist(root: Path, rng: np.random.Generator) -> None:
    for part, size in (("train", 60), ("t10k", 20)):
        images = rng.integers(0, 256, (size, 28, 28)) * (rng.random((size, 28, 28)) < 0.1)
        write_idx(root / f"smnist/{part}-images-idx3-ubyte", images)
        write_idx(root / f"smnist/{part}-labels-idx1-ubyte", np.arange(size) % 10)


def heidelberg(name: str, classes: int, *parts: str) -> Callable[[Path, np.random.Generator], None]:
    def write(root: Path, rng: np.random.Generator) -> None:
        for part in parts:
            times = [np.sort(rng.uniform(0, 1, SIZE)) for _ in range(4 * classes)]
            units = [rng.integers(0, 700, SIZE) for _ in times]
            write_shd(root / f"{name}/{name.lower()}_{part}.h5", times, units, np.arange(4 * classes) // 4)

    return write


SETS: dict[type[EventDataset], Callable[[Path, np.random.Generator], None]] = {
    NMNIST: nmnist,
    SHD: heidelberg("SHD", 20, "train", "test"),
    SSC: heidelberg("SSC", 35, "train", "valid", "test"),
    DVSGesture: dvs_gesture,
    CIFAR10DVS: cifar10_dvs,
    NCALTECH101: n_caltech101,
    POKERDVS: poker_dvs,
    SMNIST: s_mnist,
}


@pytest.fixture(params=SETS, ids=lambda cls: cls.__name__)
def dataset(request, tmp_path) -> Any:
    SETS[request.param](tmp_path, np.random.default_rng(0))
    folders = {"root": str(tmp_path), "cache_dir": str(tmp_path / "cache")}
    return request.param(**folders, val_fraction=0.25, batch_size=16)


def by_tonic(dataset: Any, part: str) -> list[tuple[Any, int]]:
    """(events, label) of each recording, in the order of the files' names."""
    name = type(dataset).__name__
    cls = type(name, (getattr(tonic.datasets, name),), {"_check_exists": lambda _: True})
    source = cls(dataset.root, **dataset.tonic_arguments(part))
    paths = [Path(path) for path in source.data if isinstance(path, str)]
    if name == "POKERDVS":  # keeps the events only, in the order of
        folders = os.walk(Path(source.location_on_system, source.folder_name))
        paths = [Path(folder, file) for folder, _, files in folders for file in sorted(files)]
    order = sorted(range(len(source)), key=lambda i: paths[i].parts if paths else (i,))
    names = {name: label for label, name in enumerate(getattr(dataset, "folders", ()))}
    return [(events, int(names.get(label, label))) for events, label in (source[i] for i in order)]


def require_tonics_events(dataset: Any) -> None:
    """Counts of every pixel and polarity, and of every step, sample by sample."""
    folders = {name: getattr(dataset, name) for name in ("root", "cache_dir", "val_fraction")}
    polarities = {"polarities": "separate"} if hasattr(dataset, "polarities") else {}
    counted = type(dataset)(**folders, **polarities, clip="counts", downsample=1, dt=10.0, steps=700)
    for part in dataset.parts:
        store, expected = counted.store(part), by_tonic(dataset, part)
        assert len(store) == len(expected)
        for sample, (found, label) in enumerate(expected):
            ptr, col = store.events(np.array([sample]))
            t, x = found["t"].astype(np.int64), found["x"].astype(np.int64)
            if type(dataset) in (DVSGesture, CIFAR10DVS, POKERDVS):
                t -= t[0]
            y, p = (found["y"].astype(np.int64), found["p"].astype(np.int64)) if polarities else (0, 0)
            pixel = (p * counted.height + y) * counted.width + x
            assert store.label[sample] == label
            assert len(col) == len(found)
            np.testing.assert_array_equal(np.sort(col), np.sort(pixel))
            np.testing.assert_array_equal(np.diff(ptr), np.bincount(t // 10_000, minlength=700))


def test_format_equals_tonics_reader(dataset):
    require_tonics_events(dataset)


@pytest.mark.realdata
@pytest.mark.parametrize(("cls", "folder"), [(NMNIST, ""), (SHD, "SHD_FSDD")], ids=["NMNIST", "SHD"])
def test_real_recordings_equal_tonics_reader(tmp_path, cls, folder):
    root = Path(os.environ.get("SNN_ZO_DATA", "/nowhere")).expanduser() / folder
    if not (root / cls.__name__).is_dir():
        pytest.skip(f"SNN_ZO_DATA names no folder that holds {Path(folder, cls.__name__)}")
    require_tonics_events(cls(root=str(root), cache_dir=str(tmp_path), val_fraction=0.1))


def test_format_to_a_batch(dataset):
    """At the data set's own settings, every split, and every recording in one split only."""
    data = EventDataModule(dataset, seed=0)
    seen: dict[str, list[int]] = {}
    for loader, subset in zip(("train", "val", "test"), data.splits, strict=True):
        for batch in getattr(data, f"{loader}_dataloader")():
            assert batch.spikes.shape == (len(batch.label), dataset.steps, dataset.features)
            assert (batch.spikes.count().sum(1) > 0).all()
            seen.setdefault(str(subset.store.path), []).extend(batch.sample.tolist())
    assert len(seen) == len(dataset.parts)
    assert all(sorted(samples) == list(range(len(samples))) for samples in seen.values())
    classes = {int(label) for subset in data.splits for label in subset.store.label}
    assert classes == set(range(dataset.classes))


def test_class_names(dataset):
    names = [dataset.class_name(label) for label in range(dataset.classes)]
    assert len(set(names)) == dataset.classes


@pytest.mark.parametrize("cls", SETS, ids=lambda cls: cls.__name__)
def test_missing_files_are_one_line(tmp_path, cls, monkeypatch):
    def urlopen(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(tonic.download_utils.urllib.request, "urlopen", urlopen)
    with pytest.raises(DataError) as error:
        cls(root=str(tmp_path / "no"), cache_dir=str(tmp_path / "cache"), val_fraction=0.1).splits()
    assert str(tmp_path / "no") in str(error.value)
    assert "data.root" in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "no").exists()


DAMAGED = {
    CIFAR10DVS: ("CIFAR10DVS/cat/cifar10_cat_*.aedat4", b"#!AER-DAT4.0\r\n123"),
    DVSGesture: ("DVSGesture/ibmGestureTrain/user03_led/4.npy", b"\x93NUMPY"),
    POKERDVS: ("POKERDVS/pips_train/he/*.npy", b""),
    NCALTECH101: ("NCALTECH101/Caltech101/ant/*.bin", b"12"),
    SSC: ("SSC/ssc_train.h5", b"<html>"),
    SMNIST: ("smnist/train-images-idx3-ubyte", b"\0\0\10\3"),
}


@pytest.mark.parametrize("cls", DAMAGED, ids=lambda cls: cls.__name__)
def test_damaged_file_is_named(tmp_path, cls):
    SETS[cls](tmp_path, np.random.default_rng(0))
    pattern, content = DAMAGED[cls]
    path = sorted(tmp_path.glob(pattern))[0]
    path.write_bytes(content)
    dataset = cls(root=str(tmp_path), cache_dir=str(tmp_path / "cache"), val_fraction=0.1)
    with pytest.raises(DataError, match="remove or replace it") as error:
        dataset.splits()
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_counts_and_downsampling_keep_every_event(tmp_path):
    dvs_gesture(tmp_path, np.random.default_rng(0))
    folders = {"root": str(tmp_path), "cache_dir": str(tmp_path / "cache")}
    store = DVSGesture(**folders, clip="counts", downsample=5).store("test")
    assert store.features == 2 * 26 * 26
    np.testing.assert_array_equal(dense(store).sum((1, 2)), SIZE)
