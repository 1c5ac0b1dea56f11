"""Files: whole or not at all, nothing left lying about, and the disk's refusals in plain words."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from curate.core.disk_errors import disk_errors
from curate.core.files import (
    copy_file,
    digest_plain,
    digest_rows,
    prune_empty,
    read_bytes,
    remove_leftovers,
    write_atomic,
    write_bytes,
    write_text,
)
from curate.errors import CurateError, InputError, MissingError


def test_a_file_has_the_time_of_change_that_is_asked_for(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a.txt", b"text", mtime=1_700_000_000_123_456_700)
    stat = (tmp_path / "a.txt").stat()
    assert (stat.st_mtime_ns, stat.st_size) == (1_700_000_000_123_456_700, 4)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        write_atomic(path, fail)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_write_makes_folders_and_keeps_newlines(tmp_path: Path) -> None:
    write_text(tmp_path / "deep/er/a.txt", "é\r\nb\n")
    assert (tmp_path / "deep/er/a.txt").read_bytes() == "é\r\nb\n".encode()


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps no such modes")
def test_several_threads_make_the_same_folder(tmp_path: Path) -> None:
    """A thread that finds no folder, which another one makes before it looks again, writes its file all the same."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as threads:
            for number in range(60):
                place = tmp_path / str(number) / "inside"
                gate = threading.Barrier(8)

                def write(name: int, place: Path = place, gate: threading.Barrier = gate) -> None:
                    gate.wait()
                    write_bytes(place / f"{name}.txt", b"x", sync=False)

                list(threads.map(write, range(8)))
                assert len(list(place.iterdir())) == 8
    finally:
        sys.setswitchinterval(interval)


def test_a_written_file_has_the_usual_mode(tmp_path: Path) -> None:
    (tmp_path / "usual").write_text("x")
    write_text(tmp_path / "ours", "x")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, MissingError, "the disk is full"),
        (errno.EACCES, InputError, "cannot write"),
        (errno.EROFS, InputError, "cannot write"),
        (errno.EIO, CurateError, "cannot write"),
        (errno.EEXIST, InputError, "a file is in the place of a folder"),
    ],
)
def test_a_refusal_of_the_disk_is_one_readable_error(number: int, kind: type[CurateError], words: str) -> None:
    with pytest.raises(CurateError) as told, disk_errors("here.png"):
        raise OSError(number, os.strerror(number))
    assert type(told.value) is kind
    assert words in str(told.value)
    assert "here.png" in str(told.value)


def test_an_encoder_that_refuses_is_not_the_disk() -> None:
    with pytest.raises(OSError, match="encoder error"), disk_errors("here.png"):
        raise OSError("encoder error -2")


FULL = """
import resource, signal, sys
from pathlib import Path
from curate.core.files import write_atomic
from curate.errors import CurateError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomic(Path(sys.argv[1]), lambda p: p.write_bytes(b"x" * 5000))
except CurateError as error:
    print(error)
    raise SystemExit(error.exit_code)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs a limit on file sizes")
def test_a_write_that_does_not_fit_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "a.png")], capture_output=True, text=True, check=False
    )
    assert done.returncode in (1, 3)
    assert "a.png" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.txt")
    threading.Thread(target=lambda: (tmp_path / "a.txt").open("wb").close(), daemon=True).start()
    with pytest.raises(OSError, match="neither a file nor a folder"):
        read_bytes(tmp_path / "a.txt")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    def fill(temporary: Path) -> None:
        with Path("/dev/full").open("wb", buffering=0) as f:
            f.write(b"x")

    with pytest.raises(MissingError, match="the disk is full"):
        write_atomic(tmp_path / "a", fill)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(InputError, match="a file is in the place of a folder"):
        write_text(tmp_path / "a/b.txt", "x")


def test_copies_are_whole(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(os.urandom(100_000))
    copy_file(tmp_path / "a", tmp_path / "b/c")
    assert (tmp_path / "b/c").read_bytes() == (tmp_path / "a").read_bytes()


def test_leftovers_go_and_empty_folders_with_them(tmp_path: Path) -> None:
    (tmp_path / "x/y").mkdir(parents=True)
    (tmp_path / "x/y/.curate-0123456789abcdef.png").write_text("")
    (tmp_path / "x/y/.curate-0123456789abcdef").write_text("")
    (tmp_path / "keep").write_text("")
    remove_leftovers(tmp_path / "x/y")
    prune_empty(tmp_path / "x/y", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["keep"]


def test_an_empty_folder_goes_though_the_one_inside_is_gone_already(tmp_path: Path) -> None:
    (tmp_path / "x/y").mkdir(parents=True)
    prune_empty(tmp_path / "x/y/z", tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / "x").mkdir()
    (tmp_path / "x/keep").write_text("")
    prune_empty(tmp_path / "x/y/z", tmp_path)
    assert [p.name for p in (tmp_path / "x").iterdir()] == ["keep"]


def test_files_of_a_person_are_no_leftovers(tmp_path: Path) -> None:
    names = [".curate-0123456789abcdef.png.bak", ".curate-0123456789abcdef-copy.png", ".curate-notes.txt"]
    for name in names:
        (tmp_path / name).write_text("mine")
    assert not remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_a_killed_write_leaves_a_name_that_is_cleaned_up(tmp_path: Path) -> None:
    copies: list[Path] = []

    def write(temporary: Path) -> None:
        temporary.write_text("half")
        copies.append(tmp_path / "killed" / temporary.name)
        copies[0].parent.mkdir(exist_ok=True)
        shutil.copy(temporary, copies[0])

    for name in ("a.png", "a.tar.gz", "a"):
        copies.clear()
        write_atomic(tmp_path / name, write)
        assert remove_leftovers(tmp_path / "killed"), copies[0].name
        assert not copies[0].exists()


def test_equal_values_have_equal_digests() -> None:
    assert digest_plain({"b": 1, "a": (1, 2)}) == digest_plain({"a": [1, 2], "b": 1})
    assert digest_plain(["a\udce9"]) != digest_plain(["a"])


@pytest.mark.parametrize("rows", [[], [1], [["a", {"b": 2, "a": "\udcff"}], None, "é"]])
def test_the_digest_of_many_rows_is_that_of_the_whole_list(rows: list[object]) -> None:
    head = [{"z": 1, "a": []}, "x"]
    assert digest_rows(head, iter(rows)) == digest_plain([*head, rows])
