"""An address that is no Ray cluster's is refused in seconds."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from curate.errors import MissingError

ray = pytest.importorskip("curate.executors.ray")


@pytest.fixture(params=[b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", None])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that closes the connection, one of HTTP/1.1, and one that says nothing."""
    server = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(100)
            if request.param is None:
                ended.wait()
            else:
                connection.sendall(request.param)

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"127.0.0.1:{server.getsockname()[1]}"
    ended.set()
    thread.join()
    server.close()


def test_it_is_no_cluster(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "_SECONDS", 0.2)
    with pytest.raises(MissingError, match=address) as refused, ray.ray_cluster("auto", address):
        pass
    assert "ray start --head" in refused.value.remedy
