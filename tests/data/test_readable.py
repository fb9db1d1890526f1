import errno
import os
from pathlib import Path

import pytest

from snn_zo.data.errors import BadRecordingError, DataError
from snn_zo.data.readable import open_regular, readable, require_regular


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("no\nrecording"), "X cannot be read (no recording): remove or replace it"),
        (KeyError("labels"), "X cannot be read (KeyError: 'labels'): remove or replace it"),
        (TimeoutError(), "X cannot be read (TimeoutError): remove or replace it"),
        (OSError(errno.ELOOP, "Too many links"), "X cannot be read (Too many links): remove or replace it"),
        (ValueError("\x1b[2Ja"), "X cannot be read (\ufffd[2Ja): remove or replace it"),
        (FileNotFoundError(2, "none"), "X cannot be read (none): remove or replace it"),
        (
            PermissionError(13, "denied"),
            "X cannot be read: permission denied; let its owner allow it (chmod u+r, of folders u+rx)",
        ),
    ],
)
def test_readable_says_it_in_a_line(error, said):
    with pytest.raises(BadRecordingError) as found, readable("X"):
        raise error
    assert str(found.value) == said


def test_readable_passes_on_what_is_no_fault_of_the_file():
    for error in (DataError("as it is"), KeyboardInterrupt(), MemoryError()):
        with pytest.raises(type(error)) as found, readable("X"):
            raise error
        assert found.value is error


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [_pipe, _device, Path.mkdir])
def test_open_regular_of_something_else(tmp_path, make):
    make(tmp_path / "a")
    with pytest.raises(ValueError, match="a folder, pipe, socket or device"):
        open_regular(tmp_path / "a")


def test_open_regular_follows_links(tmp_path):
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "b").symlink_to("a")
    with open_regular(tmp_path / "b") as file:
        assert file.read() == b"content"


def test_open_regular_of_links_in_a_circle(tmp_path):
    (tmp_path / "a").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        open_regular(tmp_path / "a")


def test_require_regular_of_more_than_may_be(tmp_path):
    (tmp_path / "a").touch()
    os.truncate(tmp_path / "a", 10**13)
    assert require_regular(tmp_path / "a") == 10**13
    with pytest.raises(ValueError, match="10,000,000,000,000 bytes, where 100 are the most"):
        require_regular(tmp_path / "a", 100)
