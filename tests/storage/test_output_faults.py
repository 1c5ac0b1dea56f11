"""Uploads that are killed, refused or slow: the next run ends with the same objects as one that nothing disturbed."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.storage.conftest import ROOT, Run, environment, tree, write_pipeline
from tests.storage.server import S3
from tests.warm import Server

FAST = {"AWS_MAX_ATTEMPTS": "1"}


def stored(s3: S3) -> dict[str, bytes]:
    return {name: data for name, data in s3.tree("target", "set/").items() if not name.startswith(".curate/")}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_pipeline(tmp_path, "s3://source/raw", "s3://target/set")


def killed_at(s3: S3, server: Server, file: Path, tmp_path: Path, number: int, *, arrives: bool) -> int:
    """Runs until the request of that number that changes the bucket, which arrives or does not; how many there were."""
    count = 0
    lock = threading.Lock()
    process = server.start("run", file, cwd=ROOT, env=environment(s3, tmp_path / "cache"), out=tmp_path / "killed")

    def kill(method: str, path: str) -> int | None:
        nonlocal count
        if method in ("GET", "HEAD"):
            return None
        with lock:
            count += 1
            mine = count
        if mine == number:
            os.kill(process.pid, signal.SIGKILL)
        return None if mine < number or (arrives and mine == number) else 500

    s3.fault = kill
    process.wait()
    s3.fault = None
    return count


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
@pytest.mark.parametrize("arrives", [True, False])
def test_kill_in_mid_upload_and_rerun_gives_the_same_objects(
    tmp_path: Path, s3: S3, curate: Run, server: Server, file: Path, expected: dict[str, bytes], arrives: bool
) -> None:
    # in a first run, after a new trigger renamed everything, and back again
    words = ["zwx dog", "qqq hound", "zwx dog"]
    for before, trigger, moments in zip(
        ["zwx dog", *words], words, [(1, 2, 7, 12, 17), (1, 5, 9, 14), (16, 20)], strict=False
    ):
        file.write_text(file.read_text(encoding="utf-8").replace(before, trigger), encoding="utf-8")
        for moment in moments:
            assert killed_at(s3, server, file, tmp_path, moment, arrives=arrives) >= moment or moment > 12
    done = curate("run", file)
    assert stored(s3) == expected
    assert "edited" not in done.stderr
    s3.requests.clear()
    curate("run", file)
    assert s3.asked("PUT") == s3.asked("DELETE") == []


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_an_edit_made_after_a_kill_is_kept(tmp_path: Path, s3: S3, curate: Run, server: Server, file: Path) -> None:
    curate("run", file)
    file.write_text(file.read_text(encoding="utf-8").replace("zwx dog]", "zwx dog, hound]"), encoding="utf-8")
    killed_at(s3, server, file, tmp_path, 6, arrives=True)
    names = [name for name in stored(s3) if name.endswith("/b c.txt")]
    for name in names:
        s3.put("target", {f"set/{name}": b"edited after the kill"})
    curate("run", file)
    assert b"edited after the kill" in stored(s3).values()
    curate("run", file)
    assert b"edited after the kill" in stored(s3).values()


@pytest.mark.parametrize(("fault", "code", "words"), [(500, 1, "cannot be reached"), (403, 2, "is denied")])
def test_a_store_that_refuses_uploads_loses_nothing(
    tmp_path: Path, s3: S3, curate: Run, file: Path, expected: dict[str, bytes], fault: int, code: int, words: str
) -> None:
    s3.fault = lambda method, path: fault if method == "PUT" and path.endswith(".txt") and "/set/3_" in path else None
    done = curate("run", file, code=code, **FAST)
    assert f"{file}:2:9: " in done.stderr
    assert words in done.stderr
    assert "nothing is lost: the dataset is complete in" in done.stderr
    [work] = (tmp_path / "cache/work").glob("*/set")
    assert tree(work) == expected
    s3.fault = None
    curate("run", file)
    assert stored(s3) == expected


@pytest.mark.parametrize(
    ("target", "code", "words"),
    [
        ("s3://no-such-bucket/set", 2, ["s3://no-such-bucket/set does not exist"]),
        ("s3://source/raw/set", 2, ["is in the input"]),
        ("s3://source", 2, ["is or holds the input"]),
        ("hf://datasets/someone/set", 2, ["can only be read", "hf upload"]),
        ("s3://key:secret@target/set", 2, ["a key or a password"]),
    ],
)
def test_a_wrong_output_ends_the_run_before_its_work(
    tmp_path: Path, s3: S3, curate: Run, file: Path, target: str, code: int, words: list[str]
) -> None:
    before = s3.tree("source")
    done = curate("run", file, "--set", f"output={target}", code=code)
    assert all(word in done.stderr for word in ("--set output=", *words)), done.stderr
    assert "convert" not in done.stderr
    assert "secret" not in done.stderr
    plan = curate("plan", file, "--set", f"output={target}", code=code)
    assert all(word in plan.stderr for word in words), plan.stderr
    assert s3.tree("source") == before


def test_no_right_to_write_is_told_before_the_work(s3: S3, curate: Run, file: Path) -> None:
    s3.fault = lambda method, path: 403
    for command in ("run", "plan"):
        done = curate(command, file, code=2)
        assert f"{file}:2:9: access to s3://target/set is denied: as the test asked" in done.stderr
    s3.fault = lambda method, path: 403 if method == "PUT" else None
    done = curate("run", file, code=2)
    assert f"{file}:2:9: access to s3://target/set is denied" in done.stderr
    assert "convert" not in done.stderr


def test_two_runs_at_once(tmp_path: Path, s3: S3, curate: Run, server: Server, file: Path) -> None:
    holding, going = threading.Event(), threading.Event()

    def wait(method: str, path: str) -> None:
        if method == "GET" and path.endswith("/a.png"):
            holding.set()
            going.wait(60)

    s3.fault = wait
    first = server.start("run", file, cwd=ROOT, env=environment(s3, tmp_path / "cache"), out=tmp_path / "first")
    assert holding.wait(60)
    done = curate("run", file, code=1)
    assert "another run is working on" in done.stderr
    done = curate("run", file, code=1, cache=tmp_path / "other")
    assert f"another machine works on s3://target/set: process {first.pid} on {platform.node()}" in done.stderr
    assert "scan" not in done.stderr
    going.set()
    assert first.wait() == 0
    assert not [name for name in s3.tree("target") if name.endswith("running.json")]


def test_run_work_without_a_store_is_refused(tmp_path: Path, curate: Run, file: Path) -> None:
    done = curate("run", file, "--set", "output=prepared", "--set", "run.work=x", code=2)
    assert "run.work: has no effect, because output is a folder" in done.stderr


def test_the_command_does_not_load_backends() -> None:
    code = "import sys, curate.cli.main; print([m for m in ('fsspec', 's3fs', 'pyarrow', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
