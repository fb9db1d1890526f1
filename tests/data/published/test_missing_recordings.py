import hashlib
import io
import shutil
import types
import urllib.error
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tonic

from snn_zo.data.errors import DataError
from snn_zo.data.neuromorphic import NMNIST, SHD
from tests.data.outcome import message, tree


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
