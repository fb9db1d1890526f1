"""Every published data set, from files in its original format, through tonic's reader and the store, to a batch."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tonic

from snn_zo.data.datamodule import EventDataModule
from snn_zo.data.dataset import EventDataset, SeededSplit
from snn_zo.data.errors import DataError
from snn_zo.data.neuromorphic import CIFAR10DVS, NCALTECH101, NMNIST, POKERDVS, SHD, SMNIST, SSC, DVSGesture
from snn_zo.data.published import FilePerRecording
from snn_zo.target import Classes
from tests.data.originals import dense, write_aedat4, write_bin, write_idx, write_npy, write_shd

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
            assert store.target[sample] == label
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
            assert batch.spikes.features == dataset.in_shape
            assert batch.spikes.shape == (len(batch.target), dataset.steps, dataset.inputs)
            assert (batch.spikes.count().sum(1) > 0).all()
            seen.setdefault(str(subset.store.path), []).extend(batch.sample.tolist())
    assert len(seen) == len(dataset.parts)
    assert all(sorted(samples) == list(range(len(samples))) for samples in seen.values())
    assert len(dataset.in_shape) == (1 if dataset.height == 1 else 3)
    assert dataset.target == Classes(dataset.classes)
    classes = {int(label) for subset in data.splits for label in subset.store.target}
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
    assert store.inputs == 2 * 26 * 26
    np.testing.assert_array_equal(dense(store).sum((1, 2)), SIZE)


DTYPES = ["<f2", "<f4", ">f8", "<i8", "<i4", ">i4", "<u4", "<i2", ">i2", "<u2", "<u8", ">u8", np.longdouble]


def write_card(root: Path, dtype: object = np.int64, row: int = 0, **values: Any) -> Path:
    """A recording of POKER-DVS whose row number `row` holds these values."""
    columns = dict(zip("txyp", [np.arange(30), np.arange(30), np.arange(30) // 2, np.arange(30) % 2], strict=True))
    path = root / "POKERDVS/pips_train/cl/1.npy"
    table = [column.astype(dtype) for column in columns.values()]
    for name, value in values.items():
        table["txyp".index(name)][row] = value
    write_npy(path, table)
    return path


def poker(root: Path) -> POKERDVS:
    return POKERDVS(root=str(root), cache_dir=str(root / "cache"), dt=0.001, steps=40)


@pytest.mark.parametrize("dtype", DTYPES)
def test_poker_dvs_of_any_type(tmp_path, dtype):
    write_card(tmp_path, dtype)
    store = poker(tmp_path).store("train")
    pixel = np.arange(30) // 2 * 35 + np.arange(30) + np.arange(30) % 2 * 35**2
    assert store.col.tolist() == pixel.tolist()
    assert store.length[0].tolist() == [1] * 30 + [0] * 10


@pytest.mark.parametrize("dtype", DTYPES)
def test_dvs_gesture_of_any_type(tmp_path, dtype):
    """Times in ms, whose microseconds the type does not hold."""
    t = np.array([0, 1, 100, 2000])
    path = tmp_path / "DVSGesture/ibmGestureTrain/user01_led/0.npy"
    write_npy(path, [column.astype(dtype) for column in (t % 128, t % 127, t % 2, t)])
    dataset = DVSGesture(root=str(tmp_path), cache_dir=str(tmp_path / "cache"))
    recordings = dataset.recordings("train", dataset.listing("train"))
    assert recordings.t.tolist() == [0, 1000, 100_000, 2_000_000]
    assert recordings.x.tolist() == (t % 128).tolist()


@pytest.mark.parametrize("column", "txyp")
@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        *((value, "f8") for value in (np.nan, np.inf, -np.inf, -1, -1e30, 1e30, 2.0**63, -(2.0**63), -(2**32) + 3)),
        *((value, "i8") for value in (2**62, -(2**63), 2**32 + 2, 2**16 + 2, -(2**16) + 2)),
        *((2**64 - 1, dtype) for dtype in ("<u8", ">u8")),
        *((value, "f4") for value in (np.nan, -0.5, 1e9)),
        (np.inf, "f2"),
    ],
)
def test_poker_dvs_of_numbers_that_cannot_be(tmp_path, column, value, dtype):
    path = write_card(tmp_path, dtype, row=5, **{column: value})
    with pytest.raises(DataError) as error:
        poker(tmp_path).store("train")
    assert str(error.value).startswith(f"{path} ")
    assert "remove or replace it" in str(error.value)


@pytest.mark.parametrize("column", "xyp")
def test_poker_dvs_of_half_a_pixel(tmp_path, column):
    write_card(tmp_path, "f4", row=5, **{column: 0.5})
    with pytest.raises(DataError, match=rf"column {column} holds 0\.5, which is no whole number"):
        poker(tmp_path).store("train")


def test_poker_dvs_of_times_that_wrap_around(tmp_path):
    """The last minus the first is 1 in 64 bits."""
    path = write_card(tmp_path, t=2**63 - 1)
    np.save(path, np.array([[2**63 - 1, 1, 1, 1], [-(2**63), 2, 2, 0]]))
    with pytest.raises(DataError, match="column t holds -9223372036854775808, which is too large"):
        poker(tmp_path).store("train")


NO_EVENTS = {
    "object": np.zeros((30, 4), object),
    "complex": np.zeros((30, 4), "c8"),
    "dates": np.zeros((30, 4), "M8[us]"),
    "words": np.zeros((30, 4), "U3"),
    "structured": np.zeros(30, [(name, int) for name in "txyp"]),
    "scalar": np.zeros(()),
    "columns": np.zeros((4, 30)),
    "three dimensions": np.zeros((3, 3, 4)),
    "no rows": np.zeros((0, 4)),
    "zeros": np.zeros((99, 4)),
}


@pytest.mark.parametrize("table", NO_EVENTS)
def test_poker_dvs_of_arrays_without_events(tmp_path, table):
    path = write_card(tmp_path)
    np.save(path, NO_EVENTS[table], allow_pickle=True)
    with pytest.raises(DataError) as error:
        poker(tmp_path).store("train")
    assert str(error.value).startswith(f"{path} ")
    assert "trust" not in str(error.value)
    assert "pickle" not in str(error.value)


@pytest.mark.parametrize(
    "header",
    [
        *(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({rows}, 4)}}" for rows in (10**11, 2**62, 10**30, -1)),
        "{'descr': 'V1000000000', 'fortran_order': False, 'shape': (0, 4)}",
        *("-" * 9000 + "1", "{" * 3000, " " * 60_000, ""),
    ],
    ids=range(9),
)
def test_poker_dvs_of_headers_that_promise_too_much(tmp_path, header):
    path = write_card(tmp_path)
    path.write_bytes(b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header.encode() + bytes(64))
    with pytest.raises(DataError) as error:
        poker(tmp_path).store("train")
    assert str(error.value).startswith(f"{path} cannot be read (")
    assert "trust" not in str(error.value)


@pytest.mark.parametrize("axis", "xyt")
@pytest.mark.parametrize("value", [-1, -(2**15), 2**15 - 1])
def test_cifar10_dvs_of_numbers_that_cannot_be(tmp_path, axis, value):
    recording = events(np.random.default_rng(0), 128, 128, 10**6, 10**15)
    recording[5, "xyt".index(axis)] = value
    path = tmp_path / "CIFAR10DVS/cat/1.aedat4"
    write_aedat4(path, recording)
    with pytest.raises(DataError) as error:
        CIFAR10DVS(root=str(tmp_path), cache_dir=str(tmp_path / "cache")).store("all")
    assert str(error.value).startswith(f"{path} ")


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _circle(path: Path) -> None:
    path.symlink_to(path.name)


def _nothing(path: Path) -> None:
    path.symlink_to("nothing")


def _huge(path: Path) -> None:
    """Of 5 TB that take up no room."""
    path.touch()
    os.truncate(path, 5 * 10**12)


ONE_FILE = {
    CIFAR10DVS: "CIFAR10DVS/cat/1.aedat4",
    DVSGesture: "DVSGesture/ibmGestureTrain/user03_led/4.npy",
    NCALTECH101: "NCALTECH101/Caltech101/ant/1.bin",
    POKERDVS: "POKERDVS/pips_train/he/1.npy",
    SSC: "SSC/ssc_train.h5",
    SMNIST: "smnist/train-images-idx3-ubyte",
}


def one_file(root: Path, cls: Any) -> tuple[Path, Any]:
    """Where the only recording of a data set belongs, and the data set."""
    path = root / ONE_FILE[cls]
    path.parent.mkdir(parents=True)
    if cls is SMNIST:
        write_idx(path.with_name("train-labels-idx1-ubyte"), np.zeros(3))
    return path, cls(root=str(root), cache_dir=str(root / "cache"), val_fraction=0.1)


@pytest.mark.parametrize("make", [_pipe, _device, _circle, _nothing, _huge])
@pytest.mark.parametrize("cls", ONE_FILE, ids=lambda cls: cls.__name__)
def test_what_is_no_file_is_named(tmp_path, cls, make):
    path, dataset = one_file(tmp_path, cls)
    make(path)
    with pytest.raises(DataError) as error:
        dataset.store(cls.parts[0])
    assert str(error.value).startswith(f"{path} ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("cls", ONE_FILE, ids=lambda cls: cls.__name__)
def test_file_that_may_not_be_read(tmp_path, cls, monkeypatch):
    path, dataset = one_file(tmp_path, cls)
    path.write_bytes(b"content")
    opened = os.open

    def refuse(name, *arguments, **options):
        if Path(name) == path:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(name, *arguments, **options)

    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(DataError, match=r"cannot be read: permission denied; .*chmod") as error:
        dataset.store(cls.parts[0])
    assert str(error.value).startswith(f"{path} ")
    assert "remove" not in str(error.value)


def test_s_mnist_of_a_size_that_it_does_not_have(tmp_path):
    s_mnist(tmp_path, np.random.default_rng(0))
    path = tmp_path / "smnist/train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:4] + (6_700_000).to_bytes(4, "big") + path.read_bytes()[8:])
    with pytest.raises(DataError, match="6700000 x 28 x 28 bytes are more than there can be"):
        SMNIST(root=str(tmp_path), cache_dir=str(tmp_path / "cache")).store("train")


@dataclass(frozen=True, kw_only=True)
class Cards(FilePerRecording, SeededSplit):
    """A user's own."""

    dt: float = 0.001
    steps: int = 40
    batch_size: int = 4
    val_fraction: float = 0.2

    height = width = 35
    folders = ("cl", "he")
    layout = {"all": "cards/*/*.npy"}  # noqa: RUF012

    def read(self, path: Path) -> Any:
        return np.load(path)


def cards(root: Path, **columns: Any) -> Cards:
    path = root / "cards/he/1.npy"
    path.parent.mkdir(parents=True)
    table = np.zeros(3, [(name, np.asarray(values).dtype) for name, values in columns.items()])
    for name, values in columns.items():
        table[name] = values
    np.save(path, table)
    return Cards(root=str(root), cache_dir=str(root / "cache"))


def test_own_files_that_are_missing(tmp_path):
    """Tonic has no such data set."""
    with pytest.raises(DataError) as error:
        Cards(root=str(tmp_path), cache_dir=str(tmp_path / "cache")).splits()
    cure = "put them there, or set data.root to the folder that holds cards"
    assert str(error.value) == f"no Cards recordings in {tmp_path}/cards/*/*.npy: {cure}"


def test_own_files_of_other_types(tmp_path):
    store = cards(tmp_path, t=[0.0, 1.5, 2.0], x=np.array([3, 4, 5], ">u2"), y=np.zeros(3, np.float16)).store("all")
    assert store.col.tolist() == [3, 4, 5]
    assert store.length[0, :3].tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"t": [0, 1, 2], "x": [1.0, np.nan, 2]}, "column x holds nan, which is no finite number"),
        ({"t": [0, np.inf, 2], "x": [1, 2, 3]}, "column t holds inf, which is no finite number"),
        ({"time": [0, 1, 2], "x": [1, 2, 3]}, "there is no column t among"),
        ({"t": [0, 1, 2], "x": [1, 2, 2**32 + 3]}, "holds an event outside the 35 x 35 sensor"),
        ({"t": [0, 1, 2], "x": [1, 2, 3], "p": [0, 1, 257]}, "holds a polarity that is neither 0 nor 1"),
    ],
)
def test_own_files_of_numbers_that_cannot_be(tmp_path, columns, said):
    with pytest.raises(DataError, match=said) as error:
        cards(tmp_path, **columns).store("all")
    assert str(error.value).startswith(f"{tmp_path}/cards/he/1.npy ")


def test_n_caltech101_outside_the_sensor_is_refused(tmp_path):
    """Images do not begin at the sensor's edge, but moving them there hides nothing."""
    rng = np.random.default_rng(0)
    n_caltech101(tmp_path, rng)
    path = tmp_path / "NCALTECH101/Caltech101" / NCALTECH101.folders[7] / "image_0007.bin"
    write_bin(path, events(rng, 40, 97, 290_000) + np.array([205, 5, 0, 0]))
    with pytest.raises(DataError, match=rf"{path} holds an event outside the 240 x 180 sensor"):
        NCALTECH101(root=str(tmp_path), cache_dir=str(tmp_path / "cache")).store("all")
