"""Old files: what is replaced stays on the disk until it is freed, and nothing depends on it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from curate.core import old_files
from curate.core.files import write_bytes
from curate.core.old_files import OldFiles


def replace(old: OldFiles, file: Path, data: bytes) -> None:
    old.keep(str(file))
    write_bytes(file, data, sync=False)


def test_a_replaced_file_is_freed_when_somebody_has_time(tmp_path: Path) -> None:
    file, place = tmp_path / "a.txt", tmp_path / "ledger/replaced"
    (tmp_path / "ledger").mkdir()
    file.write_bytes(b"one")
    number = file.stat().st_ino
    old = OldFiles(tmp_path / "ledger")
    replace(old, file, b"two")
    replace(old, file, b"three")
    replace(OldFiles(tmp_path / "ledger"), file, b"four")
    assert sorted(kept.read_bytes() for kept in place.iterdir()) == [b"one", b"three", b"two"]
    assert number in {kept.stat().st_ino for kept in place.iterdir()}
    assert file.read_bytes() == b"four"
    old.free()
    assert sorted(tmp_path.rglob("*")) == [file, tmp_path / "ledger"]
    old.free()  # nothing is left
    replace(old, file, b"five")
    assert [kept.read_bytes() for kept in place.iterdir()] == [b"four"]


def test_it_shall_stop(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one")
    old, stopping = OldFiles(tmp_path), threading.Event()
    replace(old, tmp_path / "a.txt", b"two")
    stopping.set()
    old.free(stopping)
    assert len(list((tmp_path / "replaced").iterdir())) == 1


def test_where_no_second_name_can_be_given_files_are_replaced_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "replaced").write_bytes(b"a file in the place of the folder")
    file = tmp_path / "a.txt"
    replace(OldFiles(tmp_path), file, b"there was none")
    replace(OldFiles(tmp_path), file, b"there was one")
    assert file.read_bytes() == b"there was one"


def test_on_a_disk_that_is_nearly_full_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old_files, "ROOM", 1 << 80)
    file = tmp_path / "a.txt"
    file.write_bytes(b"one")
    replace(OldFiles(tmp_path), file, b"two")
    assert list(tmp_path.iterdir()) == [file]
    assert file.read_bytes() == b"two"
