"""What a checkpoint file may be: an archive as torch writes it, sealed, and no larger in memory than on disk.

`torch.load` believes an archive: entries that unpack to a thousand times their size, lie on top of each other or have
many names are so many tensors, and the constructors that its unpickler admits include some that take any memory.
"""

from __future__ import annotations

import io
import pickletools
import re
import struct
import zipfile
from hashlib import sha256

from snn_zo.untrusted import MEGABYTE, clean

MAX_ENTRIES, MAX_PICKLE = 10_000, MEGABYTE

_DIRECTORY, _END, _END_SIZE = b"PK\x01\x02", b"PK\x05\x06", 22
_MARK = b"snn_zo sha256 "
_SEAL = len(_MARK) + 64
_ENTRY = re.compile(r"[^/]+/(data\.pkl|data/[0-9]+|byteorder|version|\.format_version|\.storage_alignment|\.data/\w+)")
_MAKES = re.compile(
    r"torch \w+Storage|torch (Size|device)|torch\._utils _rebuild_(tensor_v2|parameter)|"
    r"collections (OrderedDict|Counter)|(builtins|__builtin__) set"
)


class ArchiveError(Exception):
    """What an archive is, in place of a checkpoint."""


def seal(archive: bytes) -> bytes:
    """The same archive with a checksum of all its bytes, as the comment at its end, which readers of archives skip."""
    body = archive[:-2] + struct.pack("<H", _SEAL)
    return body + _seal(body)


def is_sealed(archive: bytes) -> bool:
    """Whether an archive has a seal, and is whole. One of an earlier version has neither a seal nor a comment.

    Raises:
        ArchiveError: it is damaged.
    """
    if archive[-_SEAL:] == _seal(memoryview(archive)[:-_SEAL]):
        return True
    end = archive[-_END_SIZE:]
    if end.startswith(_END) and end.endswith(bytes(2)):
        return False
    raise ArchiveError("damaged, as its checksum says")


def checked(archive: bytes) -> io.BytesIO:
    """The entries of an archive, for `torch.load`, which may read an archive differently from what was checked.

    Raises:
        ArchiveError: it is damaged, takes more memory than it has bytes, or holds more than weights and plain values.
    """
    if archive.count(_DIRECTORY) > MAX_ENTRIES:
        raise ArchiveError(f"an archive of more than {MAX_ENTRIES} entries")
    anew = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as entries, zipfile.ZipFile(anew, "w") as copy:
            for info in _bounded(entries, len(archive)):
                content = entries.read(info)
                if info.filename.endswith("/data.pkl"):
                    _require_plain(content)
                copy.writestr(info.filename, content)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ArchiveError("damaged") from error
    anew.seek(0)
    return anew


def _bounded(entries: zipfile.ZipFile, size: int) -> list[zipfile.ZipInfo]:
    """The entries of an archive of that size, none of which has been read yet."""
    infos = entries.infolist()
    if len(set(entries.namelist())) < len(infos) or not all(map(_ENTRY.fullmatch, entries.namelist())):
        raise ArchiveError("an archive of other things than tensors")
    stored = all(info.compress_type == zipfile.ZIP_STORED for info in infos)
    if not stored or sum(max(info.file_size, info.compress_size) for info in infos) > size:
        raise ArchiveError("compressed, or larger than it seems")
    return infos


def _require_plain(pickle: bytes) -> None:
    if len(pickle) > MAX_PICKLE:
        raise ArchiveError(f"one with more than {MAX_PICKLE // MEGABYTE} MB of other things than tensors")
    for operation, argument, _ in pickletools.genops(pickle):
        if operation.name == "GLOBAL":
            if not _MAKES.fullmatch(str(argument)):
                raise ArchiveError(f"more than weights and plain values: it names {clean(str(argument), 80)!r}")
        elif isinstance(argument, str) and "\0" in argument:
            raise ArchiveError("damaged")  # for torch the name of an entry ends there, so that each has many names


def _seal(body: bytes | memoryview) -> bytes:
    return _MARK + sha256(body).hexdigest().encode()
