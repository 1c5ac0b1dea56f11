"""Access: who may ask the review server. One browser of this machine, that knows the token; nobody else."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Sequence
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from curate.review import report
from curate.review.answers import refusal

TOKEN_HEADER = "X-Curate-Token"
"""The header with which the page's own requests carry the token; a page of another origin cannot send it."""

_PUBLIC = "/page/"
"""The page's own scripts and styles: the same for everybody, without a word of the dataset."""
_BY_HEADER = "/api/"
_MOST_BYTES = 64 << 20
_POLICY = (
    b"default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    b"frame-ancestors 'none'"
)
_SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


class Access:
    """Lets requests through to `app` that may be answered, and gives every answer the headers that keep it private.

    A name of another site that leads to this machine (DNS rebinding) is known by its Host, a request that another
    page makes (CSRF) by its Origin and by the token it lacks.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app, self._token = app, token
        self._hosts = frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost"))
        self._origins = frozenset(f"http://{host}" for host in self._hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request. Anything but HTTP, such as a web socket, is not spoken here."""
        if scope["type"] != "http":
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                of_report = scope["path"].startswith(report.PLACE)
                rules = (b"content-security-policy", report.policy() if of_report else _POLICY)
                message["headers"] = [*message["headers"], rules, *_SECURITY]
            await send(message)

        reason = self._reason(scope)
        answer = self._app if reason is None else refusal(*reason)
        await answer(scope, receive, with_headers)

    def _reason(self, scope: Scope) -> tuple[int, str] | None:
        """Status and message of a request that is refused, None of one that is answered."""
        hosts = list(_values(scope, b"host"))
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return 403, "this server answers to 127.0.0.1 and localhost alone"
        if any(origin not in self._origins for origin in _values(scope, b"origin")):
            return 403, "this server does not answer the pages of other sites"
        path: str = scope["path"]
        if not path.startswith(_PUBLIC) and not self._knows_token(scope, path):
            return 403, "the token in the address is missing or wrong: open the address that `curate review` printed"
        return _wrong_body(scope, path)

    def _knows_token(self, scope: Scope, path: str) -> bool:
        given = list(_values(scope, TOKEN_HEADER.lower().encode()))
        if path.startswith(report.PLACE):
            given = [path.removeprefix(report.PLACE).partition("/")[0]]
        elif not given and scope["method"] in ("GET", "HEAD") and not path.startswith(_BY_HEADER):
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        return len(given) == 1 and hmac.compare_digest(given[0].encode(), self._token.encode())


def _wrong_body(scope: Scope, path: str) -> tuple[int, str] | None:
    """What is wrong with a request's body, by its headers: no form of another page has these types."""
    if scope["method"] != "POST":
        return None
    wanted = "image/png" if path.startswith("/api/mask/") else "application/json"
    kinds = [kind.partition(";")[0].strip().lower() for kind in _values(scope, b"content-type")]
    if kinds != [wanted]:
        return 415, f"send {wanted}"
    lengths: Sequence[str] = list(_values(scope, b"content-length"))
    if len(lengths) != 1 or not lengths[0].isdecimal():
        return 411, "send the length of the body"
    if int(lengths[0]) > _MOST_BYTES:
        return 413, f"the body is larger than {_MOST_BYTES >> 20} MB"
    return None


def _values(scope: Scope, name: bytes) -> Iterator[str]:
    return (value.decode("latin-1") for key, value in scope["headers"] if key == name)
