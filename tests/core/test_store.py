"""The ledger: what is committed survives a kill, what cannot be used is said in one sentence."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from curate.core.database import readable
from curate.core.digests import FileDigests
from curate.core.files import digest_bytes
from curate.core.json_text import as_json
from curate.core.store import Store
from curate.core.written import SideFile, Written
from curate.errors import CurateError, InputError, LockedError, MissingError


def row(path: str = "1_dog/a.png", **changes: object) -> Written:
    values = {
        "path": path,
        "key": "dog/a",
        "origin": "o",
        "digest": "d",
        "size": 1,
        "mtime": 2,
        "caption_path": "1_dog/a.txt",
    }
    return Written(**{**values, "caption": "dog", "stored": as_json({"tags": ["dog"]}), **changes})  # type: ignore[arg-type]


def test_what_is_remembered_is_recalled(tmp_path: Path) -> None:
    many = {f"k{n}": {"n": n, "é": "ü"} for n in range(1200)}
    with Store(tmp_path) as store:
        store.remember("tag", many)
    with Store(tmp_path) as store:
        assert store.recall([*many, "unknown"]) == many


def test_names_that_are_no_unicode_are_kept(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    with Store(tmp_path) as store:
        store.remember("scan", {"k": {"path": name}})
        store.wrote([row(stored=as_json({"image": {"path": name}}))])
        assert store.recall(["k"])["k"]["path"] == name
        assert store.written()["1_dog/a.png"].record["image"]["path"] == name


def test_written_rows_come_back_as_they_were(tmp_path: Path) -> None:
    rows = [row(), row("1_dog/ü.png", caption_path="", caption="")]
    with Store(tmp_path) as store:
        store.wrote(rows)
        assert list(store.written().values()) == sorted(rows, key=lambda w: w.path)
        store.forget_written(["1_dog/a.png"])
        assert list(store.written()) == ["1_dog/ü.png"]


def test_new_intentions_replace_old_ones(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.intend([row(caption="old")], [])
        store.intend([row(caption="new"), row("b.png")], [])
        assert [(w.path, w.caption) for w in store.intended()] == [("1_dog/a.png", "new"), ("b.png", "dog")]
        assert store.is_interrupted
        store.settle()
        assert not store.is_interrupted
        assert list(store.intended()) == []


def test_many_intentions_are_read_while_something_is_written(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.intend((row(f"{number}.png") for number in range(1201)), [])
        paths: list[str] = []
        for one in store.intended(records=False):
            assert one.stored == ""
            paths.append(one.path)
            store.wrote([one])
            store.commit()
        assert paths == [f"{number}.png" for number in range(1201)]
        assert store.count_written() == 1201


def test_no_row_is_of_a_name_that_is_no_unicode(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.wrote([row("1_dog/a.png")])
        assert list(store.written_at(["bad\udcff.png", "1_dog/a.png"])) == ["1_dog/a.png"]


def test_a_newer_ledger_is_refused(tmp_path: Path) -> None:
    Store(tmp_path).close()
    db = sqlite3.connect(tmp_path / ".curate/ledger.sqlite")
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(InputError, match="written by a newer curate"):
        Store(tmp_path)


def test_a_damaged_ledger_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / ".curate").mkdir()
    (tmp_path / ".curate/ledger.sqlite").write_bytes(b"this is no database at all, " * 100)
    with pytest.raises(CurateError, match=r"ledger .*ledger\.sqlite is damaged.*\n.*captions that you edited stay"):
        Store(tmp_path)


def test_damage_inside_is_one_clear_error(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.remember("tag", {f"k{n:04}": "x" * 400 for n in range(2000)})
    path = tmp_path / ".curate/ledger.sqlite"
    size = path.stat().st_size
    with path.open("r+b") as f:
        f.seek(8192)
        f.write(b"\xff" * (size - 8192))
    with pytest.raises(CurateError, match="ledger"), Store(tmp_path) as store:
        store.recall([f"k{n:04}" for n in range(2000)])


VERSION_1 = """
CREATE TABLE results (key TEXT PRIMARY KEY, stage TEXT NOT NULL, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE files (path TEXT PRIMARY KEY, size INTEGER, mtime INTEGER, digest TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE written (
    path TEXT PRIMARY KEY, key TEXT NOT NULL, origin TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,
    mtime INTEGER NOT NULL, caption_path TEXT NOT NULL, caption TEXT NOT NULL, record BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE writing AS SELECT * FROM written WHERE 0;
CREATE TABLE edits (
    origin TEXT NOT NULL, key TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (origin, key)) WITHOUT ROWID;
INSERT INTO results VALUES ('5f', 'resize', '[{"part":""}]');
INSERT INTO results VALUES ('consent:1:aa', 'consent', '""');
INSERT INTO results VALUES ('consent:1:bb', 'consent', '"a mark: of XMP"');
INSERT INTO results VALUES ('publish:masks', 'publish',
    '{"masks/1_dog/a.png":["m 8 8","d1","d0"],"masks/1_dog/ü.png":["n","d2"]}');
INSERT INTO results VALUES ('export:dataset.toml', 'export', '["t0","t1"]');
INSERT INTO written VALUES ('1_dog/a.png','dog/a','aa','d',1,2,'1_dog/a.txt','dog','{}');
INSERT INTO edits VALUES ('aa', 'dog/a', 'my dog');
INSERT INTO files VALUES ('/raw/a.png', 3, 4, 'aa');
PRAGMA user_version=1;
"""


def test_a_ledger_of_version_1_is_recalled(tmp_path: Path) -> None:
    (tmp_path / ".curate").mkdir()
    db = sqlite3.connect(tmp_path / ".curate/ledger.sqlite")
    db.executescript(VERSION_1)
    db.close()
    for _ in range(2):
        with Store(tmp_path) as store:
            assert store.recall(["5f", "publish:masks", "consent:1:aa"]) == {"5f": [{"part": ""}]}
            assert store.consent(1, ["aa", "bb", "cc"]) == {"aa": "", "bb": "a mark: of XMP"}
            assert store.consent(2, ["aa"]) == {}
            assert store.side_files("mask") == {
                "masks/1_dog/a.png": SideFile("m 8 8", ("d1", "d0")),
                "masks/1_dog/ü.png": SideFile("n", ("d2",)),
            }
            assert store.side_files("export") == {"dataset.toml": SideFile("", ("t0", "t1"))}
            assert [w.key for w in store.written().values()] == ["dog/a"]
            assert store.read("SELECT * FROM file_digests") == [("/raw/a.png", "blake2b", 3, 4, "aa")]
            assert store.edits() == {("aa", "dog/a"): "my dog"}


def test_files_beside_pictures_are_kept_by_kind_and_forgotten_by_path(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.keep_side_files("mask", {"masks/a.png": SideFile("s", ("1",)), "masks/b.png": SideFile("s", ("2",))})
        store.keep_side_files("mask", {"masks/a.png": SideFile("t", ("3", "1"))})
        store.keep_side_files("export", {"dataset.toml": SideFile("", ())})
        store.forget_side_files(["masks/b.png"])
    with Store(tmp_path) as store:
        assert store.side_files("mask") == {"masks/a.png": SideFile("t", ("3", "1"))}
        assert store.side_files("export") == {"dataset.toml": SideFile("", ())}


def test_a_full_disk_is_told_from_damage(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "small.sqlite")
    db.execute("PRAGMA max_page_count=4")
    db.execute("CREATE TABLE t (x)")
    with pytest.raises(sqlite3.OperationalError) as full:
        db.execute("INSERT INTO t VALUES (zeroblob(100000))")
    db.close()
    error = readable(tmp_path / "full/ledger.sqlite", full.value)
    assert isinstance(error, MissingError) and "the disk is full while writing" in error.message


def test_the_disk_refuses_the_ledger_as_it_is_full_or_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = sqlite3.OperationalError("disk I/O error")  # also where the file beside the ledger cannot grow
    refused.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
    failing = readable(tmp_path / "ledger.sqlite", refused)
    assert not isinstance(failing, MissingError) and "what is done is kept. Keep the file" in failing.remedy

    def usage(_: Path) -> SimpleNamespace:
        return SimpleNamespace(total=1 << 30, free=0)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    full = readable(tmp_path / "ledger.sqlite", refused)
    assert isinstance(full, MissingError) and "the disk is full while writing" in full.message
    assert "move" not in str(full) + str(failing)


def test_a_name_with_full_in_it_is_no_full_disk(tmp_path: Path) -> None:
    folder = tmp_path / "full disk readonly"
    (folder / ".curate").mkdir(parents=True)
    (folder / ".curate/ledger.sqlite").write_bytes(b"no database " * 400)
    with pytest.raises(CurateError, match="is damaged"):
        Store(folder)


def test_a_ledger_that_may_not_be_written_is_an_input_error(tmp_path: Path) -> None:
    Store(tmp_path).close()
    db = sqlite3.connect(f"file:{tmp_path / '.curate/ledger.sqlite'}?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError) as refused:
        db.execute("DELETE FROM edits")
    db.close()
    error = readable(tmp_path, refused.value)
    assert isinstance(error, InputError) and "choose an output folder you may write to" in str(error)


def test_a_ledger_that_another_program_holds_is_said_to_be_held(tmp_path: Path) -> None:
    Store(tmp_path).close()
    holder = sqlite3.connect(tmp_path / ".curate/ledger.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    other = sqlite3.connect(tmp_path / ".curate/ledger.sqlite", timeout=0)
    with pytest.raises(sqlite3.OperationalError) as held:
        other.execute("DELETE FROM edits")
    assert isinstance(readable(tmp_path, held.value), LockedError)
    other.close()
    holder.close()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 on this system")
def test_what_was_committed_survives_kill_9(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from curate.core.store import Store\n"
        "store = Store(Path(sys.argv[1]))\n"
        "store.remember('tag', {'kept': 1}); store.commit()\n"
        "store.remember('tag', {'lost': 2}); print('ready', flush=True)\n"
        "import time; time.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline().strip() == b"ready"
    child.kill()
    child.wait()
    child.stdout.close()
    with Store(tmp_path) as store:
        assert store.recall(["kept", "lost"]) == {"kept": 1}


def test_digests_are_read_again_only_where_time_or_size_changed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    long_ago = time.time() - 100
    os.utime(path, (long_ago, long_ago))
    with Store(tmp_path) as store:
        [(_, first)] = store.digests([path])
        path.write_bytes(b"two")
        os.utime(path, (long_ago, long_ago))
        assert list(store.digests([path])) == [(path, first)]  # as every tool that goes by time and size
        os.utime(path, (long_ago + 1, long_ago + 1))
        [(_, second)] = store.digests([path])
        assert second != first


def test_a_file_this_young_is_read_each_time(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    stat = path.stat()
    with Store(tmp_path) as store:
        [(_, first)] = store.digests([path])
        path.write_bytes(b"two")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert next(store.digests([path]))[1] != first


def test_a_file_that_is_gone_is_an_answer(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"x")
    with Store(tmp_path) as store:
        gone, there = store.digests([tmp_path / "gone", tmp_path / "there"])
    assert isinstance(gone[1], FileNotFoundError)
    assert isinstance(there[1], str)


@pytest.mark.parametrize("algorithm", ["blake2b", "sha256"])
def test_each_algorithm_has_its_own_digest_of_a_file(tmp_path: Path, algorithm: Any) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    os.utime(path, (1, 1))
    expected = {"blake2b": digest_bytes(b"one"), "sha256": hashlib.sha256(b"one").hexdigest()}
    with Store(tmp_path) as store:
        assert {name: store.file_digests.of(path, name) for name in ("blake2b", "sha256")} == expected
        path.write_bytes(b"two")
        os.utime(path, (1, 1))  # as a tool that goes by time and size would not see it
        assert store.file_digests.of(path, algorithm) == expected[algorithm]
        assert FileDigests().of(path, algorithm) != expected[algorithm]
        with pytest.raises(FileNotFoundError):
            store.file_digests.of(tmp_path / "gone", algorithm)


def test_a_ledger_that_another_process_writes_is_only_read(tmp_path: Path) -> None:
    known, new = tmp_path / "known", tmp_path / "new"
    for path in (known, new):
        path.write_bytes(b"one")
        os.utime(path, (1, 1))
    with Store(tmp_path) as first:
        digest = first.file_digests.of(known)
        first.file_digests.commit()
        first.remember("resize", {"held": []})  # a transaction that stays open
        with Store(tmp_path) as second:
            digests = FileDigests(second, keeps=False)
            known.write_bytes(b"two")
            os.utime(known, (1, 1))
            assert digests.of(known) == digest  # recalled: size and time are the same
            assert digests.of(new) == digest  # read, and not kept: that would wait for the first
            assert second.read("SELECT COUNT(*) FROM file_digests") == [(1,)]
