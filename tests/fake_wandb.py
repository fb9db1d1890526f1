"""As much of a Weights & Biases server as its client needs, on this machine."""

import gzip
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

KEY = "a" * 40
VIEWER = {"id": "VXNlcg==", "entity": "me", "username": "me", "email": "", "flags": "{}", "teams": {"edges": []}}
PROJECT = {"id": "p", "name": "snn_zo", "internalId": "cA==", "entity": {"id": "e", "name": "me"}}


class FakeWandb:
    """Answers queries and keeps what it was told.

    Args:
        runs: nodes of the runs that it holds; None: it has no such project.
        mood: "well", or how it is not: "silent", "unknown key", or the name of an operation that it forbids.

    Attributes:
        queries: (operation, variables) in the order in which they came.
        streams: what was sent for each run, {name: [contents]}.
    """

    def __init__(self, runs: list[dict[str, Any]] | None = None, mood: str = "well") -> None:
        self.runs, self.mood = runs, mood
        self.queries: list[tuple[str, dict[str, Any]]] = []
        self.streams: dict[str, list[dict[str, Any]]] = {}
        self.url = ""

    def said(self, operation: str) -> dict[str, Any]:
        """Variables of the first query of this name."""
        return next(variables for name, variables in self.queries if name == operation)

    def exit_code(self, run: str) -> int:
        """Of a run that was finished."""
        (code,) = (content["exitcode"] for content in self.streams[run] if content.get("complete"))
        return code

    def answer(self, path: str, body: bytes) -> tuple[int, Any]:
        """Status and content."""
        if self.mood == "silent":
            time.sleep(3)
        if "file_stream" in path:
            self.streams.setdefault(path.split("/")[-2], []).append(json.loads(body))
        if path != "/graphql" or not body:
            return (200 if body else 400), {}
        query = json.loads(body)
        named = re.search(r"(?:query|mutation)\s+(\w+)", query["query"])
        operation, variables = named[1] if named else "", query.get("variables") or {}
        self.queries.append((operation, variables))
        if self.mood == "unknown key":
            return 401, {"errors": [{"message": "invalid"}]}
        if self.mood == operation:
            return 403, {"errors": [{"message": "permission denied"}]}
        return 200, {"data": self._data(variables)}

    def _data(self, variables: dict[str, Any]) -> dict[str, Any]:
        bucket = {"id": "b", "name": variables.get("name"), "displayName": variables.get("displayName")}
        runs = self.runs or []
        edges = [{"cursor": str(i), "node": node} for i, node in enumerate(runs)]
        page = {"edges": edges, "pageInfo": {"hasNextPage": False, "endCursor": None}}
        return {
            "viewer": VIEWER,
            "upsertBucket": {"inserted": True, "bucket": bucket | {"project": PROJECT, "historyLineCount": 0}},
            "model": {"bucket": None},
            "project": None if self.runs is None else PROJECT | {"runCount": len(runs), "runs": page},
            "createRunFiles": {"runID": "r", "uploadHeaders": [], "files": []},
            "upsertView": {"view": {"id": "v", "name": variables.get("name")}, "inserted": True},
        }


@contextmanager
def serving(fake: FakeWandb) -> Iterator[FakeWandb]:
    """Let it answer at `fake.url`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            status, content = fake.answer(self.path, body)
            payload = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_PUT = do_POST

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield fake
    finally:
        server.shutdown()
