import gzip
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from snn_zo.data.errors import DataError
from snn_zo.data.idx import FashionMNIST
from tests.data.idx.files import NAMES, contents, idx, put
from tests.data.outcome import message

DAMAGE: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "cut": ("", lambda content: content[:-1]),
    "cut header": ("", lambda content: content[:10]),
    "too long": ("", lambda content: content + b"\0"),
    "empty": ("", lambda content: b""),
    "text": ("", lambda content: b"<html>404 Not Found</html>"),
    "type": ("", lambda content: b"\0\0\x0d\3" + content[4:]),
    "first bytes": ("", lambda content: b"\1\0" + content[2:]),
    "dimensions": ("", lambda content: idx(np.zeros(40))),
    "four dimensions": ("", lambda content: idx(np.zeros((40, 28, 28, 1)))),
    "side": ("", lambda content: idx(np.zeros((40, 27, 28)))),
    "fewer": ("", lambda content: idx(np.zeros((39, 28, 28)))),
    "plain named gz": (".gz", lambda content: content),
    "garbage": (".gz", lambda content: b"garbage" * 99),
    "empty gz": (".gz", lambda content: b""),
    "cut gz": (".gz", lambda content: gzip.compress(content)[:-20]),
    "cut gz trailer": (".gz", lambda content: gzip.compress(content)[:-4]),
    "gz checksum": (".gz", lambda content: gzip.compress(content)[:-8] + bytes(8)),
    "gz stream": (".gz", lambda content: gzip.compress(content)[:20] + bytes(range(200))),
    "gz of garbage": (".gz", lambda content: gzip.compress(b"garbage" * 99)),
    "gz of nothing": (".gz", lambda content: gzip.compress(b"")),
    "bomb": ("", lambda content: content[:4] + struct.pack(">3I", 6_700_000, 28, 28) + content[16:]),
    "wide bomb": ("", lambda content: content[:4] + struct.pack(">3I", 40, 2**31, 2**31) + content[16:]),
    "gz bomb": (
        ".gz",
        lambda content: gzip.compress(content[:4] + struct.pack(">3I", 6_700_000, 28, 28) + bytes(10**7)),
    ),
    "gz of more": (".gz", lambda content: gzip.compress(content + bytes(10**7))),
    "gz of a part": (".gz", lambda content: gzip.compress(content[:-1])),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_recordings_of_damaged_images(make, raw, tmp_path, damage):
    suffix, change = DAMAGE[damage]
    path = raw / f"{NAMES[0]}{suffix}"
    content = change((raw / NAMES[0]).read_bytes())
    (raw / NAMES[0]).unlink()
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        make().splits()
    assert str(path) in message(error)
    assert not list((tmp_path / "cache").glob("*.events*"))


@pytest.mark.parametrize(
    "content",
    [idx(np.arange(39) % 10), idx(np.zeros((40, 28, 28))), idx(np.zeros(40))[:-1]],
    ids=["fewer", "images", "cut"],
)
def test_recordings_of_labels_that_do_not_fit(make, raw, content):
    (raw / NAMES[1]).write_bytes(content)
    with pytest.raises(DataError) as error:
        make().splits()
    assert str(raw) in message(error)


@pytest.mark.parametrize("code", ["latency", "rate"])
def test_recordings_of_a_blank_image(make, raw, code):
    """As where a download was cut and filled up with zeros."""
    images = np.ones((40, 28, 28))
    images[27:] = 0
    (raw / NAMES[0]).write_bytes(idx(images))
    with pytest.raises(DataError, match="image 27, is blank") as error:
        make(code=code).splits()
    assert str(raw / NAMES[0]) in message(error)


@pytest.mark.parametrize("kind", NAMES[:2])
def test_recordings_of_a_file_that_may_not_be_read(make, raw, monkeypatch, kind):
    opened = os.open

    def refuse(name, *arguments, **options):
        if Path(name) == raw / kind:
            raise PermissionError(13, "Permission denied", str(name))
        return opened(name, *arguments, **options)

    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(DataError, match=r"cannot be read: permission denied; .*chmod") as error:
        make().splits()
    assert message(error).startswith(str(raw / kind))


@pytest.mark.parametrize("make_one", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), os.mkdir])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_recordings_of_what_is_no_file(make, raw, suffix, make_one):
    (raw / NAMES[0]).unlink()
    make_one(raw / f"{NAMES[0]}{suffix}")
    with pytest.raises(DataError, match="a folder, pipe, socket or device") as error:
        make().splits()
    assert message(error).startswith(str(raw / NAMES[0]))


def test_recordings_of_a_link_to_nothing_are_not_others(make, raw, tmp_path, monkeypatch):
    """The installed files do not stand in for it."""
    monkeypatch.setattr(FashionMNIST, "installed", (str(put(tmp_path / "usr", contents(40))),))
    (raw / NAMES[0]).unlink()
    (raw / NAMES[0]).symlink_to("nothing")
    with pytest.raises(DataError, match="No such file or directory"):
        make().splits()


def test_recordings_of_labels_above_nine(make, raw):
    (raw / NAMES[1]).write_bytes(idx(np.arange(40) % 10 + 1))
    with pytest.raises(DataError) as error:
        make().splits()
    assert str(raw / NAMES[1]) in message(error)


def test_recordings_of_no_images(make, raw):
    (raw / NAMES[0]).write_bytes(idx(np.zeros((0, 28, 28))))
    (raw / NAMES[1]).write_bytes(idx(np.zeros(0)))
    with pytest.raises(DataError) as error:
        make().splits()
    assert str(raw) in message(error)
