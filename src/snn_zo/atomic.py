"""Files that are there whole or not at all, and that a loss of power does not take away again."""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

PARTIAL = ".partial"
"""How the name of a file ends that is still being written, or whose writer was killed."""


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when the block ends: a reader, or a crash, finds the old or the new one.

    Raises:
        OSError: it could not be written, for want of space or otherwise; `path` is what it was.
    """
    make_folder(path.parent)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PARTIAL}")
    try:
        with open(partial, "xb") as file:
            yield file
            _sync(file)
        os.replace(partial, path)
        sync_folder(path.parent)
    except BaseException as error:
        with suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError) and error.errno and str(error.filename or partial) == str(partial):
            error.filename = str(path)
        raise


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all."""
    with replacing(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write JSON whole or not at all."""
    write_atomically(path, json.dumps(content, indent=2) + "\n")


def append(path: Path, content: str) -> None:
    """Add to the end of a file; a crash, or a full disk, may leave the first part of what is added.

    Raises:
        OSError: it could not be written whole.
    """
    try:
        with path.open("ab") as file:
            file.write(content.encode())
            _sync(file)
    except OSError as error:
        error.filename = str(path)
        raise


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, where there is none."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        sync_folder(folder.parent)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Have the names in a folder outlast a loss of power."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that knows no such thing
            raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(handle)
