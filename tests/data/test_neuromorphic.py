import hashlib
import io
import os
import shutil
import types
import urllib.error
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import tonic

from snn_zo.data.errors import DataError
from snn_zo.data.neuromorphic import NMNIST, SHD
from snn_zo.data.published import gather
from tests.data.originals import assert_equal, dense, events_of, write_bin, write_shd

Folder = dict[str, np.ndarray]
"""Events [E, 4] of x, y, t in us and p by file, in the order that the files are to be read."""


def random_events(rng: np.random.Generator, size: int) -> np.ndarray:
    """Events in order of time, many of them alike, some on the edge of a step and some after the last one."""
    t = np.sort(np.concatenate([rng.integers(0, 330_000, size), rng.integers(0, 40, size) * 3000, [0, 2**23 - 1]]))
    return np.stack([*rng.integers(0, 34, (2, len(t))), t, rng.integers(0, 2, len(t))], 1)


def message(error: pytest.ExceptionInfo) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


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


@pytest.mark.parametrize("polarities", ["merged", "separate"])
@pytest.mark.parametrize(("dt", "steps"), [(3.0, 100), (7.5, 20), (5.0, 70)])
def test_nmnist_equals_a_loop_over_events(nmnist, digits, polarities, dt, steps):
    dataset = nmnist(dt=dt, steps=steps, polarities=polarities)
    assert dataset.inputs == (1156 if polarities == "merged" else 2312)
    for part, files in digits.items():
        expected = np.zeros((len(files), steps, dataset.inputs), np.float32)
        for sample, events in enumerate(files.values()):
            for x, y, t, p in events.tolist():
                step = t // round(1000 * dt)
                if step < steps:
                    plane = 0 if polarities == "merged" else p
                    expected[sample, step, (plane * 34 + y) * 34 + x] = 1
        np.testing.assert_array_equal(dense(dataset.store(part.lower())), expected)


def test_nmnist_recordings_are_the_events(nmnist, digits):
    piece = nmnist().recordings("test", nmnist().listing("test"))
    events = list(digits["Test"].values())
    np.testing.assert_array_equal(piece.sample, np.repeat(np.arange(20), [len(rows) for rows in events]))
    x, y, t, p = np.concatenate(events).T
    for found, expected in zip(piece[1:5], (t, x, y, p), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert piece.height == piece.width == 34


def test_nmnist_files_are_in_order_of_digit_and_name(nmnist, tmp_path):
    names = ["1/10", "1/9", "1/a", "3/00001", "3/2"]
    for pixel in (3, 0, 4, 2, 1):
        write_bin(tmp_path / f"NMNIST/Test/{names[pixel]}.bin", [(pixel, 0, 0, 0)])
    store = nmnist().store("test")
    assert store.target.tolist() == [1, 1, 1, 3, 3]
    assert store.col.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("dt", [3.0, 5.0, 0.5, 1.1, 0.1])
def test_nmnist_at_the_edges_of_steps(nmnist, tmp_path, dt):
    """The first and the last microsecond of each of 60 steps."""
    width = round(1000 * dt)
    first = np.arange(60) * width
    for pixel, t in enumerate((first, first + width - 1)):
        write_bin(tmp_path / f"NMNIST/Train/{pixel}/1.bin", [(pixel, 0, one, 0) for one in t])
    spikes = dense(nmnist(dt=dt, steps=60).store("train"))
    for pixel in range(2):
        assert spikes[pixel, :, pixel].tolist() == [1] * 60
        assert spikes[pixel].sum() == 60


def test_nmnist_overflow_events_advance_the_clock(nmnist, tmp_path):
    """An event of row 240 is none, and those after it are 2 ** 13 us later than they say."""
    events = [(1, 0, 100, 0), (0, 240, 0, 0), (2, 0, 100, 1), (3, 0, 900, 1), (0, 240, 0, 0), (4, 0, 0, 0)]
    write_bin(tmp_path / "NMNIST/Train/7/1.bin", np.array(events))
    store = nmnist(dt=1.0, steps=20).store("train")
    assert store.target.tolist() == [7]
    assert events_of(store, 0).tolist() == [0 * 1156 + 1, 8 * 1156 + 2, 9 * 1156 + 3, 16 * 1156 + 4]


def test_nmnist_splits(nmnist, digits):
    train, val, test = nmnist().splits()
    assert [len(train.sample), len(val.sample), len(test.sample)] == [30, 10, 20]
    np.testing.assert_array_equal(np.sort(np.concatenate([train.sample, val.sample])), np.arange(40))
    assert sorted(val.store.target[val.sample]) == list(range(10))
    np.testing.assert_array_equal(test.sample, np.arange(20))
    np.testing.assert_array_equal(test.store.target, np.repeat(np.arange(10), 2))
    assert not np.array_equal(nmnist(split_seed=1).splits().val.sample, val.sample)


def test_nmnist_does_not_depend_on_the_chunks(nmnist, digits, monkeypatch, tmp_path):
    whole = nmnist().store("train")
    monkeypatch.setattr(NMNIST, "chunk", 7)
    assert_equal(nmnist(cache_dir=str(tmp_path / "other")).store("train"), whole)


def test_nmnist_ignores_other_files(nmnist, digits, tmp_path):
    before = nmnist().cache_file("train")
    (tmp_path / "NMNIST/Train/3/readme.txt").write_text("not a recording")
    (tmp_path / "NMNIST/train.zip").touch()
    assert nmnist().cache_file("train") == before
    assert len(nmnist().store("train").target) == 40


def test_nmnist_cache_file_names_what_shaped_it(nmnist, digits, tmp_path):
    first = nmnist().cache_file("train")
    assert nmnist(batch_size=9, val_fraction=0.5, split_seed=3).cache_file("train") == first
    names = {nmnist(**change).cache_file("train") for change in ({"dt": 1.0}, {"steps": 9}, {"polarities": "separate"})}
    names |= {first, nmnist().cache_file("test")}
    write_bin(tmp_path / "NMNIST/Train/3/00010.bin", [(1, 1, 1, 1)])
    names.add(nmnist().cache_file("train"))
    write_bin(tmp_path / "NMNIST/Train/3/00011.bin", [(1, 1, 1, 1)])
    names.add(nmnist().cache_file("train"))
    assert len(names) == 7
    assert len(nmnist().store("train").target) == 41


def test_nmnist_root_may_begin_with_a_tilde(nmnist, digits, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(nmnist(root="~").store("test").target) == 20


def test_polarities_that_cannot_be(nmnist):
    with pytest.raises(ValueError, match=r"^polarities must be one of separate, merged, got 'on'"):
        nmnist(polarities="on")


@pytest.mark.parametrize("cls", [NMNIST, SHD])
@pytest.mark.parametrize("root", ["", "nowhere", "no/where"])
def test_missing_recordings(tmp_path, requests, cls, root):
    with pytest.raises(DataError) as error:
        cls(root=str(tmp_path / root), cache_dir=str(tmp_path / "cache")).splits()
    assert str(tmp_path / root / cls.__name__) in message(error)
    assert "data.root" in message(error)
    assert len(requests) == 1
    assert tree(tmp_path) == []


@pytest.mark.parametrize("cls", [NMNIST, SHD])
def test_missing_recordings_below_a_file(tmp_path, cls):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DataError) as error:
        cls(root=str(tmp_path / "file"), cache_dir=str(tmp_path / "cache")).splits()
    message(error)
    assert tree(tmp_path) == ["file"]


@pytest.mark.parametrize("cls", [NMNIST, SHD])
def test_download_that_breaks_off(tmp_path, monkeypatch, cls):
    """The address is answered, the file is not."""

    class Head(types.SimpleNamespace):
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    def urlopen(request, *_, **__):
        if "Method" in request.headers:
            return Head(url=request.full_url)
        raise urllib.error.URLError("connection reset")

    monkeypatch.setattr(tonic.download_utils.urllib.request, "urlopen", urlopen)
    with pytest.raises(DataError, match="connection reset") as error:
        cls(root=str(tmp_path), cache_dir=str(tmp_path / "cache")).splits()
    message(error)
    assert tree(tmp_path) == []


@pytest.fixture
def archives(spoken, tmp_path, monkeypatch) -> list[str]:
    """The files of `spoken` in archives behind tonic's addresses, no longer on the disk; lists what is asked for."""
    packed, asked = {}, []
    for part in ("train", "test"):
        name = f"shd_{part}.h5"
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.write(tmp_path / "SHD" / name, name)
        packed[f"{name}.zip"] = content.getvalue()
        monkeypatch.setattr(tonic.datasets.SHD, f"{part}_md5", hashlib.md5(content.getvalue()).hexdigest())
    shutil.rmtree(tmp_path / "SHD")

    def urlopen(request, timeout):
        asked.append(request.full_url.rsplit("/", 1)[1])
        return io.BytesIO(packed[asked[-1]])

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    return asked


def test_shd_is_downloaded_once(shd, archives, spoken, tmp_path):
    for _ in range(2):
        np.testing.assert_array_equal(shd().splits().test.store.target, spoken["test"][2])
    assert archives == ["shd_train.h5.zip", "shd_test.h5.zip"]
    names = [f"SHD/shd_{part}.h5{suffix}" for part in ("test", "train") for suffix in ("", ".zip")]
    assert [name for name in tree(tmp_path) if not name.startswith("cache")] == ["SHD", *names]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_shd_download_that_ends_while_it_is_unpacked(shd, archives, tmp_path, monkeypatch, failure):
    """What has been unpacked so far is not taken for the data set."""

    def extract(archive, folder, *_):
        Path(folder, "shd_train.h5").write_bytes(b"the first bytes")
        raise failure

    monkeypatch.setattr(tonic.download_utils, "extract_archive", extract)
    with pytest.raises((DataError, KeyboardInterrupt)):
        shd(root=str(tmp_path / "data")).splits()
    assert tree(tmp_path) == []


def test_nmnist_without_test_recordings(nmnist, digits, tmp_path):
    for path in digits["Test"]:
        (tmp_path / path).unlink()
    before = tree(tmp_path)
    with pytest.raises(DataError) as error:
        nmnist().splits()
    assert str(tmp_path / "NMNIST") in message(error)
    assert [path for path in tree(tmp_path) if not path.startswith("cache")] == before


@pytest.mark.parametrize(("events", "missing"), [(50, 1), (50, 2), (50, 3), (50, 4), (2, 1)])
def test_nmnist_of_a_recording_cut_short(nmnist, digits, tmp_path, events, missing):
    path = tmp_path / "NMNIST/Train/4/00010.bin"
    write_bin(path, random_events(np.random.default_rng(1), 50)[:events])
    path.write_bytes(path.read_bytes()[:-missing])
    with pytest.raises(DataError) as error:
        nmnist().splits()
    assert str(path) in message(error)


def test_nmnist_of_a_recording_of_no_bytes(nmnist, digits, tmp_path):
    path = tmp_path / "NMNIST/Train/4/00010.bin"
    path.write_bytes(b"")
    with pytest.raises(DataError) as error:
        nmnist().splits()
    assert str(path) in message(error)


@pytest.mark.parametrize("pixel", [(34, 0), (0, 34), (33, 255)])
def test_nmnist_of_pixels_outside_the_sensor(nmnist, digits, tmp_path, pixel):
    path = tmp_path / "NMNIST/Train/4/00010.bin"
    write_bin(path, [(*pixel, 1000, 0)])
    with pytest.raises(DataError) as error:
        nmnist().splits()
    assert str(path) in message(error)


def test_nmnist_of_a_recording_filled_with_zeros(nmnist, digits, tmp_path):
    path = tmp_path / "NMNIST/Train/4/00010.bin"
    path.write_bytes(bytes(5 * 100))
    with pytest.raises(DataError, match="as a file filled with zeros does") as error:
        nmnist().splits()
    assert str(path) in message(error)


def test_nmnist_of_a_recording_that_is_all_overflow(nmnist, digits, tmp_path):
    """Half a million of them: the time to read them does not grow with their square."""
    path = tmp_path / "NMNIST/Train/4/00010.bin"
    path.write_bytes(b"\xf0" * 5 * 500_000)
    with pytest.raises(DataError, match="holds no events") as error:
        nmnist().splits()
    assert str(path) in message(error)


def test_nmnist_says_what_is_left_out(nmnist, digits, tmp_path, caplog):
    for name in ("Train/3/1.BIN", "train/3/1.bin", "Train/3/notes.txt", "Test/3/1.BIN", "Train.zip"):
        write_bin(tmp_path / "NMNIST" / name, [(1, 1, 1, 1)])
    assert len(nmnist().store("train").target) == 40
    said = [record.message for record in caplog.records if "left out" in record.message]
    first = tmp_path / "NMNIST/Train/3/1.BIN"
    assert said == [f"3 files left out for not fitting {tmp_path}/NMNIST/Train/*/*.bin; the first: {first}"]


def test_nmnist_of_a_near_miss_is_not_downloaded(nmnist, digits, tmp_path, requests):
    (tmp_path / "NMNIST/Train").rename(tmp_path / "NMNIST/train")
    with pytest.raises(DataError) as error:
        nmnist().splits()
    near = f"{tmp_path}/NMNIST/train holds 40 .bin files: the folder must be called Train"
    assert message(error) == f"no NMNIST recordings in {tmp_path}/NMNIST/Train/*/*.bin: {near}"
    assert requests == []


def test_nmnist_of_a_folder_that_cannot_be_listed(nmnist, digits, tmp_path, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "4":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(DataError, match=r"/4 cannot be read: permission denied; .*chmod") as error:
        nmnist().splits()
    assert "remove" not in message(error)


@pytest.mark.parametrize("name", ["backup", "10"])
def test_nmnist_of_folders_that_are_no_digit(nmnist, digits, tmp_path, name):
    write_bin(tmp_path / f"NMNIST/Train/{name}/1.bin", [(1, 1, 1, 1)])
    with pytest.raises(DataError) as error:
        nmnist().splits()
    assert str(tmp_path / "NMNIST/Train" / name) in message(error)


@pytest.mark.parametrize(("dt", "steps"), [(2.0, 500), (10.0, 140), (2.5, 100)])
def test_shd_equals_a_loop_over_spikes(shd, spoken, dt, steps):
    dataset = shd(dt=dt, steps=steps)
    assert dataset.inputs == 700
    for part, (times, units, label) in spoken.items():
        store = dataset.store(part)
        for sample, (seconds, channels) in enumerate(zip(times, units, strict=True)):
            expected = set()
            for t, unit in zip(seconds.astype(np.float64), channels.tolist(), strict=True):
                step = int(t * 1e6 // (1000 * dt))
                if step < steps:
                    expected.add(step * 700 + unit)
            assert events_of(store, sample).tolist() == sorted(expected)
        np.testing.assert_array_equal(store.target, label)
        assert store.target.dtype == np.int64


def test_shd_splits(shd, spoken):
    train, val, test = shd().splits()
    assert [len(train.sample), len(val.sample), len(test.sample)] == [40, 40, 40]
    np.testing.assert_array_equal(np.sort(np.concatenate([train.sample, val.sample])), np.arange(80))
    assert np.bincount(val.store.target[val.sample]).tolist() == [2] * 20
    np.testing.assert_array_equal(test.store.target, spoken["test"][2])


def test_shd_cache_file_of_a_replaced_file(shd, spoken, tmp_path):
    names = {shd(**change).cache_file("train") for change in ({}, {"dt": 4.0}, {"steps": 9})} | {
        shd().cache_file("test")
    }
    times, units, label = spoken["train"]
    write_shd(tmp_path / "SHD/shd_train.h5", times * 2, units * 2, np.tile(label, 2))
    names.add(shd().cache_file("train"))
    assert len(names) == 5
    assert len(shd().store("train").target) == 160


def test_shd_is_read_without_the_archive(shd, spoken, tmp_path, requests):
    for path in (tmp_path / "SHD").glob("*.zip"):
        path.unlink()
    assert len(shd().splits().test.sample) == 40
    assert requests == []


@pytest.mark.parametrize("archive", [True, False])
def test_shd_without_test_recordings(shd, spoken, tmp_path, archive):
    (tmp_path / "SHD/shd_test.h5").unlink()
    if not archive:
        (tmp_path / "SHD/shd_test.h5.zip").unlink()
    before = tree(tmp_path)
    with pytest.raises(DataError) as error:
        shd().splits()
    assert str(tmp_path / "SHD") in message(error)
    assert [path for path in tree(tmp_path) if not path.startswith("cache")] == before


def test_shd_download_that_broke_off_is_tried_again(shd, spoken, tmp_path, requests):
    (tmp_path / "SHD/shd_test.h5").unlink()
    (tmp_path / "SHD/shd_test.h5.zip").write_bytes(b"PK\3\4 the first bytes")
    with pytest.raises(DataError, match="no network"):
        shd().splits()
    assert len(requests) == 1


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def _change(*without: str, **values: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with h5py.File(path, "a") as file:
            for name in (*without, *values):
                del file[name]
            for name, value in values.items():
                file[name] = value

    return change


def _spikes(times: list[list[float]], units: list[list[int]], label: list[int]) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        write_shd(path, *([np.array(row) for row in rows] for rows in (times, units)), np.array(label))

    return change


def _list(name: str, dtype: object, *row: float) -> Callable[[Path], None]:
    """One of the two lists of each recording, in another type."""

    def change(path: Path) -> None:
        with h5py.File(path, "a") as file:
            rows = len(file[name])
            del file[name]
            column = file.create_dataset(name, (rows,), h5py.vlen_dtype(np.dtype(dtype)))
            for i in range(rows):
                column[i] = np.array(row, dtype)

    return change


def _link(name: str, to: object) -> Callable[[Path], None]:
    """A link in place of a data set, to a file that holds the same."""

    def change(path: Path) -> None:
        path.with_name("other.h5").write_bytes(path.read_bytes())
        with h5py.File(path, "a") as file:
            file.move(name, "moved")
            file[name] = to

    return change


def _external(path: Path) -> None:
    path.with_name("labels").write_bytes(bytes(80))
    with h5py.File(path, "a") as file:
        del file["labels"]
        file.create_dataset("labels", (80,), "u1", external=[(str(path.with_name("labels")), 0, 80)])


def _virtual(path: Path) -> None:
    path.with_name("other.h5").write_bytes(path.read_bytes())
    with h5py.File(path, "a") as file:
        del file["labels"]
        layout = h5py.VirtualLayout((80,), "u2")
        layout[:] = h5py.VirtualSource(str(path.with_name("other.h5")), "labels", (80,))
        file.create_virtual_dataset("labels", layout)


def _labels(shape: int, block: int) -> Callable[[Path], None]:
    """Nothing is stored of what is promised."""

    def change(path: Path) -> None:
        with h5py.File(path, "a") as file:
            del file["labels"]
            file.create_dataset("labels", (shape,), "i8", chunks=(block,), maxshape=(None,), compression="gzip")

    return change


DAMAGE: dict[str, Callable[[Path], None]] = {
    "cut": _cut,
    "cut in two": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("<html>404 Not Found</html>"),
    "folder": lambda path: (path.unlink(), path.mkdir()),
    "not SHD": _change("labels", "spikes", "extra"),
    "no spikes": _change("spikes"),
    "no labels": _change("labels"),
    "more labels": _change(labels=np.arange(81) % 20),
    "labels above 19": _change(labels=np.arange(80) % 20 + 1),
    "no recordings": _spikes([], [], []),
    "channel": _spikes([[0.1, 0.2]] * 40, [[3, 700]] * 40, [*range(20)] * 2),
    "before 0": _spikes([[-0.1, 0.2]] * 40, [[3, 4]] * 40, [*range(20)] * 2),
    "lengths": _spikes([[0.1, 0.2, 0.3]] * 40, [[3, 4]] * 40, [*range(20)] * 2),
    "no number": _list("spikes/times", "f8", 0.1, np.nan),
    "infinite": _list("spikes/times", "f4", 0.1, np.inf),
    "just before 0": _list("spikes/times", "f8", -1e-7, 0.1),
    "beyond 64 bits": _list("spikes/times", "f8", 0.1, 1e300),
    "complex": _list("spikes/times", "c8", 0.1, 0.2),
    "units below 0": _list("spikes/units", "i4", -65533, 3),
    "units of 32 bits": _list("spikes/units", "i8", 2**32 + 3, 3),
    "units of 64 bits": _list("spikes/units", "u8", 2**64 - 1, 3),
    "half a unit": _list("spikes/units", "f4", 2.5, 3),
    "the same event": _spikes([[0.0] * 50] * 40, [[0] * 50] * 40, [*range(20)] * 2),
    "labels that are no number": _change(labels=np.full(80, np.nan)),
    "half a label": _change(labels=np.arange(80) % 20 + 0.5),
    "labels of 64 bits": _change(labels=np.full(80, 2**64 - 1, np.uint64)),
    "labels in words": _change(labels=[b"zero"] * 80),
    "a table": _change(**{"spikes/times": np.zeros((80, 30))}),
    "external link": _link("labels", h5py.ExternalLink("other.h5", "labels")),
    "external group": _link("spikes", h5py.ExternalLink("other.h5", "spikes")),
    "soft link": _link("spikes/units", h5py.SoftLink("/moved")),
    "external storage": _external,
    "virtual": _virtual,
    "promises": _labels(10**12, 1000),
    "blocks": _labels(80, 10**8),
    "pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "device": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_shd_of_a_damaged_file(shd, spoken, tmp_path, damage, monkeypatch):
    monkeypatch.setattr(SHD, "chunk", 100)  # all of it in this process
    path = tmp_path / "SHD/shd_train.h5"
    DAMAGE[damage](path)
    with pytest.raises(DataError) as error:
        shd().splits()
    assert str(path) in message(error)


def test_shd_recordings_that_share_their_events(shd, spoken, tmp_path, monkeypatch):
    """More than the file can hold is not read."""
    monkeypatch.setattr(SHD, "chunk", 100)
    path, places = tmp_path / "SHD/shd_train.h5", []
    with h5py.File(path, "w") as file:
        for name in ("spikes/times", "spikes/units"):
            column = file.create_dataset(name, (80,), h5py.vlen_dtype(np.float64))
            column[0] = np.arange(10_000) % 700
            places.append((column.id.get_offset(), column.id.get_storage_size()))
        file["labels"] = np.arange(80) % 20
    content = bytearray(path.read_bytes())
    for offset, size in places:
        content[offset : offset + size] = content[offset : offset + size // 80] * 80
    path.write_bytes(content)
    with pytest.raises(DataError, match="its events are those of others too"):
        shd().store("train")


@pytest.mark.parametrize("value", [-1, 40_000, 2**32 + 3, -(2**32) + 3, 2**62])
def test_gather_of_numbers_that_do_not_fit(value):
    """None of them becomes a pixel."""
    events = np.array([(0, value, value, value)], [(name, np.int64) for name in "txyp"])
    recordings = gather([events], np.array([0]), 32_768, 32_768)
    assert recordings.x.tolist() == recordings.y.tolist() == recordings.p.tolist() == [-1]
    assert recordings.fault() is not None


def test_gather_numbers_recordings_and_fills_in_columns():
    dtype = np.dtype([("t", int), ("x", int)])
    events = [np.array([(1500, 3), (2500, 4)], dtype), np.array([], dtype), np.array([(7, 5)], dtype)]
    recordings = gather(events, np.array([4, 5, 6]), 1, 9)
    assert recordings.sample.tolist() == [0, 0, 2]
    assert recordings.t.tolist() == [1500, 2500, 7]
    assert recordings.x.tolist() == [3, 4, 5]
    assert recordings.y.tolist() == recordings.p.tolist() == [0, 0, 0]
    assert recordings.target.tolist() == [4, 5, 6]


@pytest.fixture
def published() -> Path:
    folder = Path(os.environ.get("SNN_ZO_DATA", "/nowhere")).expanduser()
    if not (folder / "NMNIST").is_dir():
        pytest.skip("SNN_ZO_DATA names no folder that holds NMNIST/")
    return folder


def bin_bytes(path: Path) -> np.ndarray:
    """[E, 4] x, y, t, p of a recording without overflow events."""
    byte = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, 5).astype(np.int64)
    assert byte[:, :2].max() < 34
    t = byte[:, 2:] @ [65536, 256, 1]
    return np.stack([byte[:, 0], byte[:, 1], t % 2**23, t // 2**23], 1)


@pytest.mark.realdata
@pytest.mark.parametrize("polarities", ["merged", "separate"])
def test_nmnist_published(published, tmp_path, polarities):
    dataset = NMNIST(root=str(published), cache_dir=str(tmp_path), polarities=polarities)
    splits = dataset.splits()
    sizes = [len(sorted((published / "NMNIST" / part).glob("*/*.bin"))) for part in ("Train", "Test")]
    if sizes == [1000, 100]:
        assert [len(subset.sample) for subset in splits] == [900, 100, 100]
    for part, store in (("train", splits.train.store), ("test", splits.test.store)):
        files = sorted((published / "NMNIST" / part.capitalize()).glob("*/*.bin"))
        assert store.target.tolist() == [int(path.parent.name) for path in files]
        count = []
        for sample, path in enumerate(files):
            x, y, t, p = bin_bytes(path).T
            pixel = y * 34 + x + (p * 1156 if polarities == "separate" else 0)
            key = np.unique((t // 3000 * dataset.inputs + pixel)[t < 300_000])
            np.testing.assert_array_equal(events_of(store, sample), key, err_msg=str(path))
            count.append(len(x))
        recordings = dataset.recordings(part, dataset.listing(part))
        assert np.bincount(recordings.sample).tolist() == count


@pytest.mark.realdata
def test_shd_format_published(published, tmp_path):
    if not (published / "SHD_FSDD").is_dir():
        pytest.skip(f"{published} holds no SHD_FSDD/")
    dataset = SHD(root=str(published / "SHD_FSDD"), cache_dir=str(tmp_path))
    for part in ("train", "test"):
        store = dataset.store(part)
        with h5py.File(published / "SHD_FSDD" / "SHD" / f"shd_{part}.h5") as file:
            label, times, units = (file[name][:] for name in ("labels", "spikes/times", "spikes/units"))
        np.testing.assert_array_equal(store.target, label)
        for sample, (t, unit) in enumerate(zip(times, units, strict=True)):
            step = (t.astype(np.float64) * 1e6 // 2000).astype(np.int64)
            key = np.unique((step * 700 + unit)[step < 500])
            np.testing.assert_array_equal(events_of(store, sample), key)
