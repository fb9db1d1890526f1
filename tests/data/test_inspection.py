import logging
import os
import re
from pathlib import Path

import numpy as np
import pytest

from snn_zo.data.arrays import ArrayDataset
from snn_zo.data.digits import Digits
from snn_zo.data.errors import DataError
from snn_zo.data.inspection import inspect, inspected
from snn_zo.data.neuromorphic import NMNIST, POKERDVS, SHD
from snn_zo.data.randman import Randman
from snn_zo.data.splits import Splits, Subset
from tests.data.originals import write_bin, write_npy, write_shd


@pytest.fixture
def folders(tmp_path):
    return {"root": str(tmp_path), "cache_dir": str(tmp_path / "cache")}


@pytest.fixture
def nmnist(folders, tmp_path):
    """Sixty recordings to train and twenty to test, of random pixels and 290 ms."""
    rng = np.random.default_rng(0)
    for part, size in (("Train", 60), ("Test", 20)):
        for i in range(size):
            t = np.sort(rng.integers(0, 290_000, 100))
            x, y, p = rng.integers(0, [[34], [34], [2]], (3, 100))
            write_bin(tmp_path / f"NMNIST/{part}/{i % 10}/{i:03}.bin", np.stack([x, y, t, p], 1))
    return lambda **settings: NMNIST(**folders | {"val_fraction": 0.25} | settings)


def found(dataset) -> tuple[list[str], list[str]]:
    return inspect(dataset, dataset.splits())


def copy(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes())


def test_inspect_finds_nothing_in_sound_recordings(nmnist):
    assert found(nmnist()) == ([], [])


@pytest.mark.parametrize(
    "dataset",
    [
        lambda cache: Digits(cache_dir=cache),
        lambda cache: Digits(cache_dir=cache, polarities="merged", downsample=4, limit=20),
        lambda cache: Randman(cache_dir=cache, samples=60, classes=3, units=20),
    ],
)
def test_inspect_raises_no_false_alarm(dataset):
    assert found(dataset(os.environ["SNN_ZO_CACHE"])) == ([], [])


# ---- events that are dropped


def kept(dataset, line: str, name: str) -> float:
    """Share of the events that a setting keeps which a warning advises."""
    start = re.search(r"data.start=(\S+)", line)
    value = float(re.search(rf"data\.{name}=(\S+?)(?: |$)", line)[1])
    own = {name: int(value) if name == "steps" else value} | ({"start": float(start[1])} if start else {})
    original = dataset(**own).store("train").original
    return 1 - original.outside.sum() / original.events.sum()


@pytest.mark.parametrize("settings", [{"steps": 30}, {"dt": 0.7}, {"start": 150.0}, {"steps": 90, "start": 40.0}])
@pytest.mark.parametrize("name", ["steps", "dt"])
def test_inspect_names_a_window_that_keeps_the_events(nmnist, settings, name):
    errors, warnings = found(nmnist(**settings))
    (line,) = warnings
    assert not errors
    share = float(re.match(r"(\S+) % of the events of train", line)[1]) / 100
    original = nmnist(**settings).store("train").original
    assert share == pytest.approx(original.outside.sum() / original.events.sum(), abs=1e-3)
    assert "data.start, data.steps, data.dt" in line
    before, _, advice = line.partition(": ")
    other = re.sub(r"data\.(?!start)\w+=", lambda found: found[0], advice)
    assert kept(lambda **own: nmnist(**settings | own), other, name) >= 0.99
    assert "train" in before
    assert "test" in before


def shd(folder: Path, scale: float, offset: float) -> None:
    rng = np.random.default_rng(0)
    for part, size in (("train", 80), ("test", 20)):
        times = [offset + scale * np.sort(rng.random(50)) for _ in range(size)]
        units = [rng.integers(0, 700, 50) for _ in range(size)]
        write_shd(folder / f"SHD/shd_{part}.h5", times, units, np.arange(size) % 20, dtype=np.float64)


@pytest.mark.parametrize(
    ("scale", "offset", "begin"),
    [(1e3, 0, ""), (1e6, 0, ""), (0.9, 1.6e9, "1.6e+09 s"), (0.9, 1.1, "1.1"), (900.0, 1600, "1.6")],
)
def test_inspect_refuses_times_in_another_unit_or_with_an_offset(folders, tmp_path, scale, offset, begin):
    shd(tmp_path, scale, offset)
    with pytest.raises(DataError, match=r"of train have no event in the 500 steps from 0 to 1000 ms") as error:
        inspected(SHD(**folders))
    assert f"they begin at {begin}" in str(error.value)
    assert "another unit, or do they have an offset?" in str(error.value)
    assert "\n" not in str(error.value)


def test_inspect_refuses_a_test_part_of_another_unit(folders, tmp_path):
    shd(tmp_path, 1e6, 0)
    (tmp_path / "SHD/shd_test.h5").rename(tmp_path / "test.h5")
    shd(tmp_path, 0.9, 0)
    (tmp_path / "test.h5").rename(tmp_path / "SHD/shd_test.h5")
    with pytest.raises(DataError, match=r"^all 20 recordings of test have no event"):
        inspected(SHD(**folders))


def test_inspect_counts_recordings_without_events(tmp_path):
    x = np.random.default_rng(0).random((40, 9, 30)) < 0.3
    x[3] = 0
    errors, warnings = found(ArrayDataset(x, np.arange(40) % 2, cache_dir=str(tmp_path)))
    assert (errors, warnings) == ([], ["1 of 28 recordings of train hold no events"])
    x[:, :5], x[:30] = 0, 0
    with pytest.raises(DataError, match="recordings of train hold no events"):
        inspected(ArrayDataset(x, np.arange(40) % 2, cache_dir=str(tmp_path)))


def test_inspect_says_what_lies_outside_the_sensor(tmp_path):
    class Lenient(ArrayDataset):
        width = 20

        def fault(self, recordings):
            return None

    x = np.random.default_rng(0).random((40, 9, 30)) < 0.3
    dataset = Lenient(x, np.arange(40) % 2, cache_dir=str(tmp_path))
    _, (line,) = found(dataset)
    assert line.endswith("of the events of all lie outside the 20 x 1 sensor, and are dropped")
    assert float(line.split()[0]) == pytest.approx(100 * x[:, :, 20:].sum() / x.sum(), abs=0.1)
    frames = dataset.store("all").batch(np.arange(40)).spikes.to_dense().numpy()
    np.testing.assert_array_equal(frames, x[:, :, :20])


def test_poker_dvs_keeps_recordings_of_30_ms(folders, tmp_path):
    rng = np.random.default_rng(0)
    for part, size in (("train", 48), ("test", 20)):
        for i in range(size):
            t = np.sort(rng.integers(0, 30_000, 200))
            columns = [t, *rng.integers(0, [[35], [35], [2]], (3, 200))]
            write_npy(tmp_path / f"POKERDVS/pips_{part}/{POKERDVS.folders[i % 4]}/{i}.npy", columns)
    assert found(POKERDVS(**folders)) == ([], [])
    _, (line,) = found(POKERDVS(**folders, steps=50))
    assert line.startswith("66.")


# ---- recordings that are there twice


def test_inspect_refuses_a_test_part_that_is_a_copy(nmnist, tmp_path):
    for path in (tmp_path / "NMNIST/Test").glob("*/*.bin"):
        copy(tmp_path / "NMNIST/Train" / path.parent.name / path.name, path)
    with pytest.raises(DataError, match="of 20 recordings of test are in train as well, ") as error:
        inspected(nmnist())
    test, train = re.search(r"such as (\S+) and (\S+):", str(error.value)).groups()
    assert Path(test).read_bytes() == Path(train).read_bytes()
    assert "/Test/" in test
    assert "/Train/" in train


def test_inspect_warns_of_as_few_as_published_parts_share(nmnist, tmp_path, caplog, monkeypatch):
    train, test = (sorted((tmp_path / "NMNIST" / part).glob("*/*.bin")) for part in ("Train", "Test"))
    copy(train[0], test[0])
    errors, _ = found(nmnist())
    assert len(errors) == 1
    monkeypatch.setattr(NMNIST, "shared", 0.05)
    with caplog.at_level(logging.WARNING):
        inspected(nmnist())
    assert "1 of 20 recordings of test are in " in caplog.text


def test_inspect_warns_of_a_recording_that_is_there_twice(nmnist, tmp_path):
    train = sorted((tmp_path / "NMNIST/Train").glob("*/*.bin"))
    lines = set()
    for one, other in ((0, 1), (0, 7), (0, 8), (30, 31), (30, 32), (30, 40), (30, 41)):
        one, other = train[one], train[other]
        before = other.read_bytes()
        copy(one, other)
        errors, (line,) = found(nmnist())
        assert not errors
        assert str(one) in line
        assert str(other) in line
        assert ("of different classes" in line) == (other.parent != one.parent)
        lines.add(re.sub(r",? such as.*", "", line))
        other.write_bytes(before)
    assert "1 of 15 recordings of val are in train as well" in lines
    assert "1 of 45 recordings of train repeat others" in lines


def test_inspect_does_not_take_empty_recordings_for_equal(tmp_path):
    x = np.random.default_rng(0).random((40, 9, 30)) < 0.3
    x[:6] = 0
    _, warnings = found(ArrayDataset(x, np.arange(40) % 2, cache_dir=str(tmp_path)))
    assert not [line for line in warnings if "repeat" in line or "as well" in line]


# ---- recordings that are unlike the others


def test_inspect_names_a_file_that_was_cut(nmnist, tmp_path):
    path = sorted((tmp_path / "NMNIST/Train").glob("*/*.bin"))[17]
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 10 * 5])
    errors, warnings = found(nmnist())
    assert not errors
    assert "1 of 60 recordings of train last far less or more than the usual 28" in warnings[0]
    assert str(path) in warnings[0]


# ---- classes


def test_inspect_names_classes_of_one_part_only(nmnist, tmp_path):
    for path in [*(tmp_path / "NMNIST/Train/3").iterdir(), *(tmp_path / "NMNIST/Test/7").iterdir()]:
        path.unlink()
    assert found(nmnist())[1] == [
        "train has no recording of 3, which test has",
        "test has no recording of 7, which train has",
    ]


def test_inspect_names_classes_that_are_only_validated(tmp_path):
    dataset = ArrayDataset(
        np.random.default_rng(0).random((40, 9, 30)) < 0.3, np.arange(40) % 2, cache_dir=str(tmp_path)
    )
    train, val, test = dataset.splits()
    of = val.store.target
    ones, zeros = (Subset(val.store, part.sample[of[part.sample] == label]) for part, label in ((val, 1), (train, 0)))
    _, warnings = inspect(dataset, Splits(zeros, ones, test))
    assert "train has no recording of 1, which val has" in warnings


# ---- continuous targets


def test_inspect_of_continuous_targets(tmp_path):
    """They have no classes to be missing; a recording that is there twice may have two of them."""
    x, y = np.random.default_rng(0).random((60, 9, 30)) < 0.3, np.random.default_rng(1).random((60, 2))
    assert found(ArrayDataset(x, y, cache_dir=str(tmp_path))) == ([], [])
    x[1] = x[0]
    _, (line,) = found(ArrayDataset(x, y, cache_dir=str(tmp_path)))
    assert line.endswith(", which are of different targets") or ", which are of different targets:" in line
    y[1] = y[0]
    _, (line,) = found(ArrayDataset(x, y, cache_dir=str(tmp_path)))
    assert "different" not in line
