"""Several workers of one machine that need a model fetch its files once: a hub on this machine counts."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BODY = b"graph" * 1000
WORKER = """
import sys
from taggers.download import fetch
from taggers.family import Model
import huggingface_hub.file_download
print("ready", flush=True)
sys.stdin.readline()
folder = fetch(Model(name="it", repo="some/model", files=("model.onnx",), licence="any"))
print((folder / "model.onnx").stat().st_size)
"""


class Hub(ThreadingHTTPServer):
    """Serves one file, slowly, under the headers by which the hub's client knows it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.bodies = 0


class _Answer(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("ETag", f'"{"e" * 40}"')
        self.send_header("X-Repo-Commit", "c" * 40)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()

    def do_GET(self) -> None:
        self.server.bodies += 1  # type: ignore[attr-defined]
        self.do_HEAD()
        time.sleep(0.3)  # so that the other one comes meanwhile
        self.wfile.write(BODY)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_workers_that_start_at_once_fetch_a_model_once(hub: Hub, tmp_path: Path) -> None:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGINGFACE", "TRANSFORMERS_"))}
    address = f"http://127.0.0.1:{hub.server_port}"
    env = {**kept, "HF_ENDPOINT": address, "HF_HOME": str(tmp_path), "CURATE_CACHE": str(tmp_path / "cache")}
    env |= {"PYTHONPATH": str(ROOT), "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-c", WORKER]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    workers = [subprocess.Popen(command, env=env, text=True, **pipes) for _ in range(2)]
    for worker in workers:
        assert worker.stdout and worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin
        worker.stdin.write("go\n")
        worker.stdin.flush()
    said = [worker.communicate() for worker in workers]
    assert [out for out, _ in said] == [f"{len(BODY)}\n"] * 2, said[0][1] + said[1][1]
    assert hub.bodies == 1
