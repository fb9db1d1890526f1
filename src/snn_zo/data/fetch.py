"""Downloads: bounded in size and time, written to disk as they come, and kept if the checksum is right."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPResponse
from pathlib import Path
from queue import Empty, SimpleQueue

from snn_zo.atomic import replacing

log = logging.getLogger(__name__)

LARGEST = 16 * 2**30
"""Limit in bytes for a file whose size is not known."""
SLOWEST = 50_000
"""Bytes per second that a server must send on average, after `PATIENCE_S`; with the size, this limits the time."""
PATIENCE_S = 60.0
ANSWER_S = 60.0
SILENCE_S = 20.0
_BLOCK = 2**16


def fetch(url: str, path: Path, md5: str, size: int | None = None) -> None:
    """Download a file, whole and with the right checksum or not at all.

    Args:
        url: of the file.
        path: to put it.
        md5: its checksum.
        size: in bytes, if known.

    Raises:
        OSError: no connection, a slow one, no room, or another file came.
    """
    log.info("downloading %s", url)
    with leaving_no_folders(path.parent), _answer(url) as response, replacing(path) as file:
        digest, received, began = hashlib.md5(usedforsecurity=False), 0, time.monotonic()
        while block := response.read1(_BLOCK):
            received += len(block)
            if received > (size or LARGEST):
                raise OSError(f"{url} is larger than the published file")
            if time.monotonic() - began > PATIENCE_S + received / SLOWEST:
                raise TimeoutError(f"{url} comes too slowly: {received:,} bytes so far")
            digest.update(block)
            file.write(block)
        if digest.hexdigest() != md5:
            raise OSError(f"{url} has another checksum than the published file")


@contextmanager
def leaving_no_folders(folder: Path) -> Iterator[None]:
    """Remove a folder and those above it again if the block makes them and fails."""
    absent = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        yield
    except BaseException:
        with suppress(OSError):
            for one in absent:
                one.rmdir()
        raise


def _answer(url: str) -> HTTPResponse:
    """The server's answer; waited for in a thread, as a header that drips meets no timeout of the socket."""
    answers: SimpleQueue[HTTPResponse | BaseException] = SimpleQueue()

    def ask() -> None:
        try:
            request = urllib.request.Request(url, headers={"User-Agent": "snn_zo"})
            answers.put(urllib.request.urlopen(request, timeout=SILENCE_S))
        except BaseException as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=ANSWER_S)
    except Empty:
        raise TimeoutError(f"{url} does not answer") from None
    if isinstance(answer, BaseException):
        raise answer
    return answer


@contextmanager
def bounded_downloads() -> Iterator[None]:
    """In the block, tonic downloads with `fetch`."""
    from tonic import download_utils

    def download_url(url: str, root: str, filename: str | None = None, md5: str | None = None, **_: object) -> None:
        fetch(url, Path(root, filename or Path(url).name), md5 or "")

    original, download_utils.download_url = download_utils.download_url, download_url
    try:
        yield
    finally:
        download_utils.download_url = original
