"""An S3 server on this machine that counts what it is asked, and fails as it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import boto3
from botocore.config import Config
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

Fault = Callable[[str, str], "int | float | None"]
"""For a method and a path: a status to answer with, seconds to wait first, or None for a proper answer."""

_ERROR = "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{}</Code><Message>{}</Message></Error>"
_CODES = {403: "AccessDenied", 500: "InternalError", 503: "ServiceUnavailable"}


@dataclass
class S3:
    """The running server, with a client that looks at it from outside."""

    url: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    copied: list[str] = field(default_factory=list)
    fault: Fault | None = None

    def environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": "AKIATESTKEY",
            "AWS_SECRET_ACCESS_KEY": "very-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.url,
        }

    @property
    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id="AKIATESTKEY",
            aws_secret_access_key="very-secret",
            region_name="us-east-1",
            config=Config(retries={"max_attempts": 0}),
        )

    def put(self, bucket: str, files: dict[str, bytes]) -> None:
        client = self.client
        client.create_bucket(Bucket=bucket)
        for name, data in files.items():
            client.put_object(Bucket=bucket, Key=name, Body=data)

    def tree(self, bucket: str, prefix: str = "") -> dict[str, bytes]:
        client, found = self.client, {}
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for one in page.get("Contents", ()):
                body = client.get_object(Bucket=bucket, Key=one["Key"])["Body"].read()
                found[one["Key"].removeprefix(prefix)] = body
        return found

    def asked(self, method: str, end: str = "") -> list[str]:
        """The objects that were asked for with a method since `requests` was cleared; no listings, nor the lease."""
        asked = [p for m, p in self.requests if m == method and p.count("/") > 1 and p.rstrip("/").endswith(end)]
        return [path for path in asked if not path.endswith("/.curate/running.json")]


def serve(s3: S3) -> Callable[[], None]:
    """Starts the server in a thread; returns what stops it."""
    app = DomainDispatcherApplication(create_backend_app)

    def counting(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], unquote(environ["PATH_INFO"])
        outside = "Boto3" in environ.get("HTTP_USER_AGENT", "")
        answer = None if outside or s3.fault is None else s3.fault(method, path)
        if not outside:
            s3.requests.append((method, path))
            if "HTTP_X_AMZ_COPY_SOURCE" in environ:
                s3.copied.append(path)
        if isinstance(answer, int):
            start(f"{answer} fault", [("Content-Type", "application/xml")])
            body = _ERROR.format(_CODES.get(answer, "InternalError"), "as the test asked").encode()
            return [] if method == "HEAD" else [body]
        if isinstance(answer, float):
            time.sleep(answer)
        return app(environ, start)

    server = make_server("127.0.0.1", 0, counting, threaded=True)
    s3.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
