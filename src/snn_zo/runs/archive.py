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

_MARK = b"snn_zo sha256 "
_SEAL = len(_MARK) + 64
_END = struct.Struct("<4s4H2IH")
"""Signature, two numbers of disks, entries here and in all, size and place of their directory, length of a comment."""

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


def check(archive: bytes) -> bool:
    """Check an archive before anything in it is unpacked.

    Returns:
        Whether it was sealed; if not, as by earlier versions, the checksums of its entries have been compared.

    Raises:
        ArchiveError: it is damaged, takes more memory than it has bytes, or holds more than weights and plain values.
    """
    sealed = archive[-_SEAL:] == _seal(memoryview(archive)[:-_SEAL])
    end = len(archive) - _END.size - sealed * _SEAL
    if end < 0:
        raise ArchiveError("damaged, or cut short")
    signature, _, _, _, number, size, place, comment = _END.unpack_from(archive, end)
    # any reader finds this directory, and no other
    one = place + size == end and archive[end - 20 : end - 16] != b"PK\x06\x07"
    if (signature, comment) != (b"PK\x05\x06", sealed * _SEAL) or not one:
        raise ArchiveError("damaged, as its checksum says")
    if max(number, archive.count(b"PK\x01\x02", place)) > MAX_ENTRIES:
        raise ArchiveError(f"an archive of more than {MAX_ENTRIES} entries")
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as entries:
            _require_plain(_pickle(entries, len(archive)))
            if not sealed and entries.testzip():
                raise ArchiveError("damaged, as the checksum of an entry says")
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ArchiveError("damaged") from error
    return sealed


def _pickle(entries: zipfile.ZipFile, size: int) -> bytes:
    """What is not tensors, of an archive of that size."""
    infos = {info.filename: info for info in entries.infolist()}
    if len(infos) < len(entries.infolist()) or not all(map(_ENTRY.fullmatch, infos)):
        raise ArchiveError("an archive of other things than tensors")
    stored = all(info.compress_type == zipfile.ZIP_STORED for info in infos.values())
    if not stored or sum(max(info.file_size, info.compress_size) for info in infos.values()) > size:
        raise ArchiveError("compressed, or larger than it seems")
    pickles = [info for name, info in infos.items() if name.endswith("/data.pkl")]
    if len(pickles) != 1 or pickles[0].file_size > MAX_PICKLE:
        raise ArchiveError(f"one with more than {MAX_PICKLE // MEGABYTE} MB of other things than tensors")
    return entries.read(pickles[0])


def _require_plain(pickle: bytes) -> None:
    for operation, argument, _ in pickletools.genops(pickle):
        if operation.name == "GLOBAL":
            if not _MAKES.fullmatch(str(argument)):
                raise ArchiveError(f"more than weights and plain values: it names {clean(str(argument), 80)!r}")
        elif isinstance(argument, str) and "\0" in argument:
            raise ArchiveError("damaged")  # for torch the name of an entry ends there, so that each has many names


def _seal(body: bytes | memoryview) -> bytes:
    return _MARK + sha256(body).hexdigest().encode()
