"""Serve: opens the port, prints the address, and answers until the user stops it."""

from __future__ import annotations

import contextlib
import errno
import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path

import uvicorn

from curate.core.files import write_text
from curate.core.garbage import rare_collections
from curate.core.store import LEDGER, ledger_place
from curate.errors import CurateError, InputError
from curate.review.check_results import Checker
from curate.review.server import Review

HOST = "127.0.0.1"


def serve(
    target: Path,
    tell: Callable[[str], None],
    *,
    port: int = 0,
    browser: bool = True,
    base: str = "",
    tokenizer: str = "",
    waits: bool = False,
    checker: Checker | None = None,
    show: str = "",
) -> bool:
    """Serves the review page of a folder on this machine alone, until Ctrl-C; `tell` hears its address.

    Where a run `waits` for it, the page ends too once the user accepts the dataset. Returns whether that was so.
    Without `port` it is that of the last time, if it is free: what a browser keeps of unsaved work belongs to the port.
    `checker` makes the checks; the page opens with the pictures of the check `show`.
    The token is new each time: what one server heard, another program on its port could have heard after it ended.
    Raises InputError for a folder that is not there and a port that is taken.
    """
    if not target.is_dir():
        what = "is not a folder" if target.exists() else "does not exist"
        raise InputError(f"{target} {what}", "give a prepared folder, a folder of pictures, or a pipeline file")
    kept = ledger_place(target) / LEDGER / "review-port"
    with _listening(port, _number_in(kept)) as listener, rare_collections():
        review = Review(target, base, tokenizer, waits=waits, checker=checker)
        try:
            review.start()
            number: int = listener.getsockname()[1]
            with contextlib.suppress(CurateError, OSError):
                write_text(kept, str(number), sync=False)
            token = secrets.token_urlsafe(32)
            address = f"http://{HOST}:{number}/?token={token}" + (f"#check={show}" if show else "")
            tell(address)
            if browser:
                threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
            server = _server(review, token, number)
            with contextlib.suppress(KeyboardInterrupt):
                server.run(sockets=[listener])
            return review.accepted.is_set()
        finally:
            review.close()


def _server(review: Review, token: str, port: int) -> uvicorn.Server:
    """The server of a page, which ends when the user accepts the dataset."""
    config = uvicorn.Config(
        review.application(token, port), http="h11", ws="none", lifespan="off", log_config=None, access_log=False,
        server_header=False, timeout_graceful_shutdown=2, h11_max_incomplete_event_size=65536,
    )  # fmt: skip
    server = uvicorn.Server(config)

    def end() -> None:
        server.should_exit = True

    review.on_accept = end
    return server


def _number_in(file: Path) -> int:
    """The port that a file holds, 0 without one."""
    try:
        port = int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0
    return port if 1024 <= port <= 65535 else 0


def _listening(port: int, wish: int = 0) -> socket.socket:
    """A socket of this machine alone. Where `port` is 0, on the port `wish` if it is free, else on any."""
    if wish and not port:
        with contextlib.suppress(InputError):
            return _listening(wish)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if hasattr(socket, "SO_REUSEADDR") and hasattr(socket, "AF_UNIX"):
            # elsewhere than on Windows, where it would let two programs share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise InputError(
                f"port {port} cannot be used: {error.strerror}", "choose another with --port, or leave --port out"
            ) from error
        raise
    return listener
