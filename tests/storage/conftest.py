"""A bucket of pictures, pipelines over it, and the command as a process that sees the server."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
from PIL import Image

from tests.storage.server import S3, serve
from tests.warm import Server

ROOT = Path(__file__).parents[2]

STAGES = """
  - convert
  - resize: {max_side: 48}
  - tag: {tagger: palette}
  - trigger
  - balance
  - export: {also: [metadata.jsonl]}
"""


def picture(seed: int, form: str = "PNG") -> bytes:
    """A small picture of its own."""
    random = np.random.default_rng(seed)
    pixels = np.kron(random.integers(0, 256, (4, 6, 3), np.uint8), np.ones((16, 16, 1), np.uint8))
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form)
    return file.getvalue()


def pictures() -> dict[str, bytes]:
    """Two concepts with names of every kind, and captions."""
    files = {f"dog/{name}.png": picture(n) for n, name in enumerate(("a", "b c", "ü 犬", "D", "d", "x+y%20&z"))}
    files |= {f"blue robe/{n}.jpg": picture(10 + n, "JPEG") for n in range(2)}
    return files | {"dog/a.txt": b"running, grass", "dog/b c.txt": "süß, 犬".encode()}


@pytest.fixture
def s3() -> Iterator[S3]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # in this process fsspec hands out what it made for another test's server
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    server = S3()
    stop = serve(server)
    server.client.create_bucket(Bucket="target")
    server.put("source", {f"raw/{name}": data for name, data in pictures().items()})
    yield server
    server.fault = None
    for bucket in ("source", "target"):
        for page in server.client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for one in page.get("Contents", ()):
                server.client.delete_object(Bucket=bucket, Key=one["Key"])
        server.client.delete_bucket(Bucket=bucket)
    stop()


def write_pipeline(folder: Path, source: str, target: str, *, stages: str = STAGES, more: str = "") -> Path:
    path = folder / "pipeline.yaml"
    path.write_text(
        f"input: {json.dumps(source)}\noutput: {json.dumps(target)}\nconcepts:\n  dog: {{trigger: [zwx dog]}}\n"
        f"stages:{stages}{more}",
        encoding="utf-8",
    )
    return path


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


Run = Callable[..., subprocess.CompletedProcess[str]]


def environment(s3: S3 | None, cache: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "FORCE_COLOR", "NO_COLOR"))}
    return kept | {"CURATE_CACHE": str(cache), "COLUMNS": "200"} | (s3.environment() if s3 else {})


@pytest.fixture
def curate(s3: S3, server: Server | None, tmp_path: Path) -> Run:
    """Runs the command against the server; its cache is in the test's folder, or in the one given."""

    def run(
        *arguments: str | Path, code: int = 0, cache: Path | None = None, cold: bool = False, **extra: str
    ) -> subprocess.CompletedProcess[str]:
        env = environment(s3, cache or tmp_path / "cache") | extra
        command = [sys.executable, "-m", "curate.cli", *map(str, arguments)]
        if server is None or cold:
            done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=env, check=False)
        else:
            out = tmp_path / "said"
            ended = server.start(*arguments, cwd=ROOT, env=env, out=out).wait()
            said = (out.with_suffix(end).read_text(encoding="utf-8") for end in (".out", ".err"))
            done = subprocess.CompletedProcess(command, ended, *said)
        assert done.returncode == code, f"exit {done.returncode}, expected {code}\n{done.stdout}\n{done.stderr}"
        return done

    return run


def tree(folder: Path) -> dict[str, bytes]:
    """All files with their bytes, without the ledger folder."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and ".curate" not in p.relative_to(folder).parts
    }


@pytest.fixture
def expected(tmp_path: Path, curate: Run) -> dict[str, bytes]:
    """What a run over a folder of the same pictures makes."""
    place = tmp_path / "local"
    write_files(place / "raw", pictures())
    curate("run", write_pipeline(place, "raw", "prepared"))
    return tree(place / "prepared")
