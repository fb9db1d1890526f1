from pathlib import Path

import pytest

from snn_zo.data.errors import DataError
from snn_zo.data.layout import files_below, fits, home_of, left_out, near_miss

TRAIN, TEST = "NMNIST/Train/*/*.bin", "NMNIST/Test/*/*.bin"


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


@pytest.mark.parametrize(
    ("name", "layout", "expected"),
    [
        ("NMNIST/Train/3/1.bin", TRAIN, True),
        ("NMNIST/Train/3/1.BIN", TRAIN, False),
        ("NMNIST/train/3/1.bin", TRAIN, False),
        ("NMNIST/Train/1.bin", TRAIN, False),
        ("NMNIST/Train/3/a/1.bin", TRAIN, False),
        ("a/b/c/1.bin", "a/**/c/*.bin", True),
        ("a/c/1.bin", "a/**/c/*.bin", True),
        ("a/x/y/c/1.bin", "a/**/c/*.bin", True),
        ("a/c/d/1.bin", "a/**/c/*.bin", False),
        ("a/1.bin", "a/**/*.bin", True),
        ("a/7.bin", "a/[0-9].bin", True),
    ],
)
def test_fits(name, layout, expected):
    assert fits(name, layout) is expected


@pytest.mark.parametrize(("layout", "home"), [(TRAIN, "NMNIST"), ("SHD/a.h5", "SHD"), ("*/*.npy", ".")])
def test_home_of(layout, home):
    assert home_of(layout) == home


def test_files_below_are_in_order_and_not_hidden(tmp_path):
    put(tmp_path, "a/b-c/1", "a/b/2", "a/b/10", "a/.hidden/1", "a/b/.DS_Store", "z/1")
    assert files_below(tmp_path, "a") == ["a/b/10", "a/b/2", "a/b-c/1"]
    assert files_below(tmp_path, "nowhere") == []


def test_files_below_follows_links(tmp_path):
    put(tmp_path, "elsewhere/3/1.bin")
    (tmp_path / "a").mkdir()
    (tmp_path / "a/Train").symlink_to(tmp_path / "elsewhere")
    assert files_below(tmp_path, "a") == ["a/Train/3/1.bin"]


def test_files_below_links_in_a_circle(tmp_path):
    put(tmp_path, "a/b/1")
    for name in ("one", "two"):
        (tmp_path / "a/b" / name).symlink_to(tmp_path / "a")
    with pytest.raises(DataError, match=f"{tmp_path}/a/b/.* is the folder {tmp_path}/a again, by a link"):
        files_below(tmp_path, "a")


def test_files_below_a_folder_that_cannot_be_listed(tmp_path, monkeypatch):
    def scandir(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", scandir)
    with pytest.raises(DataError, match=f"{tmp_path}/a cannot be read: permission denied"):
        files_below(tmp_path, "a")


@pytest.mark.parametrize(
    "name",
    [
        "NMNIST/Train/3/1.BIN",
        "NMNIST/train/3/1.bin",
        "nmnist/Train/3/1.bin",
        "NMNIST/Train/1.bin",
        "NMNIST/Train/3/a/1.bin",
        "NMNIST/Train/3/1.npy",
        "NMNIST/Train/3/1.bin.gz",
    ],
)
def test_left_out(name):
    assert left_out([name, "NMNIST/Train/3/1.bin"], TRAIN, [TEST]) == [name]


@pytest.mark.parametrize("name", [*("train.zip", "README", "Train/3.tar.gz", "Test/3/1.bin", "Test/3/1.BIN")])
def test_left_out_of_what_belongs_elsewhere(name):
    assert left_out([f"NMNIST/{name}"], TRAIN, [TEST]) == []


def test_left_out_of_what_comes_along():
    notes = "a/**/Notes/**/*"
    assert left_out(["a/c/Notes/x/1.bin"], "a/**/Data/*/*.bin", [notes]) == []
    assert left_out(["a/c/Other/x/1.bin"], "a/**/Data/*/*.bin", [notes]) == ["a/c/Other/x/1.bin"]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("NMNIST/train/0/1.bin", "NMNIST/train/1/1.bin"), "/NMNIST/train holds 2 .bin files: the folder must be"),
        (("NMNIST/Train/0/1.BIN",), "/NMNIST/Train/0 holds 1 .BIN file: they must be called *.bin"),
        (("NMNIST/0/1.bin",), "such as NMNIST/0/1.bin, and none fits NMNIST/Train/*/*.bin: move or rename them"),
        (("NMNIST/Train/0/1.npy",), "such as NMNIST/Train/0/1.npy, and none fits"),
        (("nmnist/Train/0/1.bin",), "/nmnist is there: the folder must be called NMNIST"),
        (("N-MNIST/Train/0/1.bin",), "/N-MNIST is there: the folder must be called NMNIST"),
        (("sub/NMNIST/Train/0/1.bin",), "/sub/NMNIST: set data.root="),
    ],
)  # fmt: skip
def test_near_miss(tmp_path, names, said):
    assert said in str(near_miss(put(tmp_path, *names), TRAIN, [TEST]))


@pytest.mark.parametrize("below", ["NMNIST", "NMNIST/Train"])
def test_near_miss_of_a_root_that_lies_too_deep(tmp_path, below):
    put(tmp_path, "NMNIST/Train/0/1.bin")
    assert str(near_miss(tmp_path / below, TRAIN, [TEST])).endswith(f": set data.root={tmp_path}")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("SHD/SHD_Train.h5", "must be called shd_train.h5"),
        ("SHD/shd-train.h5", "none fits SHD/shd_train.h5"),
        ("SHD/a/shd_train.h5", "none fits SHD/shd_train.h5"),
    ],
)
def test_near_miss_of_a_single_file(tmp_path, name, said):
    assert said in str(near_miss(put(tmp_path, name), "SHD/shd_train.h5", ["SHD/shd_test.h5"]))


@pytest.mark.parametrize("name", ["NMNIST/Test/0/1.bin", "NMNIST/train.zip", "OTHER/1.bin"])
def test_near_miss_where_nothing_is_meant(tmp_path, name):
    assert near_miss(put(tmp_path, name), TRAIN, [TEST]) is None
