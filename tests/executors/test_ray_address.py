"""An address that is no Ray cluster's is refused in seconds."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from curate.errors import InputError, MissingError
from curate.executors import ray_address
from curate.executors.ray import ray_cluster


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


@pytest.mark.parametrize("by_variable", [False, True])
def test_it_is_no_cluster(address: str, by_variable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setattr(ray_address, "_SECONDS", 0.2)
    monkeypatch.delenv("RAY_USE_TLS", raising=False)
    if by_variable:
        monkeypatch.setenv("RAY_ADDRESS", address)
    joining = ray_cluster("auto", "auto" if by_variable else address)
    with pytest.raises(MissingError, match=address) as refused, joining:
        pass
    assert "ray start --head" in refused.value.remedy


def test_a_cluster_that_speaks_tls_is_not_taken_for_another_server(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(ray_address, "_ask", asked.append)
    monkeypatch.setenv("RAY_USE_TLS", "1")
    ray_address.check_cluster(address)
    assert asked == [address]


@pytest.mark.parametrize("value", ["banana", "ray://127.0.0.1:10001", "http://127.0.0.1:8265"])
def test_a_variable_that_is_no_address_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", value)
    with pytest.raises(InputError, match=f"RAY_ADDRESS is {value}, not auto"):
        ray_address.resolve("auto")
    assert ray_address.resolve("localhost:6379") == "localhost:6379"
