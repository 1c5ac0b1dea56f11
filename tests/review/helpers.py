"""A review server as a browser meets it: over HTTP, on a port of this machine."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import uvicorn

from curate.drive.check import check_known
from curate.review.server import Review

TOKEN = "the-token-of-this-test"
JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Site:
    """A server over a folder, and how it is asked."""

    folder: Path
    port: int
    review: Review

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        """One request with just these headers, besides Host where it is not given."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, given)
            reply = connection.getresponse()
            return Reply(reply.status, dict(reply.getheaders()), reply.read())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """What the page reads; the JSON of it."""
        reply = self.ask("GET", path, x_curate_token=TOKEN)
        assert reply.status == 200, reply.body
        return reply.json

    def post(self, path: str, expect: int = 200, **values: Any) -> Any:
        """What the page changes."""
        body = json.dumps(values).encode()
        reply = self.ask("POST", path, body, x_curate_token=TOKEN, content_type="application/json")
        assert reply.status == expect, reply.body
        return reply.json

    def edit(self, *ids: str, expect: int = 200, **values: Any) -> Any:
        """An edit of captions."""
        return self.post("/api/edit", expect, ids=list(ids), **values)

    def rows(self) -> dict[str, dict[str, Any]]:
        """The rows of the index by id, with their tags in words."""
        index = self.get("/api/index")
        return {r["id"]: {**r, "tags": [index["tags"][n] for n in r["tags"]]} for r in index["pictures"]}

    def measured(self) -> None:
        """Waits until the pixels of all pictures are measured: no row changes by itself any more."""
        end = time.monotonic() + 20
        while any(row["sharpness"] is None for row in self.rows().values()) and time.monotonic() < end:
            time.sleep(0.02)

    def picture(self, id: str) -> Any:
        """Everything about one picture."""
        return self.get(f"/api/picture/{quote(id)}")


@contextlib.contextmanager
def site(folder: Path, *, waits: bool = False, port: int = 0, token: str = TOKEN) -> Iterator[Site]:
    """Serves a folder until the block ends; `waits` where a run waits for it."""
    listener = socket.create_server(("127.0.0.1", port))
    port = listener.getsockname()[1]
    review = Review(folder, waits=waits, checker=lambda at, sizes: check_known(at, sizes, tokens=False).as_dict())
    review.start(tokens=False)
    config = uvicorn.Config(review.application(token, port), http="h11", ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        end = time.monotonic() + 20
        while not server.started and time.monotonic() < end:
            time.sleep(0.01)
        yield Site(folder, port, review)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
        review.close()
