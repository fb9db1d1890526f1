import gzip
import io
import urllib.error
from collections.abc import Callable
from hashlib import md5
from pathlib import Path

import pytest

from snn_zo.data.idx import FashionMNIST, IdxImages
from tests.data.idx.files import contents, put


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    """No network, and none of this machine's data sets."""

    def urlopen(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    monkeypatch.setattr(FashionMNIST, "installed", ())


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., IdxImages]:
    def dataset(cls: type[IdxImages] = FashionMNIST, **settings: object) -> IdxImages:
        folders = {"root": str(tmp_path), "cache_dir": str(tmp_path / "cache")}
        return cls(**folders | {"val_fraction": 0.25} | settings)

    return dataset


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Folder of 40 training and 20 test images."""
    return put(tmp_path / "FashionMNIST" / "raw", contents(40))


@pytest.fixture
def serve(monkeypatch) -> Callable[..., list[str]]:
    """Makes `urlopen` answer with gzipped files; the URLs asked for are listed."""

    def start(files: dict[str, bytes], checksums: bool = True) -> list[str]:
        packed = {name: gzip.compress(content, mtime=0) for name, content in files.items()}
        asked: list[str] = []

        def urlopen(request, timeout):
            assert 0 < timeout < 120
            asked.append(request.full_url)
            return io.BytesIO(packed[request.full_url.rsplit("/", 1)[1].removesuffix(".gz")])

        monkeypatch.setattr("urllib.request.urlopen", urlopen)
        published = {name: (len(content), md5(content).hexdigest()) for name, content in packed.items()}
        if not checksums:
            published = {name: (size, "0" * 32) for name, (size, _) in published.items()}
        monkeypatch.setattr(FashionMNIST, "published", published)
        return asked

    return start
