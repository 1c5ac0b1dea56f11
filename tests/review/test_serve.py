"""The port of the page is kept from one time to the next; its token never is."""

from __future__ import annotations

import gc
import http.client
import socket
import threading
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from curate.review.serve import serve
from tests.folder.helpers import Project


def address(folder: Path, port: int = 0) -> tuple[int, str]:
    """Port and token of a page that is accepted at once."""
    url = opened(folder, port)
    (token,) = parse_qs(urlsplit(url).query)["token"]
    return urlsplit(url).port or 0, token


def opened(folder: Path, port: int = 0, show: str = "") -> str:
    """The whole address of such a page."""
    heard: list[str] = []
    begun = threading.Event()

    def tell(text: str) -> None:
        heard.append(text)
        begun.set()

    def run() -> None:
        assert serve(folder, tell, port=port, browser=False, waits=True, show=show)

    thread = threading.Thread(target=run)
    thread.start()
    begun.wait(20)
    parts = urlsplit(heard[0])
    (token,) = parse_qs(parts.query)["token"]
    assert parts.port is not None
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=20)
    headers = {"X-Curate-Token": token, "Content-Type": "application/json"}
    connection.request("POST", "/api/continue", b"{}", headers)
    assert connection.getresponse().status == 200
    connection.close()
    thread.join()
    return heard[0]


def test_the_port_is_kept_and_the_token_is_new(dogs: Project) -> None:
    port, token = address(dogs.out)
    again, other = address(dogs.out)
    assert again == port and other != token
    assert token not in "".join(p.read_text("latin-1") for p in (dogs.out / ".curate").iterdir() if p.is_file())
    with socket.create_server(("127.0.0.1", port)):
        taken, _ = address(dogs.out)
    assert taken != port
    for text in ("no number", "80", "99999"):
        (dogs.out / ".curate/review-port").write_text(text, encoding="utf-8")
        assert address(dogs.out)[0] not in (80, 99999)


def test_the_address_shows_a_check(dogs: Project) -> None:
    assert urlsplit(opened(dogs.out)).fragment == ""
    assert urlsplit(opened(dogs.out, show="caption-empty")).fragment == "check=caption-empty"


def test_the_collector_is_as_before(dogs: Project) -> None:
    before = gc.get_threshold()
    opened(dogs.out)
    assert gc.get_threshold() == before
