"""Downloads from a server on this machine."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tonic import download_utils

from snn_zo.data import fetch as module
from snn_zo.data.fetch import bounded_downloads, fetch

CONTENT = bytes(range(256)) * 1000
MD5 = hashlib.md5(CONTENT).hexdigest()
Answer = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], str]]:
    """The address of a server that answers as it is told."""
    servers = []
    stop = threading.Event()

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.stop = stop
                with suppress(OSError):  # the reader has gone
                    answer(self)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/file.gz"

    yield start
    stop.set()
    for server in servers:
        server.shutdown()
        server.server_close()


def whole(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(CONTENT)))
    handler.end_headers()
    handler.wfile.write(CONTENT)


def endless(handler: BaseHTTPRequestHandler) -> None:
    """Of a length that is not said."""
    handler.send_response(200)
    handler.end_headers()
    while not handler.stop.is_set():
        handler.wfile.write(CONTENT)


def dripping(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(CONTENT)))
    handler.end_headers()
    while not handler.stop.wait(0.01):
        handler.wfile.write(b"a")


def dripping_header(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not handler.stop.wait(0.01):
        handler.wfile.write(b"a")


def breaking_off(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(CONTENT)))
    handler.end_headers()
    handler.wfile.write(CONTENT[:70_000])


def shouting(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(404, "\x1b[31mgone")
    handler.end_headers()


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_fetch_lands_whole(tmp_path, serve, size):
    fetch(serve(whole), tmp_path / "a/b/file.gz", MD5, size)
    assert (tmp_path / "a/b/file.gz").read_bytes() == CONTENT
    assert list((tmp_path / "a/b").iterdir()) == [tmp_path / "a/b/file.gz"]


@pytest.mark.parametrize(
    ("answer", "md5", "said"),
    [
        (whole, "0" * 32, "another checksum"),
        (breaking_off, MD5, "another checksum"),
        (endless, MD5, "larger than the published file"),
        (dripping, MD5, "comes too slowly"),
        (dripping_header, MD5, "does not answer"),
        (shouting, MD5, "404"),
    ],
)
def test_fetch_that_fails_leaves_nothing(tmp_path, serve, monkeypatch, answer, md5, said):
    if answer is dripping:
        monkeypatch.setattr(module, "PATIENCE_S", 0)
    if answer is dripping_header:
        monkeypatch.setattr(module, "ANSWER_S", 0.1)
    with pytest.raises(OSError, match=said):
        fetch(serve(answer), tmp_path / "a/b/file.gz", md5, len(CONTENT))
    assert list(tmp_path.iterdir()) == []


def test_fetch_of_a_size_that_nobody_knows(tmp_path, serve, monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 10**6)
    with pytest.raises(OSError, match="larger"):
        fetch(serve(endless), tmp_path / "file.gz", MD5)
    assert list(tmp_path.iterdir()) == []


def test_fetch_writes_as_it_comes(tmp_path, serve):
    """The beginning is on the disk before the end has been sent."""
    on_disk: list[int] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        handler.wfile.write(CONTENT[:200_000])
        limit = time.monotonic() + 30
        while not on_disk or (on_disk[-1] < 100_000 and time.monotonic() < limit):
            on_disk.append(sum(path.stat().st_size for path in tmp_path.iterdir()))
        handler.wfile.write(CONTENT[200_000:])

    fetch(serve(answer), tmp_path / "file.gz", MD5, len(CONTENT))
    assert on_disk[-1] >= 100_000
    assert (tmp_path / "file.gz").read_bytes() == CONTENT


def test_bounded_downloads_are_tonics(tmp_path, serve, monkeypatch):
    url, original = serve(whole), download_utils.download_url
    with bounded_downloads():
        download_utils.download_url(url, str(tmp_path), "file.bin", MD5)
        with pytest.raises(OSError, match="checksum"):
            download_utils.download_url(url, str(tmp_path), "other.bin", "0" * 32)
    assert download_utils.download_url is original
    assert [path.name for path in Path(tmp_path).iterdir()] == ["file.bin"]
