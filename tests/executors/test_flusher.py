"""Pictures wait for the disk beside the work; nobody is told of one before it is there under its name."""

from __future__ import annotations

import contextlib
import errno
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from curate.core.chain import Encode, Outcome, Prepared, open_chain
from curate.core.executor import Executor
from curate.core.new_files import NewFile, keep_all, new_file
from curate.core.stage import Env, Worker
from curate.core.store import Store
from curate.errors import CurateError
from curate.executors import ray_worker
from curate.executors.flusher import Flusher
from curate.executors.local import InProcess, Processes
from curate.executors.ray_files import Mirror
from curate.executors.worker_process import MAX_WAITING
from tests.core.helpers import Bench, RawPictures, pictures
from tests.core.stages import Brighter

EXECUTORS = (InProcess(), InProcess(threads=2))


def objects(folder: Path) -> list[Path]:
    return [path for path in (folder / ".curate/objects").rglob("*") if path.is_file()]


@pytest.fixture
def waiting_disk(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """A disk that ends no flush until three are under way at once, or some time has passed; whether they were."""
    met, lock, now = threading.Event(), threading.Lock(), [0]

    def fsync(file: int) -> None:
        with lock:
            now[0] += 1
            if now[0] == 3:
                met.set()
        met.wait(2)
        with lock:
            now[0] -= 1

    monkeypatch.setattr(os, "fsync", fsync)
    return met


@pytest.mark.parametrize("executor", EXECUTORS)
def test_outcomes_come_once_their_files_have_their_names(
    executor: Executor, tmp_path: Path, waiting_disk: threading.Event
) -> None:
    env = Env(root=tmp_path / "root", output=tmp_path, pictures=RawPictures())
    chain = [Prepared(Brighter(by=2), ""), Prepared(Encode(), "")]
    seen: list[int] = []
    for outcome in executor.map(chain, enumerate(pictures(tmp_path / "in", 12)), env):
        (record,) = outcome.steps[-1]
        assert (env.root / record.image.path).is_file()
        seen.append(outcome.index)
    assert sorted(seen) == list(range(12))
    assert waiting_disk.is_set()
    if executor is EXECUTORS[0]:
        assert seen == list(range(12))


def test_no_more_than_a_few_pictures_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    monkeypatch.setattr(os, "fsync", lambda _: go.wait(10))
    flusher, added = Flusher(), []

    def add() -> None:
        for n in range(MAX_WAITING + 4):
            flusher.add([new_file(tmp_path / str(n), lambda path: path.write_bytes(b"x"))])
            added.append(n)

    thread = threading.Thread(target=add)
    thread.start()
    while len(added) < MAX_WAITING:
        time.sleep(0.01)
    thread.join(0.1)
    assert len(added) == MAX_WAITING
    assert [path.name for path in tmp_path.iterdir() if path.name.isdigit()] == []
    go.set()
    thread.join()
    flusher.close()
    assert len(list(tmp_path.iterdir())) == MAX_WAITING + 4


KILLED = """
import os, sys, time
from pathlib import Path
from curate.executors.local import InProcess
from tests.core.helpers import Bench, pictures
from tests.core.stages import Brighter
os.fsync = lambda _: time.sleep(0.2)
place = Path(sys.argv[1])
Bench(place / "out", executor=InProcess(threads=2)).run([Brighter(by=2)], pictures(place / "in", 60))
"""


def test_a_killed_process_leaves_whole_files_and_the_next_run_the_same_bytes(tmp_path: Path) -> None:
    many = pictures(tmp_path / "in", 60)
    Bench(tmp_path / "whole").run([Brighter(by=2)], many)
    expected = {path.name: path.read_bytes() for path in objects(tmp_path / "whole")}
    process = subprocess.Popen([sys.executable, "-c", KILLED, tmp_path], cwd=Path(__file__).parents[2])
    while process.poll() is None and len(objects(tmp_path / "out")) < 20:
        time.sleep(0.01)
    process.kill()
    assert process.wait() != 0
    named = {path.name: path.read_bytes() for path in objects(tmp_path / "out") if not path.name.startswith(".")}
    assert named.items() <= expected.items()
    assert len(named) < 60
    bench = Bench(tmp_path / "out")
    bench.run([Brighter(by=2)], many)
    assert 60 >= sum(bench.started().values()) >= 60 - len(named)
    after = {path.name: path.read_bytes() for path in objects(tmp_path / "out") if not path.name.startswith(".")}
    assert after == expected


def failing_fsync() -> Callable[[int], None]:
    """A flush that works a few times, and fails from then on."""
    flush, left = os.fsync, iter(range(3))

    def fsync(file: int) -> None:
        if next(left, None) is None:
            raise OSError(errno.EIO, "Input/output error")
        flush(file)

    return fsync


class FailingDisk(Brighter):
    """Brighter pictures; the disk of a worker process fails from some moment on."""

    @contextlib.contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        if multiprocessing.parent_process() is not None:
            os.fsync = failing_fsync()
        with super().open(env) as worker:
            yield worker


@pytest.mark.parametrize("executor", [*EXECUTORS, Processes(2)])
def test_a_flush_that_fails_ends_the_run_with_the_name_of_the_file(
    executor: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if isinstance(executor, InProcess):
        monkeypatch.setattr(os, "fsync", failing_fsync())
    many = pictures(tmp_path / "in", 12)
    bench = Bench(tmp_path / "out", executor=executor)
    with pytest.raises(CurateError, match=r"cannot write .*objects.*: Input/output error"):
        bench.run([FailingDisk(by=2)], many)
    assert not [event for event in bench.events if getattr(event, "aside", "")]
    kept = objects(tmp_path / "out")
    assert len(kept) <= 6 and not [path for path in kept if path.name.startswith(".")]
    with Store(tmp_path / "out") as store:
        assert len(store.read("SELECT 1 FROM results WHERE stage = 'encode'")) <= len(kept)


def test_a_call_to_a_ray_worker_flushes_before_it_replies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waiting_disk: threading.Event
) -> None:
    env = Env(root=tmp_path / "root", output=tmp_path, pictures=RawPictures())
    chain = [Prepared(Brighter(by=2), ""), Prepared(Encode(), "")]
    worker, mirror = ray_worker.RayWorker(), Mirror(tmp_path / "node", env, shares_disk=True)
    work = tuple(enumerate(pictures(tmp_path / "in", 8)))
    with open_chain(chain, mirror.env) as apply:
        worker.opened(chain, apply, mirror)
        reply = worker.apply(ray_worker.Parcel(work[:4]))
        assert len(reply.outcomes) == 4 and waiting_disk.is_set()
        assert all((env.root / path).is_file() for path in map(encoded, reply.outcomes))

        def failing(_: int) -> None:
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(os, "fsync", failing)
        reply = worker.apply(ray_worker.Parcel(work[4:]))
    assert "Input/output error" in str(reply.error) and not reply.outcomes
    assert len([path for path in env.root.rglob("*") if path.is_file()]) == 4


def encoded(outcome: Outcome) -> str:
    return outcome.steps[-1][0].image.path


def test_a_file_that_cannot_be_kept_is_removed(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    file = new_file(tmp_path / "taken", lambda path: path.write_bytes(b"x"))
    with pytest.raises(CurateError, match="taken"):
        file.keep()
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
    NewFile(file.temporary, file.path).discard()


def test_a_disk_that_fails_for_good_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    files = [new_file(tmp_path / name, lambda path: path.write_bytes(b"x")) for name in "ab"]
    monkeypatch.setattr(os, "fsync", failing)
    monkeypatch.setattr(os, "unlink", failing)
    with pytest.raises(CurateError, match=r"cannot write .*/[ab]: Read-only"):
        keep_all(files)
