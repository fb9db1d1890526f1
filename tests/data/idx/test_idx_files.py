import errno
import gzip
import http.client
import os
import urllib.error
from pathlib import Path

import numpy as np
import pytest

from snn_zo.data.errors import DataError
from snn_zo.data.idx import MNIST, FashionMNIST, read_idx
from tests.data.idx.files import NAMES, contents, put
from tests.data.outcome import message


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("cls", [MNIST, FashionMNIST])
def test_files_plain_and_gzipped(make, tmp_path, cls, suffix):
    files = contents(40)
    folder = put(tmp_path / cls.__name__ / "raw", files, suffix)
    for part, kind, name in (("train", "images-idx3", NAMES[0]), ("test", "labels-idx1", NAMES[3])):
        assert make(cls).file(part, kind) == folder / f"{name}{suffix}"
    splits = make(cls).splits()
    np.testing.assert_array_equal(splits.test.store.target, np.frombuffer(files[NAMES[3]], np.uint8, offset=8))
    images = read_idx(folder / f"{NAMES[0]}{suffix}", 3)
    assert images.shape == (40, 28, 28)
    assert images.tobytes() == files[NAMES[0]][16:]


def test_file_root_comes_before_installed(make, tmp_path, monkeypatch):
    installed = put(tmp_path / "usr", contents(40))
    monkeypatch.setattr(FashionMNIST, "installed", (str(tmp_path / "missing"), str(installed)))
    assert make().file("train", "images-idx3") == installed / NAMES[0]
    own = put(tmp_path / "FashionMNIST" / "raw", contents(60), ".gz")
    assert make().file("train", "images-idx3") == own / f"{NAMES[0]}.gz"
    assert len(make().store("train").target) == 60


def test_file_installed_is_read_without_a_root(make, tmp_path, monkeypatch):
    monkeypatch.setattr(FashionMNIST, "installed", (str(put(tmp_path / "usr", contents(40), ".gz")),))
    dataset = make(root=str(tmp_path / "nowhere"))
    assert len(dataset.splits().test.sample) == 20
    assert not (tmp_path / "nowhere").exists()


def test_root_may_begin_with_a_tilde(make, raw, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert make(root="~").file("train", "images-idx3") == raw / NAMES[0]


def test_download_lands_whole_and_once(make, tmp_path, serve):
    files = contents(40)
    asked = serve(files)
    splits = make().splits()
    assert len(splits.test.sample) == 20
    assert sorted(asked) == sorted(f"{FashionMNIST.url}{name}.gz" for name in NAMES)
    folder = tmp_path / "FashionMNIST" / "raw"
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{name}.gz" for name in NAMES)
    for name in NAMES:
        assert gzip.decompress((folder / f"{name}.gz").read_bytes()) == files[name]


def test_download_fills_in_what_is_missing(make, raw, serve):
    (raw / NAMES[1]).unlink()
    asked = serve(contents(40))
    make().splits()
    assert asked == [f"{FashionMNIST.url}{NAMES[1]}.gz"]


def test_download_of_another_file(make, tmp_path, serve):
    serve(contents(40), checksums=False)
    with pytest.raises(DataError) as error:
        make().splits()
    assert "checksum" in message(error)
    assert NAMES[0] in message(error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "failure",
    [
        urllib.error.URLError("[Errno -3] Temporary failure in name resolution"),
        urllib.error.HTTPError("http://x", 404, "Not Found", None, None),
        TimeoutError("timed out"),
        http.client.IncompleteRead(b"half", 99),
    ],
    ids=["name", "status", "timeout", "incomplete"],
)
def test_download_fails(make, tmp_path, monkeypatch, failure):
    def urlopen(*_, **__):
        raise failure

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    root = tmp_path / "nowhere"
    with pytest.raises(DataError) as error:
        make(root=str(root)).splits()
    text = message(error)
    assert NAMES[0] in text
    assert str(root / "FashionMNIST" / "raw") in text
    assert "data.root" in text
    assert list(tmp_path.iterdir()) == []


def test_download_that_cannot_be_kept(make, tmp_path, serve, monkeypatch):
    serve(contents(40))

    def replace(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.replace", replace)
    with pytest.raises(DataError, match="No space left") as error:
        make().splits()
    assert NAMES[0] in message(error)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("FashionMNIST/train-images-idx3-ubyte.gz", "such as FashionMNIST/train-images-idx3-ubyte.gz, and none fits"),
        ("FashionMNIST/raw/train-images.idx3-ubyte", "such as FashionMNIST/raw/train-images.idx3-ubyte, and none fits"),
        ("fashion-mnist/raw/train-images-idx3-ubyte", "the folder must be called FashionMNIST"),
        ("a/FashionMNIST/raw/train-images-idx3-ubyte.gz", "/a/FashionMNIST: set data.root="),
    ],
)
def test_near_miss_is_not_downloaded(make, tmp_path, serve, path, said):
    asked = serve(contents(40))
    put((tmp_path / path).parent, {Path(path).name: b""})
    with pytest.raises(DataError) as error:
        make().splits()
    assert said in message(error)
    assert asked == []
