"""Reading files whose content is not trusted: whatever goes wrong becomes one line that names the file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from snn_zo.data.errors import BadRecordingError, DataError


@contextmanager
def readable(place: str, error_type: type[DataError] = BadRecordingError) -> Iterator[None]:
    """Turn whatever goes wrong in the block into a fault of the file that is read.

    Args:
        place: of the file, for the message.
        error_type: what is raised in place of the error.
    """
    try:
        yield
    except (DataError, KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except ImportError as error:
        raise DataError(f"{place} cannot be read: {error}; pip install it") from error
    except PermissionError as error:
        raise error_type(
            f"{place} cannot be read: permission denied; let its owner allow it (chmod u+r, of folders u+rx)"
        ) from error
    except BaseException as error:  # decoders written in other languages may raise what is no Exception
        raise error_type(f"{place} cannot be read ({reason(error)}): remove or replace it") from error


def reason(error: BaseException) -> str:
    """The message of an exception, in one line that every terminal can show."""
    from snn_zo.untrusted import line

    said = line((isinstance(error, OSError) and error.strerror) or str(error))
    name = type(error).__name__
    if said and isinstance(error, (ValueError, OSError)):
        return said
    return f"{name}: {said}" if said else name


def open_regular(path: Path, largest: int | None = None) -> BufferedReader:
    """Open a regular file; a pipe or a device, which may never end, is refused.

    Args:
        path: of the file; links are followed.
        largest: size in bytes.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is something else than a file, or larger.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    about, fault = os.fstat(handle), None
    if not stat.S_ISREG(about.st_mode):
        fault = "a folder, pipe, socket or device, where a file belongs"
    elif largest is not None and about.st_size > largest:
        fault = f"{about.st_size:,} bytes, where {largest:,} are the most"
    if fault:
        os.close(handle)
        raise ValueError(fault)
    return open(handle, "rb")


def require_regular(path: Path, largest: int | None = None) -> int:
    """Size of a regular file that another library is going to open; see `open_regular`."""
    with open_regular(path, largest) as file:
        return os.fstat(file.fileno()).st_size
